"""Abuse reports as rows."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from rempart.controller.store.tables import AbuseReportRow, ReportFileRow
from rempart.governance.reports.duplicates import Fingerprint, Known
from rempart.model.abuse_reports import Report, Standing
from rempart.model.cases import Category
from rempart.model.errors import NotFound
from rempart.model.names import shown

CANDIDATES_MAX = 500
"""Reports about one host that a new one is compared with: the latest."""
_PLAIN = frozenset(Report.model_fields) - {"files"}


def report_row(session: Session, id_: str) -> AbuseReportRow:
    """NotFound when there is no such report."""
    row = session.get(AbuseReportRow, id_)
    if row is None:
        raise NotFound(f"no such report: {shown(id_)}", field="report", hint="rempart report list")
    return row


def view(session: Session, row: AbuseReportRow) -> Report:
    files = session.scalars(
        select(ReportFileRow).where(ReportFileRow.report_id == row.id).order_by(ReportFileRow.number)
    )
    kept = [
        {"number": one.number, "sha256": one.sha256, "size": one.size, "media_type": one.media_type}
        for one in files
    ]
    return Report.model_validate({**{name: getattr(row, name) for name in _PLAIN}, "files": kept})


def known(session: Session, host: str, category: Category) -> Iterable[Known]:
    """What a new report about ``host`` is compared with."""
    rows = (
        select(AbuseReportRow)
        .where(AbuseReportRow.host == host, AbuseReportRow.category == category.value)
        .order_by(AbuseReportRow.received_at.desc())
        .limit(CANDIDATES_MAX)
    )
    for row in session.scalars(rows):
        yield Known(
            id=row.id,
            fingerprint=Fingerprint(
                category=category,
                host=host,
                urls=frozenset(row.urls),
                words=row.words,
                reporter=row.reporter,
            ),
            received_at=row.received_at,
            decided_at=row.decided_at,
            same_as=row.same_as,
            refused=row.standing == Standing.REFUSED.value,
        )


def leading(session: Session, row: AbuseReportRow) -> AbuseReportRow:
    """The report that decides for this one: itself, or the one it repeats or adds to."""
    first = None if row.same_as is None else session.get(AbuseReportRow, row.same_as)
    return first or row
