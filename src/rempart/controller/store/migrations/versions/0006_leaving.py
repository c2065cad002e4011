"""DNSSEC keys of zones, and notices of remedies that make names move."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def _ordered_text() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "zone_keys",
        sa.Column("zone_id", sa.String(), sa.ForeignKey("zones.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "notices",
        sa.Column("case_id", sa.String(), sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("host", _ordered_text(), nullable=False),
        sa.Column("reversed_name", _ordered_text(), nullable=False),
        sa.Column("whole_zone", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.String()),
    )
    for column in ("host", "reversed_name", "account_id"):
        op.create_index(f"ix_notices_{column}", "notices", [column])
