"""Accounts and tokens."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from rempart.controller.intents import OPERATOR, Actor, ActorKind, Intents
from rempart.controller.store.database import Store
from rempart.model.errors import Conflict, InvalidInput, NotFound
from tests.controller.intents.conftest import NOW, Clock, dump


def test_an_account_exists_from_the_start(intents: Intents) -> None:
    assert [account.name for account in intents.accounts.list()] == ["operator"]
    assert intents.accounts.default() == intents.accounts.get("operator")
    assert re.fullmatch(r"[0-9a-f]{32}", intents.accounts.default().id)


def test_accounts_are_created_once(intents: Intents, store: Store) -> None:
    account = intents.accounts.create(OPERATOR, " newsroom ").value
    assert intents.accounts.get("newsroom") == intents.accounts.get(account.id) == account
    before = dump(store)
    with pytest.raises(Conflict):
        intents.accounts.create(OPERATOR, "newsroom")
    for name in ("", " ", "a\nb", "x" * 101):
        with pytest.raises(InvalidInput):
            intents.accounts.create(OPERATOR, name)
    assert dump(store) == before


def test_a_tokens_text_is_shown_once_and_never_stored(intents: Intents, store: Store) -> None:
    account = intents.accounts.default()
    made = intents.tokens.create(OPERATOR, account.id, "certbot").value
    assert re.fullmatch(r"rp_[A-Za-z0-9_-]{37,77}", made.secret)
    assert made.secret not in repr(dump(store))
    assert made.secret not in repr(made)
    assert intents.tokens.verify(made.secret) == made.token
    assert intents.tokens.list(account.id) == (made.token,)


@pytest.mark.parametrize("text", ["", "rp_", "x" * 46, "rp_" + "ä" * 43, "rp_" + "x" * 500])
def test_other_texts_are_no_token(intents: Intents, text: str) -> None:
    intents.tokens.create(OPERATOR, intents.accounts.default().id, "one")
    assert intents.tokens.verify(text) is None


def test_a_changed_token_is_no_token(intents: Intents) -> None:
    secret = intents.tokens.create(OPERATOR, intents.accounts.default().id, "one").value.secret
    other = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    assert intents.tokens.verify(other) is None


def test_revoked_and_expired_tokens_are_refused(intents: Intents, clock: Clock) -> None:
    account = intents.accounts.default().id
    revoked = intents.tokens.create(OPERATOR, account, "a").value
    expiring = intents.tokens.create(OPERATOR, account, "b", expires_on=NOW + timedelta(hours=1)).value
    intents.tokens.revoke(OPERATOR, revoked.token.id)
    entries = intents.audit.list().total
    assert intents.tokens.revoke(OPERATOR, revoked.token.id).value.revoked
    assert intents.audit.list().total == entries, "revoking twice changes nothing"
    assert intents.tokens.verify(revoked.secret) is None
    assert intents.tokens.verify(expiring.secret) is not None
    clock.forward(3600)
    assert intents.tokens.verify(expiring.secret) is None


def test_tokens_need_an_account_and_a_future(intents: Intents) -> None:
    with pytest.raises(NotFound):
        intents.tokens.create(OPERATOR, "nobody", "x")
    with pytest.raises(InvalidInput):
        intents.tokens.create(OPERATOR, intents.accounts.default().id, "x", expires_on=NOW)
    with pytest.raises(NotFound):
        intents.tokens.revoke(OPERATOR, "none")


def test_a_token_that_belongs_to_nobody_is_no_actor() -> None:
    with pytest.raises(ValueError, match="belongs to an account"):
        Actor(kind=ActorKind.TOKEN, id="t")
