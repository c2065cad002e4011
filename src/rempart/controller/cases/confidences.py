"""What is confidential of a case: sealed at rest; case and log name it by a salted hash only."""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import CaseConfidenceRow
from rempart.governance.log.step import SALT_BYTES, seal
from rempart.model.base import Value


class What(StrEnum):
    REPORTER = "reporter"  # who reported, kept apart from what they said
    REPORT = "report"
    EVIDENCE = "evidence"
    ANSWER = "answer"
    APPEAL = "appeal"


class Confidence(Value):
    """One of them, opened."""

    what: What
    seal: str
    salt: str
    at: datetime
    text: str


def keep(session: Session, at_rest: Seal, case: str, what: What, text: str, at: datetime) -> str:
    """Keep ``text``; its seal."""
    salt = os.urandom(SALT_BYTES)
    name = seal(what.value, text.encode(), salt)
    body = json.dumps({"salt": base64.b64encode(salt).decode(), "text": text})
    row = CaseConfidenceRow(
        seal=name, case_id=case, what=what.value, at=at, sealed=at_rest.close(body, f"case/{case}/{name}")
    )
    session.add(row)
    return name


def kept(session: Session, at_rest: Seal, case: str, *, with_reporter: bool) -> tuple[Confidence, ...]:
    """What is kept about a case, oldest first. Who reported only for whoever asks for just that."""
    rows = select(CaseConfidenceRow).where(CaseConfidenceRow.case_id == case)
    if not with_reporter:
        rows = rows.where(CaseConfidenceRow.what != What.REPORTER.value)
    found = []
    for row in session.scalars(rows.order_by(CaseConfidenceRow.at, CaseConfidenceRow.seal)):
        body = json.loads(at_rest.open(row.sealed, f"case/{case}/{row.seal}"))
        found.append(
            Confidence(what=What(row.what), seal=row.seal, salt=body["salt"], at=row.at, text=body["text"])
        )
    return tuple(found)
