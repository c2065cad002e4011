"""Accounts and their API tokens."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from rempart.controller.intents.actor import Actor
from rempart.controller.intents.context import Context, fresh_id
from rempart.controller.intents.transaction import Written
from rempart.controller.store import views
from rempart.controller.store.tables import AccountRow, TokenRow
from rempart.model.accounts import Account, ApiToken
from rempart.model.errors import Conflict, InvalidInput, NotFound

DEFAULT_ACCOUNT = "operator"
"""Name of the account that exists from the start."""
NAME_MAX = 100
_TOKEN = re.compile(r"[A-Za-z0-9_-]{40,80}")


@dataclass(frozen=True, slots=True)
class TokenCreated:
    """The one moment at which a token's text is known."""

    token: ApiToken
    secret: str = field(repr=False)


class AccountIntents:
    """Create and list accounts."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, actor: Actor, name: str) -> Written[Account]:
        """A new account. Conflict when the name is taken."""
        name = _checked_name(name)
        with self._context.writing(actor) as write:
            if write.session.scalars(select(AccountRow).where(AccountRow.name == name)).first():
                raise Conflict(f"there is an account {name!r} already", field="name")
            row = AccountRow(id=fresh_id(), name=name, created_on=write.now)
            write.session.add(row)
            return write.settle(views.account(row), "account.create", name)

    def get(self, id_or_name: str) -> Account:
        """NotFound when there is none."""
        with self._context.reading() as session:
            row = session.get(AccountRow, id_or_name)
            row = row or session.scalars(select(AccountRow).where(AccountRow.name == id_or_name)).first()
            if row is None:
                raise NotFound("no such account", field="account")
            return views.account(row)

    def default(self) -> Account:
        """The account that exists from the start."""
        return self.get(DEFAULT_ACCOUNT)

    def list(self) -> tuple[Account, ...]:
        """By name."""
        with self._context.reading() as session:
            return tuple(map(views.account, session.scalars(select(AccountRow).order_by(AccountRow.name))))


class TokenIntents:
    """Create, verify, revoke and list API tokens."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(
        self, actor: Actor, account_id: str, name: str, *, expires_on: datetime | None = None
    ) -> Written[TokenCreated]:
        """A new token; its text is in the answer and nowhere else afterwards."""
        name = _checked_name(name)
        secret = f"rp_{secrets.token_urlsafe(32)}"
        with self._context.writing(actor) as write:
            if write.session.get(AccountRow, account_id) is None:
                raise NotFound("no such account", field="account")
            if expires_on is not None and expires_on <= write.now:
                raise InvalidInput("lies in the past", field="expires_on")
            row = TokenRow(
                id=fresh_id(),
                account_id=account_id,
                name=name,
                sha256=_digest(secret),
                created_on=write.now,
                expires_on=expires_on,
                revoked=False,
            )
            write.session.add(row)
            return write.settle(TokenCreated(views.token(row), secret), "token.create", row.id)

    def verify(self, secret: str) -> ApiToken | None:
        """The valid token with this text; None when there is none, or it expired or was revoked."""
        if not _TOKEN.fullmatch(secret):
            return None
        digest = _digest(secret)
        with self._context.reading() as session:
            row = session.scalars(select(TokenRow).where(TokenRow.sha256 == digest)).first()
            # The look-up is by hash: what its timing tells about a guess is nothing about any token.
            if row is None or not hmac.compare_digest(row.sha256, digest) or row.revoked:
                return None
            if row.expires_on is not None and row.expires_on <= self._context.clock():
                return None
            return views.token(row)

    def revoke(self, actor: Actor, token_id: str) -> Written[ApiToken]:
        """Revoking twice changes nothing."""
        with self._context.writing(actor) as write:
            row = write.session.get(TokenRow, token_id)
            if row is None:
                raise NotFound("no such token", field="token")
            changed = not row.revoked
            row.revoked = True
            return write.settle(views.token(row), "token.revoke", token_id, recorded=changed)

    def list(self, account_id: str | None = None) -> tuple[ApiToken, ...]:
        """Newest first."""
        with self._context.reading() as session:
            rows = select(TokenRow).order_by(TokenRow.created_on.desc(), TokenRow.id)
            if account_id is not None:
                rows = rows.where(TokenRow.account_id == account_id)
            return tuple(map(views.token, session.scalars(rows)))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise InvalidInput(f"1 to {NAME_MAX} printable characters", field="name")
    return name
