"""What the admin API takes and answers about abuse reports."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from rempart.controller.reporting.letters import Letter
from rempart.controller.reporting.reading import Whole
from rempart.governance.reports.answering import Answering
from rempart.governance.reports.outcomes import Told
from rempart.model.abuse_reports import (
    DETAILS_MAX,
    URLS_MAX,
    AnswerKind,
    Contact,
    Denial,
    Language,
    Notice,
    Report,
)
from rempart.model.base import Value
from rempart.model.cases import Category, Note, Text
from rempart.model.cases_events import Person
from rempart.model.validation import checked

FILE_BASE64_MAX = 8 * 2**20


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("it is not Base64 (RFC 4648 section 4)") from None
    return text


class NewFile(Value):
    """A file sent with a report."""

    name: str = Field(max_length=255, repr=False)
    media_type: str = Field(default="application/octet-stream", max_length=100)
    content: Annotated[str, AfterValidator(_base64)] = Field(max_length=FILE_BASE64_MAX, repr=False)
    """Base64 (RFC 4648 section 4)."""


class NewReport(Value):
    """The notice of DSA Art. 16 as JSON: what the form asks."""

    category: Category
    urls: tuple[str, ...] = Field(min_length=1, max_length=URLS_MAX)
    explanation: str = Field(repr=False)
    """Why this is illegal or against the rules: Art. 16(2)(a)."""
    name: str = Field(default="", repr=False)
    email: str | None = Field(default=None, repr=False)
    telephone: str = Field(default="", repr=False)
    company: str = Field(default="", repr=False)
    anonymous: bool = True
    """Towards the site."""
    good_faith: bool = False
    """Art. 16(2)(d); it must be true."""
    language: Language = "en"
    details: Mapping[str, str] = Field(default_factory=dict, max_length=DETAILS_MAX, repr=False)
    files: tuple[NewFile, ...] = Field(default=(), max_length=50, repr=False)
    ticket: str | None = Field(default=None, max_length=300)
    answer: str | None = Field(default=None, max_length=40)
    """Work that answers a ticket, where it was asked for: ``governance.reports.proof``."""

    def notice(self) -> Notice:
        """InvalidInput that names the member that is not right."""
        given = self.model_dump(
            exclude={"files", "ticket", "answer", "name", "email", "telephone", "company"}
        )
        given["contact"] = {
            "name": self.name,
            "email": self.email or None,
            "telephone": self.telephone,
            "company": self.company,
        }
        given["evidence"] = [
            {"name": one.name, "media_type": one.media_type, "content": base64.b64decode(one.content)}
            for one in self.files
        ]
        return checked(Notice, given, "report")


class ReceiptView(Value):
    """What a reporter is given."""

    reference: str
    """Whoever has it can see what becomes of the report; nobody else can."""
    status_url: str
    received_at: str
    urls: tuple[str, ...]
    category: Category
    anonymous: bool
    """The site is not told who reported."""
    same_as_another: bool
    good_faith: str
    """The statement that was made."""


class ReportDetails(Value):
    """A report for those who work on it."""

    whole: Whole
    told: Told
    """What its reporter is told."""
    answering: Answering
    """How the site answers, to this and to others."""


class Reports(Value):
    reports: tuple[Report, ...]
    total: int


class ContactView(Value):
    contact: Contact


class Refusal(Value):
    denial: Denial
    reason: Note = ""


class Acceptance(Value):
    """Make a case of it, or a part of one."""

    reason: Text
    by: Person
    case: str | None = Field(default=None, max_length=50)


class Settlement(Value):
    reason: Note = ""


class NewSiteAnswer(Value):
    kind: AnswerKind
    text: str = Field(default="", max_length=20_000)


class Outbox(Value):
    letters: tuple[Letter, ...]
