"""Accounts and tokens."""

from __future__ import annotations

from fastapi import APIRouter

from rempart.controller.admin_api.answers import zone_named
from rempart.controller.admin_api.messages import (
    Accounts,
    AccountView,
    NewAccount,
    NewToken,
    Tokens,
    TokenView,
)
from rempart.controller.assembly import Controller
from rempart.controller.intents import OPERATOR
from rempart.controller.intents.tokens import Grant
from rempart.model.accounts import Account, ApiToken
from rempart.model.errors import InvalidInput
from rempart.model.permissions import ACCOUNT, ALL, GROUPS, GROUPS_BY_SLUG, ZONE, PermissionGroup


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/accounts`` and ``/v1/tokens``. They publish nothing."""
    routes = APIRouter(prefix="/v1")
    intents = controller.intents

    @routes.get("/accounts")
    def list_accounts() -> Accounts:
        return Accounts(accounts=tuple(map(_account, intents.accounts.list())))

    @routes.post("/accounts", status_code=201)
    def create_account(new: NewAccount) -> AccountView:
        return _account(intents.accounts.create(OPERATOR, new.name).value)

    @routes.get("/tokens")
    def list_tokens() -> Tokens:
        names = {one.id: one.name for one in intents.accounts.list()}
        return Tokens(tokens=tuple(_token(one, names[one.account_id]) for one in intents.tokens.list()))

    @routes.post("/tokens", status_code=201)
    def create_token(new: NewToken) -> TokenView:
        account = intents.accounts.get(new.account) if new.account else intents.accounts.default()
        grants = _grants(controller, account, new)
        made = intents.tokens.create(
            OPERATOR, account.id, new.name, grants=grants, expires_on=new.expires_on
        ).value
        return _token(made.token, account.name, made.secret)

    @routes.delete("/tokens/{token_id}")
    def revoke_token(token_id: str) -> TokenView:
        revoked = intents.tokens.revoke(OPERATOR, token_id).value
        return _token(revoked, intents.accounts.get(revoked.account_id).name)

    return routes


def _grants(controller: Controller, account: Account, new: NewToken) -> tuple[Grant, ...] | None:
    """What is asked for; None: everything. Permissions that are not about zones are for the account."""
    if not new.permissions and not new.zones:
        return None
    groups = [_group(one) for one in new.permissions or ("all",)]
    if not new.zones:
        return (Grant(groups=tuple(one.id for one in groups), resources=(f"{ACCOUNT}.{account.id}",)),)
    zones = [zone_named(controller, name) for name in new.zones]
    about_zones = tuple(one.id for one in groups if one.scope == ZONE or one == ALL)
    others = tuple(one.id for one in groups if one.scope != ZONE and one != ALL)
    grants = []
    if about_zones:
        grants.append(Grant(groups=about_zones, resources=tuple(f"{ZONE}.{one.id}" for one in zones)))
    if others:
        grants.append(Grant(groups=others, resources=(f"{ACCOUNT}.{account.id}",)))
    return tuple(grants)


def _group(slug: str) -> PermissionGroup:
    if slug not in GROUPS_BY_SLUG:
        raise InvalidInput(
            f"no such permission: {slug[:50]!r}",
            field="permissions",
            hint=f"there are {', '.join(GROUPS_BY_SLUG)}",
        )
    return GROUPS_BY_SLUG[slug]


def _account(account: Account) -> AccountView:
    return AccountView(id=account.id, name=account.name, created_on=account.created_on)


def _token(token: ApiToken, account: str, secret: str | None = None) -> TokenView:
    return TokenView(
        id=token.id,
        account=account,
        name=token.name,
        permissions=tuple(
            dict.fromkeys(
                GROUPS[group].slug for one in token.policies for group in one.groups if group in GROUPS
            )
        ),
        created_on=token.created_on,
        expires_on=token.expires_on,
        revoked=token.revoked,
        token=secret,
    )
