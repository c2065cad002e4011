"""What transparency reports count, and indices so that 100,000 cases are listed as fast as a hundred."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "case_marks",
        sa.Column("case_id", sa.String(), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
    )
    op.create_index("ix_case_marks_at", "case_marks", ["at"])
    for column in ("phase", "host", "opened_on"):
        op.drop_index(f"ix_cases_{column}", "cases")
    op.create_index("cases_by_time", "cases", ["opened_on", "id"])
    op.create_index("cases_by_phase", "cases", ["phase", "opened_on", "id"])
    op.create_index("cases_by_host", "cases", ["host", "opened_on", "id"])
    op.create_index("ix_cases_emergency_on", "cases", ["emergency_on"])
