"""The gate: challenges that visitors pass, and the clearances they get for it."""
