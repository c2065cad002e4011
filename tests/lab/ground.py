"""What tests of the lab share."""

from __future__ import annotations

import secrets


def fresh_run() -> str:
    """A name for a run that nobody else has."""
    return secrets.token_hex(4)
