"""API tokens: create, edit, roll, verify, revoke, list."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from rempart.controller.intents.accounts import checked_name
from rempart.controller.intents.actor import Actor, ActorKind
from rempart.controller.intents.context import Context, fresh_id
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.store import views
from rempart.controller.store.tables import AccountRow, TokenRow, ZoneRow
from rempart.model.accounts import ApiToken, TokenState
from rempart.model.base import Value
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.names import shown
from rempart.model.permissions import POLICIES_MAX, ZONE, TokenPolicy, check_policy, full_access

TOKENS_MAX = 500
"""Tokens of one account that are not revoked."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{40,80}")


@dataclass(frozen=True, slots=True)
class TokenCreated:
    """The one moment at which a token's text is known."""

    token: ApiToken
    secret: str = field(repr=False)


class Grant(Value):
    """A policy as it is asked for: permission groups by id, resources by name."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]


class TokenDraft(Value):
    """Everything about a token but its identity."""

    name: str
    grants: tuple[Grant, ...] | None = None
    """None: everything in the account."""
    not_before: datetime | None = None
    expires_on: datetime | None = None
    disabled: bool = False


class TokenIntents:
    """What may be decided about tokens. Actors that are tokens reach their own account's only."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(
        self,
        actor: Actor,
        account_id: str,
        name: str,
        *,
        grants: Iterable[Grant] | None = None,
        not_before: datetime | None = None,
        expires_on: datetime | None = None,
    ) -> Written[TokenCreated]:
        """A new token; its text is in the answer and nowhere else afterwards.

        Without ``grants`` it may do everything in the account.
        """
        secret = _fresh_secret()
        with self._context.writing(actor) as write:
            if write.session.get(AccountRow, account_id) is None or not _may_touch(actor, account_id):
                raise NotFound(f"no such account: {shown(account_id)}", field="account")
            if expires_on is not None and expires_on <= write.now:
                raise InvalidInput("lies in the past", field="expires_on")
            _check_window(not_before, expires_on)
            held = write.session.scalars(
                select(TokenRow.id).where(TokenRow.account_id == account_id, TokenRow.revoked.is_(False))
            )
            if len(held.all()) >= TOKENS_MAX:
                raise InvalidInput(f"an account has at most {TOKENS_MAX} tokens", field="account")
            row = TokenRow(
                id=fresh_id(),
                account_id=account_id,
                name=checked_name(name),
                sha256=_digest(secret),
                policies=_policies(write, account_id, grants),
                created_on=write.now,
                modified_on=write.now,
                not_before=not_before,
                expires_on=expires_on,
                disabled=False,
                revoked=False,
            )
            write.session.add(row)
            return write.settle(
                TokenCreated(views.token(row), secret), "token.create", row.id, account=account_id
            )

    def replace(self, actor: Actor, token_id: str, draft: TokenDraft) -> Written[ApiToken]:
        """Everything about the token but its text. NotFound when it is revoked."""
        with self._context.writing(actor) as write:
            row = _row(write, actor, token_id)
            before = views.token(row)
            _check_window(draft.not_before, draft.expires_on)
            row.name = checked_name(draft.name)
            row.policies = _policies(write, row.account_id, draft.grants, before.policies)
            row.not_before, row.expires_on = draft.not_before, draft.expires_on
            row.disabled = draft.disabled
            changed = views.token(row) != before
            if changed:
                row.modified_on = write.now
            return write.settle(
                views.token(row), "token.edit", token_id, account=row.account_id, recorded=changed
            )

    def roll(self, actor: Actor, token_id: str) -> Written[TokenCreated]:
        """A new text in place of the old one, which is taken no longer."""
        secret = _fresh_secret()
        with self._context.writing(actor) as write:
            row = _row(write, actor, token_id)
            row.sha256, row.modified_on = _digest(secret), write.now
            return write.settle(
                TokenCreated(views.token(row), secret), "token.roll", token_id, account=row.account_id
            )

    def revoke(self, actor: Actor, token_id: str) -> Written[ApiToken]:
        """Revoking twice changes nothing."""
        with self._context.writing(actor) as write:
            row = write.session.get(TokenRow, token_id)
            if row is None or not _may_touch(actor, row.account_id):
                raise NotFound(f"no such token: {shown(token_id)}", field="token")
            changed = not row.revoked
            row.revoked = True
            return write.settle(
                views.token(row), "token.revoke", token_id, account=row.account_id, recorded=changed
            )

    def verify(self, secret: str) -> ApiToken | None:
        """The valid token with this text; None when there is none, or it is not taken now."""
        found = self.find(secret)
        if found is None or found.state(self._context.clock()) is not TokenState.ACTIVE:
            return None
        return found

    def find(self, secret: str) -> ApiToken | None:
        """The token with this text, in whatever state it is."""
        if not _TOKEN.fullmatch(secret):
            return None
        digest = _digest(secret)
        with self._context.reading() as session:
            row = session.scalars(select(TokenRow).where(TokenRow.sha256 == digest)).first()
            # The look-up is by hash: what its timing tells about a guess is nothing about any token.
            if row is None or not hmac.compare_digest(row.sha256, digest):
                return None
            return views.token(row)

    def get(self, account_id: str, token_id: str) -> ApiToken:
        """The account's token. NotFound when there is none, or it is revoked."""
        with self._context.reading() as session:
            row = session.get(TokenRow, token_id)
            if row is None or row.account_id != account_id or row.revoked:
                raise NotFound(f"no such token: {shown(token_id)}", field="token")
            return views.token(row)

    def list(self, account_id: str | None = None) -> tuple[ApiToken, ...]:
        """Newest first."""
        with self._context.reading() as session:
            rows = select(TokenRow).order_by(TokenRow.created_on.desc(), TokenRow.id)
            if account_id is not None:
                rows = rows.where(TokenRow.account_id == account_id)
            return tuple(map(views.token, session.scalars(rows)))


def _fresh_secret() -> str:
    return f"rp_{secrets.token_urlsafe(32)}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _may_touch(actor: Actor, account_id: str) -> bool:
    return actor.kind is not ActorKind.TOKEN or actor.account_id == account_id


def _row(write: Transaction, actor: Actor, token_id: str) -> TokenRow:
    row = write.session.get(TokenRow, token_id)
    if row is None or row.revoked or not _may_touch(actor, row.account_id):
        raise NotFound(f"no such token: {shown(token_id)}", field="token")
    return row


def _check_window(not_before: datetime | None, expires_on: datetime | None) -> None:
    if not_before is not None and expires_on is not None and expires_on <= not_before:
        raise InvalidInput("lies before not_before", field="expires_on")


def _policies(
    write: Transaction,
    account_id: str,
    grants: Iterable[Grant] | None,
    before: tuple[TokenPolicy, ...] = (),
) -> list[dict[str, object]]:
    """The policies to store; those that are as they were keep their ids."""
    if grants is None:
        made = [full_access(account_id, fresh_id())]
    else:
        known = {(one.groups, one.resources): one.id for one in before}
        made = []
        for grant in grants:
            groups, resources = tuple(dict.fromkeys(grant.groups)), tuple(dict.fromkeys(grant.resources))
            id_ = known.pop((groups, resources), None) or fresh_id()
            made.append(TokenPolicy(id=id_, groups=groups, resources=resources))
        if not 1 <= len(made) <= POLICIES_MAX:
            raise InvalidInput(f"1 to {POLICIES_MAX} policies", field="policies")
        for policy in made:
            check_policy(policy, account_id)
            _check_zones(write, policy, account_id)
    return [one.model_dump(mode="json") for one in made]


def _check_zones(write: Transaction, policy: TokenPolicy, account_id: str) -> None:
    """A zone that is not the account's is answered like one that does not exist."""
    for resource in policy.resources:
        zone_id = resource.removeprefix(ZONE + ".")
        if zone_id == resource or zone_id == "*":
            continue
        zone = write.session.get(ZoneRow, zone_id)
        if zone is None or zone.account_id != account_id:
            raise InvalidInput(f"there is no zone {zone_id}", field="policies.resources")
