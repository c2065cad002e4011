"""What was stored by an earlier version means the same afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from rempart.controller.intents.tokens import _digest
from rempart.controller.store import views
from rempart.controller.store.database import Store
from rempart.controller.store.migrations import upgrade
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import TokenRow
from rempart.model.permissions import Permission, Resource, authorise

ACCOUNT = "00000000000000000000000000000001"


def test_tokens_from_before_policies_may_still_do_everything(url: str, seal: Seal) -> None:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    upgrade(engine, "0001")
    tokens = sa.table(
        "tokens",
        *(sa.column(name) for name in ("id", "account_id", "name", "sha256", "revoked", "expires_on")),
        sa.column("created_on", sa.DateTime(timezone=True)),
    )
    when = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"id": "a" * 32, "account_id": ACCOUNT, "name": "old", "sha256": _digest("x"), "revoked": False}
    with engine.begin() as connection:
        connection.execute(tokens.insert().values(created_on=when, **row))
    engine.dispose()
    with Store(url, seal) as store, store.reading() as session:
        token = views.token(session.get_one(TokenRow, "a" * 32))
    assert (token.created_on, token.modified_on, token.disabled) == (when, when, False)
    for permission in Permission:
        assert authorise(token, permission, Resource(account_id=ACCOUNT, zone_id="1" * 32))
        assert not authorise(token, permission, Resource(account_id="b" * 32))
