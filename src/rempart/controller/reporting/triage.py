"""What people do with reports: let them go on, refuse them, make cases of them, settle them; and what sites
answer. Then what the clock does: letters about outcomes, and forgetting who sent what is long over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from rempart.controller.cases.confidences import What
from rempart.controller.cases.rows import whole_seconds
from rempart.controller.intents.actor import OPERATOR, SYSTEM
from rempart.controller.intents.transaction import Transaction
from rempart.controller.reporting import letters
from rempart.controller.reporting.confidences import (
    for_the_site,
    open_answer,
    open_content,
    open_sender,
    seal_answer,
)
from rempart.controller.reporting.desk import AbuseDesk
from rempart.controller.reporting.letters import Letter
from rempart.controller.reporting.rows import report_row, view
from rempart.controller.store.tables import AbuseReportRow, ReportLetterRow
from rempart.governance.reports.forwarding import Happened
from rempart.governance.reports.outcomes import FINAL, TOLD
from rempart.model.abuse_reports import AnswerKind, Contact, Denial, Report, Standing
from rempart.model.cases import Case, Phase, Source
from rempart.model.cases_events import Triaged
from rempart.model.cases_remedies import Target
from rempart.model.errors import Conflict, NotFound
from rempart.model.names import shown

ORPHANED_AFTER = timedelta(hours=1)
"""Files are written before their report is: for so long it may still come."""
AT_ONCE = 200
"""Reports looked at in one round of the clock's work."""

_log = structlog.get_logger("reports")


class Triage:
    """Work on reports. Safe to use from any thread."""

    def __init__(self, desk: AbuseDesk) -> None:
        self._desk = desk
        self._context = desk.context
        self._docket = desk.docket
        self._seal = desk.context.store.seal

    # --- what people do ------------------------------------------------------------------------------

    def release(self, id_: str) -> Report:
        """Let a report that was held go on to the site, and to the host where that is the policy."""
        with self._context.writing(OPERATOR) as write:
            row = _open_row(write.session, id_)
            if row.forwarded_at is not None:
                raise Conflict("it was passed on already", field="report")
            row.held = False
            write.session.flush()
            self._desk.pass_on(write, row, Happened.RELEASED)
            return self._recorded(write, row, "release")

    def refuse(self, id_: str, denial: Denial, reason: str) -> Report:
        """Do not take it up. Whoever added to it is not refused with it: the next of them stands for the
        rest from now on."""
        with self._context.writing(OPERATOR) as write:
            row = _open_row(write.session, id_)
            row.standing, row.denial = Standing.REFUSED.value, denial.value
            row.reason, row.decided_at = reason, whole_seconds(write.now)
            heirs = _additions(write.session, id_)
            if heirs:
                first, *others = heirs
                first.same_as = None
                for one in others:
                    one.same_as = first.id
                write.session.flush()
                self._desk.pass_on(write, first, Happened.RECEIVED)
            return self._recorded(write, row, "refuse")

    def settle(self, id_: str, reason: str) -> Report:
        """The matter is over without a decision: the site has seen to it, say."""
        with self._context.writing(OPERATOR) as write:
            row = _open_row(write.session, id_)
            for one in (row, *_additions(write.session, id_)):
                one.standing, one.reason = Standing.SETTLED.value, reason
                one.decided_at = whole_seconds(write.now)
            return self._recorded(write, row, "settle")

    def take_up(self, id_: str, reason: str, by: str) -> Case:
        """Make a case of it, which is triaged with this. Conflict when policy or arbiters are wanting."""
        with self._context.reading() as session:
            row = _open_row(session, id_)
            report = view(session, row)
            contact = open_sender(self._seal, row).contact
            content = for_the_site(open_content(self._seal, row), contact, anonymous=report.anonymous)
        confidential = [(What.REPORT, _report_text(report, content.explanation, dict(content.details)))]
        if not contact.is_empty:
            confidential.insert(0, (What.REPORTER, contact_text(contact)))
        for file in report.files:
            words = f"file {file.number} of report {report.id}: {file.media_type}, {file.size} bytes"
            confidential.append((What.EVIDENCE, f"{words}\nSHA-256 {file.sha256}"))

        def linked(session: Session, case_id: str) -> None:
            # With the case's first step or not at all: neither is ever without the other.
            self._link(session, _open_row(session, id_), case_id)

        case = self._docket.open(
            Source.REPORT,
            report.category,
            (Target(host=report.site),),
            by,
            urls=report.urls[:200],
            confidential=tuple(confidential),
            alongside=linked,
        )
        self._pass_on_as_a_case(id_)
        return self._docket.take(case.id, Triaged(accepted=True, reason=reason, by=by))

    def join(self, id_: str, case_id: str) -> Report:
        """Make it a part of a case that there is, about the same site."""
        case = self._docket.get(case_id)
        with self._context.writing(OPERATOR) as write:
            row = _open_row(write.session, id_)
            if case.phase is Phase.CLOSED:
                raise Conflict("the case is closed", field="case")
            if not any(one.covers(row.site) or one.covers(row.host) for one in case.targets):
                raise Conflict(f"case {case_id} is not about {row.host}", field="case")
            self._link(write.session, row, case_id)
            self._recorded(write, row, "join")
        self._pass_on_as_a_case(id_)
        return self._desk.reading.get(id_)

    def answer(self, id_: str, kind: AnswerKind, text: str, account_id: str | None = None) -> Report:
        """What the site says to it. ``account_id``: whose site it must be; None: the operator brings it.

        The first answer is what is measured; a later one adds to it.
        """
        with self._context.writing(OPERATOR) as write:
            row = write.session.get(AbuseReportRow, id_)
            foreign = row is not None and account_id is not None and row.account_id != account_id
            if row is None or foreign or row.forwarded_at is None:
                raise NotFound(f"no such report: {shown(id_)}", field="report")
            if row.standing == Standing.REFUSED.value:
                raise Conflict("the report was refused: there is nothing to answer", field="report")
            before = open_answer(self._seal, row)
            whole = f"{before}\n\n{text}" if before else text
            if len(whole) > ANSWER_MAX:
                raise Conflict(f"answers of {ANSWER_MAX} characters in all are kept", field="text")
            row.answered_at = row.answered_at or whole_seconds(write.now)
            row.answer, row.sealed_answer = kind.value, seal_answer(self._seal, id_, whole)
            write.session.flush()
            return view(write.session, row)

    def file(self, id_: str, number: int) -> bytes:
        """A file that came with a report."""
        self._desk.reading.get(id_)
        return self._desk.evidence.open(id_, number)

    def who_reported(self, id_: str) -> Contact:
        """Who sent it. That somebody asked is recorded in the audit log before it is answered."""
        with self._context.writing(OPERATOR) as write:
            self._recorded(write, report_row(write.session, id_), "who")
        return self._desk.reading.contact(id_)

    # --- the outbox ----------------------------------------------------------------------------------

    def outbox(self, *, sent: bool = False, report: str | None = None) -> tuple[Letter, ...]:
        """Letters that are to be mailed, or all; oldest first."""
        rows = select(ReportLetterRow).order_by(ReportLetterRow.at, ReportLetterRow.id)
        if not sent:
            rows = rows.where(ReportLetterRow.sent_at.is_(None))
        if report is not None:
            rows = rows.where(ReportLetterRow.report_id == report)
        with self._context.reading() as session:
            return tuple(letters.opened(self._seal, one) for one in session.scalars(rows.limit(5_000)))

    def sent(self, letter: str) -> Letter:
        """It was mailed."""
        with self._context.writing(SYSTEM) as write:
            row = write.session.get(ReportLetterRow, letter)
            if row is None:
                raise NotFound(
                    f"no such letter: {shown(letter)}", field="letter", hint="rempart report outbox"
                )
            row.sent_at = row.sent_at or whole_seconds(write.now)
            if row.recipient == letters.HOST:
                report = report_row(write.session, row.report_id)
                report.host_told_at = report.host_told_at or row.sent_at
            write.session.flush()
            return letters.opened(self._seal, row)

    # --- what the clock does -------------------------------------------------------------------------

    def tell(self) -> int:
        """Write letters to reporters about what became of their reports; how many."""
        done = 0
        with self._context.reading() as session:
            waiting = session.scalars(
                select(AbuseReportRow.id)
                .where(
                    AbuseReportRow.told.not_in([one.value for one in FINAL]),
                    AbuseReportRow.decided_at.is_not(None),
                )
                .order_by(AbuseReportRow.decided_at)
            ).all()
        for id_ in waiting:
            said = self._desk.reading.told(id_)
            if said.stage not in TOLD:
                continue
            with self._context.writing(SYSTEM) as write:
                row = report_row(write.session, id_)
                if row.told == said.stage.value:
                    continue
                row.told = said.stage.value
                sender = open_sender(self._seal, row)
                # Who has sent it twice is told once.
                if sender.contact.email and row.denial != Denial.DUPLICATE.value:
                    report = view(write.session, row)
                    words = letters.outcome_words(
                        report, said, sender.reference, sender.contact, self._desk.settings
                    )
                    now = whole_seconds(write.now)
                    letters.put(write.session, self._seal, row, letters.REPORTER, said.stage, words, now)
                    done += 1
        return done

    def forget(self) -> int:
        """Drop who sent reports that are long over, with the letters to them and their files; of how many.
        Files that a crash left without a report go, too."""
        self._drop_orphans()
        before = self._context.clock() - timedelta(days=self._desk.settings.keep_contact_days)
        finals = [one.value for one in FINAL]
        with self._context.writing(SYSTEM) as write:
            ids = write.session.scalars(
                select(AbuseReportRow.id)
                .where(
                    AbuseReportRow.contact.is_not(None),
                    AbuseReportRow.decided_at < before,
                    AbuseReportRow.told.in_(finals),
                )
                .limit(AT_ONCE)
            ).all()
            for id_ in ids:
                row = write.session.get_one(AbuseReportRow, id_)
                row.contact, row.reporter, row.submitter = None, None, None
                gone = select(ReportLetterRow).where(
                    ReportLetterRow.report_id == id_,
                    or_(ReportLetterRow.recipient == letters.REPORTER, ReportLetterRow.sent_at.is_not(None)),
                )
                for letter in write.session.scalars(gone):
                    write.session.delete(letter)
        for id_ in ids:
            self._desk.evidence.drop(id_)
        if ids:
            _log.info("who sent old reports is forgotten", number=len(ids))
        return len(ids)

    # --- parts ---------------------------------------------------------------------------------------

    def _recorded(self, write: Transaction, row: AbuseReportRow, what: str) -> Report:
        """Note in the audit log that a person did this: the operator's affair, not the account's."""
        write.session.flush()
        return write.settle(view(write.session, row), f"report.{what}", row.id, unconditional=True).value

    def _drop_orphans(self) -> None:
        old = (self._context.clock() - ORPHANED_AFTER).timestamp()
        found = [name for name, written in self._desk.evidence.reports() if written < old]
        with self._context.reading() as session:
            gone = [one for one in found if session.get(AbuseReportRow, one) is None]
        for one in gone:
            self._desk.evidence.drop(one)
            _log.info("files without a report are dropped", folder=one)

    def _link(self, session: Session, row: AbuseReportRow, case_id: str) -> None:
        """This report and those that add to it."""
        now = whole_seconds(self._context.clock())
        session.execute(
            update(AbuseReportRow)
            .where(
                or_(AbuseReportRow.id == row.id, AbuseReportRow.same_as == row.id),
                AbuseReportRow.standing == Standing.RECEIVED.value,
            )
            .values(standing=Standing.CASE.value, case_id=case_id, decided_at=now)
        )
        session.expire(row)

    def _pass_on_as_a_case(self, id_: str) -> None:
        with self._context.writing(SYSTEM) as write:
            row = report_row(write.session, id_)
            if row.forwarded_at is None:
                self._pass_on(write, row)

    def _pass_on(self, write: Transaction, row: AbuseReportRow) -> None:
        row.held = False
        write.session.flush()
        self._desk.pass_on(write, row, Happened.TAKEN_UP)


ANSWER_MAX = 100_000


def contact_text(contact: Contact) -> str:
    """Who reported, as the case keeps it under seal."""
    parts = (contact.name, contact.company, contact.email, contact.telephone, contact.address)
    return "\n".join(one for one in parts if one)


def _report_text(report: Report, explanation: str, details: dict[str, str]) -> str:
    lines = [f"Report {report.id}, received {report.received_at:%Y-%m-%d %H:%M} UTC", "", explanation]
    lines += [f"{name}: {text}" for name, text in details.items()]
    return "\n".join(lines)


def _additions(session: Session, id_: str) -> Sequence[AbuseReportRow]:
    """Reports that add to this one, oldest first."""
    return session.scalars(
        select(AbuseReportRow)
        .where(AbuseReportRow.same_as == id_, AbuseReportRow.standing == Standing.RECEIVED.value)
        .order_by(AbuseReportRow.received_at, AbuseReportRow.id)
    ).all()


def _open_row(session: Session, id_: str) -> AbuseReportRow:
    """A report on which something can still be done. Conflict when it is not."""
    row = report_row(session, id_)
    if row.same_as is not None:
        raise Conflict(f"it goes the way of report {row.same_as}", field="report", hint="work on that one")
    if row.standing != Standing.RECEIVED.value:
        raise Conflict(f"the report is decided: {row.standing}", field="report")
    return row
