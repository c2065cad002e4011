"""HTTP clients for visitors and bots: every connection from the address it is told to come from."""
