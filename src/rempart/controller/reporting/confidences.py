"""Who reported and what they wrote: sealed apart, each bound to its report and column."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import AbuseReportRow
from rempart.governance.reports.identity import without_identity
from rempart.model.abuse_reports import Contact, Evidence, Notice
from rempart.model.base import Value

PASSED_ON = ("original_work", "trademark_number", "trademark_office", "trademark_symbol")
"""Details that the site is shown with the reasons."""


class Content(Value):
    """What a reporter wrote."""

    explanation: str
    details: Mapping[str, str]


class Sender(Value):
    """Who sent a report, and by what they follow it."""

    contact: Contact
    reference: str

    def __repr__(self) -> str:
        return "Sender(…)"

    __str__ = __repr__


def seal_content(seal: Seal, id_: str, notice: Notice) -> str:
    content = Content(explanation=notice.explanation, details=dict(notice.details))
    return seal.close(content.model_dump_json(), f"report/{id_}/content")


def open_content(seal: Seal, row: AbuseReportRow) -> Content:
    return Content.model_validate_json(seal.open(row.content, f"report/{row.id}/content"))


def seal_sender(seal: Seal, id_: str, contact: Contact, reference: str) -> str:
    sender = Sender(contact=contact, reference=reference)
    return seal.close(sender.model_dump_json(), f"report/{id_}/contact")


def open_sender(seal: Seal, row: AbuseReportRow) -> Sender:
    """Empty when it was kept long enough."""
    if row.contact is None:
        return Sender(contact=Contact(), reference="")
    return Sender.model_validate_json(seal.open(row.contact, f"report/{row.id}/contact"))


def seal_answer(seal: Seal, id_: str, text: str) -> str:
    return seal.close(text, f"report/{id_}/answer")


def open_answer(seal: Seal, row: AbuseReportRow) -> str:
    return "" if row.sealed_answer is None else seal.open(row.sealed_answer, f"report/{row.id}/answer")


def seal_name(seal: Seal, id_: str, number: int, file: Evidence) -> str:
    return seal.close(json.dumps(file.name), f"report/{id_}/file/{number}")


def open_name(seal: Seal, id_: str, number: int, sealed: str) -> str:
    return str(json.loads(seal.open(sealed, f"report/{id_}/file/{number}")))


def for_the_site(content: Content, contact: Contact, *, anonymous: bool) -> Content:
    """What is passed on of what they wrote; without who they are when they are not to be known."""
    details = {name: content.details[name] for name in PASSED_ON if content.details.get(name)}
    passed_on = Content(explanation=content.explanation, details=details)
    return without_sender(passed_on, contact) if anonymous else passed_on


def without_sender(content: Content, contact: Contact) -> Content:
    """What they wrote, without who they are."""
    return Content(
        explanation=without_identity(content.explanation, contact),
        details={name: without_identity(text, contact) for name, text in content.details.items()},
    )
