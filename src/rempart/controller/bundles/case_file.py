"""The case file: what an owner may take along of the cases about their zone. Pure.

Who reported is in none of it, nor anything that would tell: not the report, not the evidence, not the pages
as they were named, not who entered it. Steps that the public log holds in full are here in full; of the
others only that they were taken, when, and where the log has their seal. What the owner answered is theirs,
and so are the reasons given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rempart.controller.bundles.archive import File
from rempart.controller.cases.confidences import Confidence, What
from rempart.governance.log.canonical import canonical
from rempart.governance.statements import text_of
from rempart.model.base import Value
from rempart.model.cases import Case
from rempart.model.cases_events import Announced, Notified, TookEffect
from rempart.model.cases_kept import CaseStep
from rempart.model.errors import Conflict
from rempart.model.names import within

OWN = (What.ANSWER, What.APPEAL)
"""What of the confidential is the owner's own."""
_TOLD = (Notified, Announced, TookEffect)


class CaseFile(Value):
    """A case with what is kept of it."""

    case: Case
    steps: tuple[CaseStep, ...]
    confidences: tuple[Confidence, ...]


def is_about(case: Case, zone: str) -> bool:
    """Whether a name of ``zone``, or the zone, is one of the case's targets."""
    return any(within(one.host.removeprefix("*."), zone) or one.covers(zone) for one in case.targets)


def is_told(steps: Iterable[CaseStep]) -> bool:
    """Whether the owner knows of the case. Before, it is between the reporter and the operator."""
    return any(isinstance(one.event, _TOLD) for one in steps if one.log_index is not None)


def case_files(found: Iterable[CaseFile]) -> list[File]:
    """For each case that its owner was told of: its steps, their own words, and the statement of reasons."""
    files = []
    for one in found:
        if not is_told(one.steps):
            continue
        stem = f"cases/{one.case.id}"
        files.append(File(f"{stem}.json", f"case {one.case.id}, step by step", canonical(_told(one))))
        reasons = _reasons(one.case)
        if reasons is not None:
            what = f"the statement of reasons in case {one.case.id}"
            files.append(File(f"{stem}-reasons.txt", what, reasons.encode()))
    return files


def _told(one: CaseFile) -> dict[str, Any]:
    case = one.case
    return {
        "case": case.id,
        "phase": case.phase.value,
        "category": case.category.value,
        "opened_at": case.opened_at.isoformat(),
        "targets": [str(target) for target in case.targets],
        "effective_at": None if case.effective_at is None else case.effective_at.isoformat(),
        "appeal_until": None if case.appeal_until is None else case.appeal_until.isoformat(),
        "steps": [_step(step) for step in one.steps if step.log_index is not None],
        "own_words": [
            {
                "what": own.what.value,
                "at": own.at.isoformat(),
                "text": own.text,
                "seal": own.seal,
                "salt": own.salt,
            }
            for own in one.confidences
            if own.what in OWN
        ],
    }


def _step(step: CaseStep) -> dict[str, Any]:
    event = step.event.model_dump(mode="json") if step.public else {"kind": step.event.kind}
    return {"seq": step.seq, "at": step.at.isoformat(), "log_index": step.log_index, "event": event}


def _reasons(case: Case) -> str | None:
    try:
        return text_of(case)
    except Conflict:
        return None


def files_about(cases: Sequence[CaseFile], zone: str) -> list[File]:
    """``case_files`` of those about ``zone``."""
    return case_files(one for one in cases if is_about(one.case, zone))
