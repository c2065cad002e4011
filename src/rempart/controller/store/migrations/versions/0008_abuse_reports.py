"""Abuse reports, the files that came with them, and letters about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def _at(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "abuse_reports",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("reference", sa.String(), nullable=False, unique=True),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("urls", sa.JSON(), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        _at("received_at", nullable=False),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("host_anonymous", sa.Boolean(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("standing", sa.String(), nullable=False),
        sa.Column("denial", sa.String()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("same_as", sa.String()),
        sa.Column("case_id", sa.String()),
        _at("decided_at"),
        _at("forwarded_at"),
        _at("host_told_at"),
        _at("answered_at"),
        sa.Column("answer", sa.String()),
        sa.Column("sealed_answer", sa.Text()),
        sa.Column("words", sa.String(), nullable=False),
        sa.Column("reporter", sa.String()),
        sa.Column("submitter", sa.String()),
        sa.Column("contact", sa.Text()),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("told", sa.String(), nullable=False),
    )
    for column in ("account_id", "received_at", "standing", "same_as", "case_id", "submitter"):
        op.create_index(f"ix_abuse_reports_{column}", "abuse_reports", [column])
    op.create_index("abuse_reports_alike", "abuse_reports", ["host", "category", "received_at"])
    _of_a_report(
        "report_files",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("sealed_name", sa.Text(), nullable=False),
        key=True,
    )
    _of_a_report(
        "report_letters",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        _at("at", nullable=False),
        _at("sent_at"),
        sa.Column("sealed", sa.Text(), nullable=False),
    )
    for column in ("report_id", "at"):
        op.create_index(f"ix_report_letters_{column}", "report_letters", [column])


def _of_a_report(name: str, *columns: sa.Column[object], key: bool = False) -> None:
    of = sa.Column(
        "report_id",
        sa.String(),
        sa.ForeignKey("abuse_reports.id", ondelete="CASCADE"),
        primary_key=key,
        nullable=False,
    )
    op.create_table(name, of, *columns)
