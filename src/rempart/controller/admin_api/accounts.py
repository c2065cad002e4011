"""Accounts and tokens."""

from __future__ import annotations

from fastapi import APIRouter

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
from rempart.model.accounts import Account, ApiToken


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
        made = intents.tokens.create(OPERATOR, account.id, new.name, expires_on=new.expires_on).value
        return _token(made.token, account.name, made.secret)

    @routes.delete("/tokens/{token_id}")
    def revoke_token(token_id: str) -> TokenView:
        revoked = intents.tokens.revoke(OPERATOR, token_id).value
        return _token(revoked, intents.accounts.get(revoked.account_id).name)

    return routes


def _account(account: Account) -> AccountView:
    return AccountView(id=account.id, name=account.name, created_on=account.created_on)


def _token(token: ApiToken, account: str, secret: str | None = None) -> TokenView:
    return TokenView(
        id=token.id,
        account=account,
        name=token.name,
        created_on=token.created_on,
        expires_on=token.expires_on,
        revoked=token.revoked,
        token=secret,
    )
