"""Reports as those see them whom they concern: operator and arbiters, the site, the reporter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from rempart.controller.cases.docket import Docket
from rempart.controller.intents.context import Context, Page, check_page
from rempart.controller.reporting.confidences import (
    Content,
    for_the_site,
    open_answer,
    open_content,
    open_name,
    open_sender,
    without_sender,
)
from rempart.controller.reporting.rows import leading, report_row, view
from rempart.controller.store.tables import AbuseReportRow, ReportFileRow
from rempart.governance.reports.answering import Answering, answering
from rempart.governance.reports.outcomes import Told, told
from rempart.model.abuse_reports import Contact, Report, Standing
from rempart.model.base import Value
from rempart.model.cases import Case, Category
from rempart.model.errors import Conflict, NotFound


class Wanted(Value):
    """Which reports; None is any."""

    standing: tuple[Standing, ...] | None = None
    category: tuple[Category, ...] | None = None
    host: str | None = None
    hosts: tuple[str, ...] | None = None
    site: str | None = None
    id: str | None = None
    case_id: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    waiting: bool = False
    """Only those that a person must look at: new ones, not those that go another's way."""
    oldest_first: bool = False


class ForSite(Value):
    """A report as the site's owner sees it."""

    report: Report
    content: Content
    contact: Contact | None
    """None: the reporter stays unknown to the site."""
    answer: str
    times_reported: int
    """By how many reports: this one, and those that add to it."""


class ForReporter(Value):
    """A report as whoever has its reference sees it."""

    report: Report
    told: Told


class Whole(Value):
    """A report as operator and arbiters see it; who sent it is asked for apart."""

    report: Report
    content: Content
    file_names: tuple[str, ...]
    answer: str
    same: tuple[str, ...]
    """Reports that repeat it or add to it."""


class Reading:
    """Looks reports up. Writes nothing."""

    def __init__(self, context: Context, docket: Docket) -> None:
        self._context = context
        self._docket = docket

    # --- operator and arbiters -----------------------------------------------------------------------

    def get(self, id_: str) -> Report:
        """NotFound when there is none."""
        with self._context.reading() as session:
            return view(session, report_row(session, id_))

    def whole(self, id_: str, *, without_names: bool = False) -> Whole:
        """``without_names``: as arbiters see it, who are to judge what is said and not who says it."""
        seal = self._context.store.seal
        with self._context.reading() as session:
            row = report_row(session, id_)
            files = session.scalars(
                select(ReportFileRow).where(ReportFileRow.report_id == id_).order_by(ReportFileRow.number)
            )
            content = open_content(seal, row)
            names = tuple(open_name(seal, id_, one.number, one.sealed_name) for one in files)
            if without_names:
                content = without_sender(content, open_sender(seal, row).contact)
                names = ()
            return Whole(
                report=view(session, row),
                content=content,
                file_names=names,
                answer=open_answer(seal, row),
                same=tuple(session.scalars(_same(id_))),
            )

    def contact(self, id_: str) -> Contact:
        """Who sent it. For those who decide, and asked for by itself."""
        with self._context.reading() as session:
            return open_sender(self._context.store.seal, report_row(session, id_)).contact

    def list(self, wanted: Wanted, *, page: int = 1, per_page: int = 100) -> Page[Report]:
        """Newest first, unless told otherwise."""
        return self._page(wanted, (), page, per_page)

    def of_case(self, case_id: str) -> tuple[Report, ...]:
        """The reports that a case is about."""
        return self.list(Wanted(case_id=case_id, oldest_first=True), per_page=1_000).items

    def answering(self, *, site: str | None = None, account_id: str | None = None) -> Answering:
        """How a site, or all of an account's, or all here, answer."""
        pairs = select(AbuseReportRow.forwarded_at, AbuseReportRow.answered_at).where(
            AbuseReportRow.forwarded_at.is_not(None)
        )
        if site is not None:
            pairs = pairs.where(AbuseReportRow.site == site)
        if account_id is not None:
            pairs = pairs.where(AbuseReportRow.account_id == account_id)
        with self._context.reading() as session:
            found = [(told, said) for told, said in session.execute(pairs) if told is not None]
        return answering(found, self._context.clock())

    # --- the site ------------------------------------------------------------------------------------

    def of_account(
        self, account_id: str, wanted: Wanted, *, page: int = 1, per_page: int = 100
    ) -> Page[Report]:
        """What was passed on to the account's sites."""
        shown = (AbuseReportRow.account_id == account_id, AbuseReportRow.forwarded_at.is_not(None))
        return self._page(wanted, shown, page, per_page)

    def for_site(self, account_id: str, id_: str) -> ForSite:
        """One of them. NotFound when it was not passed on to this account."""
        seal = self._context.store.seal
        with self._context.reading() as session:
            row = session.get(AbuseReportRow, id_)
            if row is None or row.account_id != account_id or row.forwarded_at is None:
                raise NotFound("no such report", field="report")
            contact = open_sender(seal, row).contact
            return ForSite(
                report=view(session, row),
                content=for_the_site(open_content(seal, row), contact, anonymous=row.anonymous),
                contact=None if row.anonymous or contact.is_empty else contact,
                answer=open_answer(seal, row),
                times_reported=1 + len(session.scalars(_same(id_, repeats=False)).all()),
            )

    # --- the reporter --------------------------------------------------------------------------------

    def submitted(
        self, submitter: str, wanted: Wanted, *, page: int = 1, per_page: int = 100
    ) -> Page[Report]:
        """What the account known by this mark has sent."""
        return self._page(wanted, (AbuseReportRow.submitter == submitter,), page, per_page)

    def sent_by(self, submitter: str, id_: str) -> tuple[Whole, Contact]:
        """One of them, with what the sender wrote. NotFound when it is not theirs."""
        with self._context.reading() as session:
            row = session.get(AbuseReportRow, id_)
            if row is None or row.submitter != submitter:
                raise NotFound("no such report", field="report")
        return self.whole(id_), self.contact(id_)

    def by_reference(self, digest: str) -> ForReporter:
        """What the reporter is told. NotFound when no report has this reference."""
        with self._context.reading() as session:
            found = select(AbuseReportRow).where(AbuseReportRow.reference == digest)
            row = session.scalars(found).first()
            if row is None:
                raise NotFound(
                    "no report has this reference", field="reference", hint="copy all of it from the receipt"
                )
            return self._for_reporter(session, row)

    def told(self, id_: str) -> Told:
        """What the reporter of this one is told."""
        with self._context.reading() as session:
            return self._for_reporter(session, report_row(session, id_)).told

    def _for_reporter(self, session: Session, row: AbuseReportRow) -> ForReporter:
        first = leading(session, row)
        said = told(view(session, first), self._case(first.case_id))
        return ForReporter(
            report=view(session, row),
            told=said.model_copy(update={"same_as_another": first is not row}),
        )

    def case_of(self, report: Report) -> Case | None:
        """The case that it became, once the public log has it."""
        return self._case(report.case_id)

    def _case(self, id_: str | None) -> Case | None:
        if id_ is None:
            return None
        try:
            return self._docket.get(id_)
        except Conflict:
            return None  # it waits for the public log

    def _page(
        self, wanted: Wanted, also: Sequence[ColumnElement[bool]], page: int, per_page: int
    ) -> Page[Report]:
        check_page(page, per_page)
        found = select(AbuseReportRow).where(*also, *_conditions(wanted))
        with self._context.reading() as session:
            total = session.scalars(select(func.count()).select_from(found.subquery())).one()
            order = (
                (AbuseReportRow.received_at, AbuseReportRow.id)
                if wanted.oldest_first
                else (AbuseReportRow.received_at.desc(), AbuseReportRow.id)
            )
            rows = session.scalars(found.order_by(*order).limit(per_page).offset((page - 1) * per_page))
            return Page(tuple(view(session, row) for row in rows), total, page, per_page)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    row = AbuseReportRow
    found: list[ColumnElement[bool]] = []
    if wanted.standing is not None:
        found.append(row.standing.in_([one.value for one in wanted.standing]))
    if wanted.category is not None:
        found.append(row.category.in_([one.value for one in wanted.category]))
    if wanted.hosts is not None:
        found.append(row.host.in_(wanted.hosts))
    for column, value in (
        (row.host, wanted.host),
        (row.site, wanted.site),
        (row.id, wanted.id),
        (row.case_id, wanted.case_id),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.after is not None:
        found.append(row.received_at >= wanted.after)
    if wanted.before is not None:
        found.append(row.received_at <= wanted.before)
    if wanted.waiting:
        found += [row.standing == Standing.RECEIVED.value, row.same_as.is_(None)]
    return found


def _same(id_: str, *, repeats: bool = True) -> Select[str]:
    found = select(AbuseReportRow.id).where(AbuseReportRow.same_as == id_)
    if not repeats:
        found = found.where(AbuseReportRow.standing != Standing.REFUSED.value)
    return found.order_by(AbuseReportRow.received_at, AbuseReportRow.id)
