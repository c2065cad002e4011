"""What was written, by whom and when. Entries are only ever added, by ``Transaction.settle``."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select

from rempart.controller.intents.context import Context, Page, check_page
from rempart.controller.store.tables import AuditRow
from rempart.model.base import Value


class AuditEntry(Value):
    """One write that was carried out."""

    id: int
    at: datetime
    actor_kind: str
    actor_id: str
    action: str
    """``zone.create``, ``record.delete`` …"""
    subject: str
    account_id: str | None
    """Whose affair it was; None: the operator's alone."""
    zone: str | None
    revision: int
    """The store's revision after the write."""
    digest: str
    summary: str
    """Counts and first lines of the plan."""


class AuditFilter(Value):
    """Which entries to list; all that is given must hold."""

    account_id: str | None = None
    zone: str | None = None
    id: int | None = None
    action: str | None = None
    actor_id: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    oldest_first: bool = False


PRUNED_AT_ONCE = 1_000
"""Entries that go in one transaction, so that no write waits long for it."""


class AuditTrail:
    """Reads the entries, and lets the oldest go."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def list(
        self, wanted: AuditFilter | None = None, *, page: int = 1, per_page: int = 50
    ) -> Page[AuditEntry]:
        """Newest first, unless the filter says otherwise."""
        check_page(page, per_page)
        wanted = wanted or AuditFilter()
        with self._context.reading() as session:
            rows = select(AuditRow).where(*_conditions(wanted))
            total = session.scalars(select(func.count()).select_from(rows.subquery())).one()
            found = session.scalars(
                rows.order_by(AuditRow.id.asc() if wanted.oldest_first else AuditRow.id.desc())
                .limit(per_page)
                .offset((page - 1) * per_page)
            )
            entries = tuple(
                AuditEntry(**{name: getattr(row, name) for name in AuditEntry.model_fields}) for row in found
            )
            return Page(entries, total, page, per_page)

    def prune(self, *, before: datetime, keep: int) -> int:
        """Drop entries made before ``before``, and all but the newest ``keep``: the oldest of them, at most
        PRUNED_AT_ONCE; how many went. The newest entry stays, so that no number is given twice.

        Nothing else refers to entries.
        """
        with self._context.store.writing() as session:
            newest = session.scalars(select(func.max(AuditRow.id))).one() or 0
            oldest = select(AuditRow.id).order_by(AuditRow.id).limit(PRUNED_AT_ONCE)
            too_many = oldest.where(AuditRow.id <= newest - keep)
            too_old = oldest.where(AuditRow.at < before, AuditRow.id < newest)
            gone = sorted({*session.scalars(too_many), *session.scalars(too_old)})[:PRUNED_AT_ONCE]
            if gone:
                session.execute(delete(AuditRow).where(AuditRow.id.in_(gone)))
            return len(gone)


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    equal = (
        (AuditRow.account_id, wanted.account_id),
        (AuditRow.zone, wanted.zone),
        (AuditRow.id, wanted.id),
        (AuditRow.action, wanted.action),
        (AuditRow.actor_id, wanted.actor_id),
    )
    conditions = [column == value for column, value in equal if value is not None]
    if wanted.since is not None:
        conditions.append(AuditRow.at >= wanted.since)
    if wanted.before is not None:
        conditions.append(AuditRow.at < wanted.before)
    return conditions
