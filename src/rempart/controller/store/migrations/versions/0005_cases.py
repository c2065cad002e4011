"""Cases, their steps, what is confidential of them, and the remedies in force."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def _ordered_text() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("opened_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.DateTime(timezone=True)),
        sa.Column("verify_from", sa.DateTime(timezone=True)),
        sa.Column("emergency_on", sa.DateTime(timezone=True)),
        sa.Column("state", sa.Text(), nullable=False),
    )
    for column in ("phase", "host", "opened_on", "due_on", "verify_from"):
        op.create_index(f"ix_cases_{column}", "cases", [column])
    op.create_table(
        "case_steps",
        sa.Column("case_id", sa.String(), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.Column("log_index", sa.BigInteger()),
    )
    op.create_index("case_steps_pending", "case_steps", ["log_index", "case_id"])
    op.create_table(
        "case_confidences",
        sa.Column("seal", sa.String(), primary_key=True),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
    )
    op.create_index("ix_case_confidences_case_id", "case_confidences", ["case_id"])
    op.create_table(
        "restrictions",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("case_id", sa.String(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("host", _ordered_text(), nullable=False),
        sa.Column("reversed_name", _ordered_text(), nullable=False),
        sa.Column("whole_zone", sa.Boolean(), nullable=False),
        sa.Column("measure", sa.JSON(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
    for column in ("host", "reversed_name"):
        op.create_index(f"ix_restrictions_{column}", "restrictions", [column])
