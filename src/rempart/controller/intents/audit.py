"""What was written, by whom and when. Entries are only ever added, by ``Transaction.settle``."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

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
    zone: str | None
    revision: int
    """The store's revision after the write."""
    digest: str
    summary: str
    """Counts and first lines of the plan."""


class AuditTrail:
    """Reads the entries."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def list(self, *, zone: str | None = None, page: int = 1, per_page: int = 50) -> Page[AuditEntry]:
        """Newest first."""
        check_page(page, per_page)
        with self._context.reading() as session:
            rows = select(AuditRow)
            if zone is not None:
                rows = rows.where(AuditRow.zone == zone)
            total = session.scalars(select(func.count()).select_from(rows.subquery())).one()
            found = session.scalars(
                rows.order_by(AuditRow.id.desc()).limit(per_page).offset((page - 1) * per_page)
            )
            entries = tuple(
                AuditEntry(**{name: getattr(row, name) for name in AuditEntry.model_fields}) for row in found
            )
            return Page(entries, total, page, per_page)
