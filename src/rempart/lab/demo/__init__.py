"""The demo: a real application behind a real Rempart on this machine, looked at with real clients.

``bin/demo`` runs it; it ends by itself, with status 0 when everything was as it should be.
"""
