"""Knot DNS, the authoritative name server, and how other name servers follow it."""
