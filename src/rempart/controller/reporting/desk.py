"""The abuse desk: takes reports, gives receipts, passes them on as the policy says."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from rempart.controller.cases.docket import Docket
from rempart.controller.cases.rows import whole_seconds
from rempart.controller.intents.actor import SYSTEM
from rempart.controller.intents.context import Context, fresh_id
from rempart.controller.intents.transaction import Transaction
from rempart.controller.reporting import letters
from rempart.controller.reporting.confidences import (
    for_the_site,
    open_content,
    open_sender,
    seal_content,
    seal_name,
    seal_sender,
)
from rempart.controller.reporting.doorkeeping import Doorkeeper, Stranger
from rempart.controller.reporting.evidence import EvidenceFolder
from rempart.controller.reporting.reading import Reading
from rempart.controller.reporting.rows import known, view
from rempart.controller.reporting.serving import Served, served
from rempart.controller.store.tables import AbuseReportRow, ReportFileRow
from rempart.governance.reports.duplicates import Fingerprint, Kind, Likeness, likeness
from rempart.governance.reports.forwarding import Happened, Recipient, forwarding
from rempart.governance.reports.outcomes import Stage
from rempart.model.abuse_reports import Denial, KeptFile, Language, Notice, Report, Standing, Way
from rempart.model.base import Value
from rempart.model.configuration import Configuration
from rempart.model.errors import InvalidInput
from rempart.model.report_settings import ReportsSection
from rempart.model.reported_urls import ReportedUrls, parse_reported_urls

_log = structlog.get_logger("reports")


class Receipt(Value):
    """What a reporter is given: DSA Art. 16(4). Whoever has the reference can see what becomes of it."""

    reference: str
    report: Report
    same_as_another: bool
    """It was reported before; this one goes the way of that one."""

    @property
    def language(self) -> Language:
        return self.report.language


class AbuseDesk:
    """All reports. Safe to use from any thread."""

    def __init__(
        self, context: Context, docket: Docket, folder: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """``folder``: where files are kept."""
        self.context = context
        self.docket = docket
        self.settings = settings_of(context.configuration)
        self.evidence = EvidenceFolder(folder, context.store.seal)
        self.door = Doorkeeper(self.settings, monotonic)
        self.reading = Reading(context, docket)

    def take(
        self, notice: Notice, way: Way, stranger: Stranger | None = None, submitter: str | None = None
    ) -> Receipt:
        """Take a report.

        ``stranger``: who sends it where no token says so; ``submitter``: the account of whoever has one.
        InvalidInput says what is wrong with it; TooMany when it is not the time.
        """
        about = parse_reported_urls(notice.urls)
        self._check_files(notice)
        with self.context.reading() as session:
            served(session, about.host)
        hold = self.door.admit(about.host, stranger)
        id_, reference = fresh_id(), secrets.token_urlsafe(24)
        files = self.evidence.keep(id_, notice.evidence)
        try:
            with self.context.writing(SYSTEM) as write:
                place = served(write.session, about.host)
                row, like = self._written(write, id_, reference, notice, about, place, way, files)
                row.submitter = None if submitter is None else self.mark_of(submitter)
                if hold and like.kind is Kind.NEW:
                    row.held = True
                write.session.flush()
                self.pass_on(write, row, Happened.RECEIVED, like.kind)
                report = view(write.session, row)
                if notice.contact.email:
                    said = letters.receipt_words(report, reference, notice.contact, self.settings)
                    letters.put(
                        write.session,
                        self.context.store.seal,
                        row,
                        letters.REPORTER,
                        Stage.RECEIVED,
                        said,
                        row.received_at,
                    )
        except BaseException:
            self.evidence.drop(id_)
            raise
        _log.info(
            "abuse report", report=id_, about=about.host, category=notice.category.value, held=report.held
        )
        return Receipt(reference=reference, report=report, same_as_another=like.kind is not Kind.NEW)

    def pass_on(
        self, write: Transaction, row: AbuseReportRow, happened: Happened, kind: Kind = Kind.NEW
    ) -> None:
        """Show a report to the site, and write to the origin's host, as far as that is due now."""
        report = view(write.session, row)
        handling = self.settings.handling(report.category)
        for one in forwarding(report, handling, happened, kind):
            if one.to is Recipient.OWNER:
                row.forwarded_at = whole_seconds(write.now)
                row.anonymous = one.anonymous
            else:
                self._write_to_hosts(write, row, report, anonymous=one.anonymous)

    def mark_of(self, account_id: str) -> str:
        """What the store knows the account that sent a report by."""
        return self.context.store.seal.mark(account_id, "report/submitter")

    # --- how a report is written ---------------------------------------------------------------------

    def _check_files(self, notice: Notice) -> None:
        if len(notice.evidence) > self.settings.evidence_files:
            raise InvalidInput(f"{self.settings.evidence_files} files at most", field="evidence")
        size = sum(len(one.content) for one in notice.evidence)
        if size > self.settings.evidence_bytes:
            raise InvalidInput(
                f"{size:,} bytes, and {self.settings.evidence_bytes:,} at most are taken",
                field="evidence",
                hint="send the most telling files, or where the others are",
            )
        if any(not one.content for one in notice.evidence):
            raise InvalidInput("an empty file", field="evidence")

    def _written(
        self,
        write: Transaction,
        id_: str,
        reference: str,
        notice: Notice,
        about: ReportedUrls,
        place: Served,
        way: Way,
        files: tuple[KeptFile, ...],
    ) -> tuple[AbuseReportRow, Likeness]:
        session, seal, now = write.session, self.context.store.seal, whole_seconds(write.now)
        email = notice.contact.email
        fingerprint = Fingerprint(
            category=notice.category,
            host=about.host,
            urls=frozenset(about.urls),
            words=seal.mark(_bare(notice.explanation), "report/words"),
            reporter=None if email is None else seal.mark(email.lower(), "report/reporter"),
        )
        like = likeness(fingerprint, known(session, about.host, notice.category), now)
        repeat = like.kind is Kind.REPEAT
        host_anonymous = notice.anonymous if notice.host_anonymous is None else notice.host_anonymous
        row = AbuseReportRow(
            id=id_,
            reference=reference_digest(reference),
            category=notice.category.value,
            host=about.host,
            site=place.site,
            zone=place.zone,
            account_id=place.account_id,
            urls=list(about.urls),
            way=way.value,
            language=notice.language,
            received_at=now,
            anonymous=notice.is_anonymous,
            host_anonymous=host_anonymous or self.settings.handling(notice.category).anonymous,
            held=notice.withheld or self.settings.handling(notice.category).held,
            standing=(Standing.REFUSED if repeat else Standing.RECEIVED).value,
            denial=Denial.DUPLICATE.value if repeat else None,
            reason="",
            same_as=like.to,
            decided_at=now if repeat else None,
            words=fingerprint.words,
            reporter=fingerprint.reporter,
            contact=seal_sender(seal, id_, notice.contact, reference),
            content=seal_content(seal, id_, notice),
            told=Stage.RECEIVED.value,
        )
        session.add(row)
        session.flush()
        self._keep_files(session, id_, notice, files)
        return row, like

    def _keep_files(self, session: Session, id_: str, notice: Notice, files: tuple[KeptFile, ...]) -> None:
        for kept, sent in zip(files, notice.evidence, strict=True):
            session.add(
                ReportFileRow(
                    report_id=id_,
                    number=kept.number,
                    sha256=kept.sha256,
                    size=kept.size,
                    media_type=kept.media_type,
                    sealed_name=seal_name(self.context.store.seal, id_, kept.number, sent),
                )
            )

    def _write_to_hosts(
        self, write: Transaction, row: AbuseReportRow, report: Report, *, anonymous: bool
    ) -> None:
        seal = self.context.store.seal
        contact = open_sender(seal, row).contact
        content = for_the_site(open_content(seal, row), contact, anonymous=anonymous)
        try:
            origins = served(write.session, report.host).origins
        except InvalidInput:
            return  # the site is gone meanwhile: nobody here knows its host any more
        for address in origins[:HOSTS_MAX]:
            said = letters.host_words(report, content, None if anonymous else contact, address, self.settings)
            letters.put(write.session, seal, row, letters.HOST, "report", said, whole_seconds(write.now))


def settings_of(configuration: Configuration) -> ReportsSection:
    """The settings; where the operator has a host of their own, reporters follow their reports there."""
    found = configuration.reports
    if found.status_url is not None or configuration.operator_host is None:
        return found
    port = configuration.edge.https_port
    place = configuration.operator_host + ("" if port == 443 else f":{port}")
    return found.model_copy(update={"status_url": f"https://{place}/reports"})


HOSTS_MAX = 10
"""Letters to hosts about one report: a site's first origins."""


def reference_digest(reference: str) -> str:
    """What the store knows a reference by: whoever reads the database cannot follow a report."""
    return hashlib.sha256(reference.encode()).hexdigest()


def _bare(text: str) -> str:
    """A text without what changes when it is copied: case and spaces."""
    return re.sub(r"\s+", " ", text).strip().casefold()
