"""The outbox: letters to reporters and to origins' hosts, written and kept, mailed by nobody but people.

A letter is sealed at rest. ``rempart report outbox --write FOLDER`` makes files of them (RFC 5322) for a
person, or the operator's own mail program, to send; ``report sent`` says that it was done, and only then it
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from sqlalchemy.orm import Session

from rempart.controller.intents.context import fresh_id
from rempart.controller.reporting import words
from rempart.controller.reporting.confidences import Content
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import AbuseReportRow, ReportLetterRow
from rempart.governance.reports.outcomes import Told
from rempart.model.abuse_reports import Contact, Language, Report
from rempart.model.base import Value
from rempart.model.names import to_unicode
from rempart.model.report_settings import ReportsSection

HOST = "host"
REPORTER = "reporter"


class Words(Value):
    """What is sealed of a letter."""

    to: str
    """Address for mail; empty: ``look_up`` says where it is found."""
    look_up: str = ""
    subject: str
    body: str


class Letter(Value):
    """A letter, opened."""

    id: str
    report_id: str
    recipient: str
    about: str
    at: datetime
    sent_at: datetime | None
    to: str
    look_up: str = ""
    subject: str
    body: str

    def as_mail(self, sender: str | None) -> bytes:
        """The file for a mail program."""
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = self.subject
        mail["Date"] = format_datetime(self.at)
        mail["Message-ID"] = f"<{self.id}@report.invalid>"
        if sender:
            mail["From"] = sender
        if self.to:
            mail["To"] = self.to
        if self.look_up:
            mail["X-Rempart-Look-Up"] = self.look_up
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self.body, cte="quoted-printable")
        return bytes(mail)


def put(
    session: Session,
    seal: Seal,
    report: AbuseReportRow,
    recipient: str,
    about: str,
    said: Words,
    at: datetime,
) -> None:
    """Put a letter into the outbox."""
    id_ = fresh_id()
    session.add(
        ReportLetterRow(
            id=id_,
            report_id=report.id,
            recipient=recipient,
            about=about,
            at=at,
            sealed=seal.close(said.model_dump_json(), f"letter/{id_}"),
        )
    )


def opened(seal: Seal, row: ReportLetterRow) -> Letter:
    said = Words.model_validate_json(seal.open(row.sealed, f"letter/{row.id}"))
    return Letter(
        id=row.id,
        report_id=row.report_id,
        recipient=row.recipient,
        about=row.about,
        at=row.at,
        sent_at=row.sent_at,
        **said.model_dump(),
    )


def receipt_words(report: Report, reference: str, contact: Contact, settings: ReportsSection) -> Words:
    """To the reporter: it was received (DSA Art. 16(4))."""
    language = report.language
    lines = [
        *_received(report),
        words.said(language, "said.good_faith"),
        words.said(language, "said.anonymous" if report.anonymous else "said.named"),
        "",
        *_where(reference, language, settings),
    ]
    subject = words.said(language, "said.receipt_subject")
    return Words(to=contact.email or "", subject=subject, body=_text(lines))


def outcome_words(
    report: Report, told: Told, reference: str, contact: Contact, settings: ReportsSection
) -> Words:
    """To the reporter: this has become of it (DSA Art. 16(5))."""
    language = report.language
    lines = [
        *_received(report),
        *words.sentences(told, language),
        "",
        *_where(reference, language, settings),
    ]
    subject = words.said(language, "said.outcome_subject")
    return Words(to=contact.email or "", subject=subject, body=_text(lines))


def host_words(
    report: Report, content: Content, contact: Contact | None, address: str, settings: ReportsSection
) -> Words:
    """To the host of the origin at ``address``, which learns what it hosts. ``contact`` None: anonymous."""
    known = None if not _is_address(address) else settings.host_contact(address)
    kind = words.category("en", report.category)
    lines = [
        "To the abuse desk,",
        "",
        f"the following was reported to us as: {kind}. We stand before the site and do not host it;",
        f"it is served from {address}, which is in your network as far as we know.",
        "",
        *(f"  {one}" for one in report.urls),
        "",
        f"Received {report.received_at:%Y-%m-%d %H:%M} UTC, report {report.id}. The reporter wrote:",
        "",
        *(f"> {line}" for line in content.explanation.split("\n")),
        *(f"> {name}: {text}" for name, text in content.details.items()),
        "",
        "The reporter has stated good faith. We have not examined it; please judge for yourself.",
    ]
    if contact is not None and not contact.is_empty:
        lines += ["", "Reported by:", *_contact_lines(contact)]
    return Words(
        to=known or "",
        look_up="" if known else f"abuse contact of {address}: https://client.rdap.org",
        subject=f"Abuse report about {to_unicode(report.host)} [{report.id[:8]}]",
        body=_text(lines),
    )


def _where(reference: str, language: Language, settings: ReportsSection) -> Sequence[str]:
    lines = [words.said(language, "said.reference", reference=reference)]
    if settings.status_url is not None:
        page = f"  {settings.status_url.rstrip('/')}/{reference}"
        lines = [words.said(language, "said.follow"), page, "", *lines]
    return lines


def _received(report: Report) -> list[str]:
    at = f"{report.received_at:%Y-%m-%d %H:%M} UTC"
    return [words.said(report.language, "said.received", at=at), *(f"  {one}" for one in report.urls), ""]


def _contact_lines(contact: Contact) -> list[str]:
    parts = (contact.name, contact.company, contact.email, contact.telephone, contact.address)
    return [f"  {line}" for one in parts if one for line in one.split("\n")]


def _is_address(text: str) -> bool:
    return text.replace(".", "").isdigit() or ":" in text


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
