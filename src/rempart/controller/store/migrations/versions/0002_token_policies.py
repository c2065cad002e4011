"""Tokens carry policies; audit entries say whose affair they were.

Tokens that were there keep what they could do: everything in their account.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

ALL_PERMISSIONS = "72656d70617274000000000000000001"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    with op.batch_alter_table("tokens") as tokens:
        tokens.add_column(sa.Column("policies", sa.JSON(), nullable=True))
        tokens.add_column(sa.Column("modified_on", instant, nullable=True))
        tokens.add_column(sa.Column("not_before", instant))
        tokens.add_column(sa.Column("disabled", sa.Boolean(), nullable=False, server_default=sa.false()))
    _give_full_access()
    with op.batch_alter_table("tokens") as tokens:
        tokens.alter_column("policies", existing_type=sa.JSON(), nullable=False)
        tokens.alter_column("modified_on", existing_type=instant, nullable=False)
        tokens.alter_column("disabled", existing_type=sa.Boolean(), server_default=None)
    op.add_column("audit", sa.Column("account_id", sa.String()))
    op.create_index("ix_audit_account_id", "audit", ["account_id"])


def _give_full_access() -> None:
    tokens = sa.table(
        "tokens",
        sa.column("id", sa.String()),
        sa.column("account_id", sa.String()),
        sa.column("created_on", sa.DateTime(timezone=True)),
        sa.column("modified_on", sa.DateTime(timezone=True)),
        sa.column("policies", sa.JSON()),
    )
    connection = op.get_bind()
    for id_, account_id in connection.execute(sa.select(tokens.c.id, tokens.c.account_id)).all():
        policy = {
            "id": secrets.token_hex(16),
            "groups": [ALL_PERMISSIONS],
            "resources": [f"com.cloudflare.api.account.{account_id}"],
        }
        connection.execute(
            sa.update(tokens)
            .where(tokens.c.id == id_)
            .values(policies=[policy], modified_on=tokens.c.created_on)
        )
