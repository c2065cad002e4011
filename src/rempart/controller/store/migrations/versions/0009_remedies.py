"""What visitors are told of a remedy, whose account is closed, and where a remedy's change was published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    with op.batch_alter_table("restrictions") as table:
        table.add_column(sa.Column("notice", sa.JSON()))
        table.add_column(sa.Column("account_id", sa.String()))
        table.create_index("ix_restrictions_account_id", ["account_id"])
    with op.batch_alter_table("cases") as table:
        table.add_column(sa.Column("effect_revision", sa.BigInteger()))
