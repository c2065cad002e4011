"""Accounts, and the API tokens that speak for them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from rempart.model.base import Value
from rempart.model.permissions import TokenPolicy

DEFAULT_ACCOUNT = "operator"
"""Name of the account that exists from the start: the operator's own."""


class Account(Value):
    """An owner of zones."""

    id: str
    name: str
    created_on: datetime


class TokenState(StrEnum):
    """Whether a token is taken."""

    ACTIVE = "active"
    EARLY = "early"  # not_before lies ahead
    EXPIRED = "expired"
    DISABLED = "disabled"  # by its owner, who may enable it again
    REVOKED = "revoked"


class ApiToken(Value):
    """A token as it is stored: its SHA-256, never itself."""

    id: str
    account_id: str
    name: str
    sha256: str
    """Hex digest of the whole token text; tokens carry 240 bits of randomness, so a plain hash suffices."""
    policies: tuple[TokenPolicy, ...] = ()
    created_on: datetime
    modified_on: datetime
    not_before: datetime | None = None
    expires_on: datetime | None = None
    disabled: bool = False
    revoked: bool = False

    def state(self, now: datetime) -> TokenState:
        """What it is at ``now``."""
        if self.revoked:
            return TokenState.REVOKED
        if self.disabled:
            return TokenState.DISABLED
        if self.expires_on is not None and self.expires_on <= now:
            return TokenState.EXPIRED
        if self.not_before is not None and now < self.not_before:
            return TokenState.EARLY
        return TokenState.ACTIVE
