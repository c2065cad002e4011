"""The packet shield on this machine: which interfaces, what is told to the program, and watching over it."""
