"""Measurements and rehearsals on a machine of one's own."""
