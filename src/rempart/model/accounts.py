"""Accounts and the tokens with which their owners call the API."""

from __future__ import annotations

from datetime import datetime

from rempart.model.base import Value


class Account(Value):
    """An owner of zones."""

    id: str
    name: str
    created_on: datetime


class ApiToken(Value):
    """A token as it is stored: its SHA-256, never itself."""

    id: str
    account_id: str
    name: str
    sha256: str
    """Hex digest of the whole token text; tokens carry 240 bits of randomness, so a plain hash suffices."""
    created_on: datetime
    expires_on: datetime | None = None
    revoked: bool = False
