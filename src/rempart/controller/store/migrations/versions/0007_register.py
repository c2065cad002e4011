"""What cases are about, by name, and the register of decisions; both filled from the cases there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

STATES = {"announced": "announced", "in_effect": "in_effect", "lifted": "lifted"}
STATES |= {"dismissed": "closed", "closed": "closed"}


def _ordered_text() -> sa.String:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    targets = op.create_table(
        "case_targets",
        sa.Column("case_id", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("host", _ordered_text(), nullable=False),
        sa.Column("reversed_name", _ordered_text(), nullable=False),
        sa.Column("whole_zone", sa.Boolean(), nullable=False),
    )
    for column in ("host", "reversed_name"):
        op.create_index(f"ix_case_targets_{column}", "case_targets", [column])
    register = op.create_table(
        "register",
        sa.Column("case_id", sa.String(), primary_key=True),
        sa.Column("host", _ordered_text(), nullable=False),
        sa.Column("reversed_name", _ordered_text(), nullable=False),
        sa.Column("path", sa.String()),
        sa.Column("whole_zone", sa.Boolean(), nullable=False),
        sa.Column("remedy", sa.String(), nullable=False),
        sa.Column("rule", sa.String()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_on", sa.DateTime(timezone=True), nullable=False),
    )
    for column in ("host", "reversed_name", "remedy", "rule", "state", "decided_on"):
        op.create_index(f"ix_register_{column}", "register", [column])
    connection = op.get_bind()
    for case in connection.execute(sa.text("SELECT id, phase, state FROM cases")).all():
        about = json.loads(case.state)["targets"]
        if about:
            connection.execute(targets.insert(), [_named(case.id, *one) for one in enumerate(about)])
    for entry in _listed(connection):
        connection.execute(register.insert(), entry)


def _named(case: str, number: int, target: dict[str, Any]) -> dict[str, Any]:
    host = target["host"].removeprefix("*.")
    return {
        "case_id": case,
        "number": number,
        "host": host,
        "reversed_name": _reversed(host),
        "whole_zone": target["whole_zone"],
    }


def _listed(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    """One entry for each case that the public knows of: what was announced or took effect last."""
    steps = sa.table(
        "case_steps",
        *(sa.column(name) for name in ("case_id", "seq", "event", "log_index")),
        sa.column("at", sa.DateTime(timezone=True)),
        sa.column("public", sa.Boolean()),
    )
    for case in connection.execute(sa.text("SELECT id, phase, state FROM cases")).all():
        if not json.loads(case.state)["public"]:
            continue
        known = sa.select(steps).where(steps.c.case_id == case.id, steps.c.log_index.is_not(None))
        motion, rule, first, last = None, None, None, None
        for one in connection.execute(known.order_by(steps.c.seq)).all():
            last = one.at
            decision = json.loads(one.event).get("decision") if one.public else None
            if decision is not None and decision["motion"]["measure"] is not None:
                motion, first = decision["motion"], first or one.at
                rule = motion["rule"] or rule
        if motion is None:
            continue
        target = motion["measure"]["target"]
        yield {
            "case_id": case.id,
            "host": target["host"],
            "reversed_name": _reversed(target["host"]),
            "path": target["path"],
            "whole_zone": target["whole_zone"],
            "remedy": motion["measure"]["remedy"],
            "rule": rule,
            "state": STATES.get(case.phase, "under_way"),
            "decided_on": first,
            "changed_on": last,
        }


def _reversed(name: str) -> str:
    return ".".join(reversed(name.split(".")))
