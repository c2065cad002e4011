"""What the reporter is told, as of now: DSA Art. 16(4) to (6). Slugs; pages and letters have the words.

Of a case the reporter learns what the public knows, and that there is one.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from rempart.model.abuse_reports import Denial, Report, Standing
from rempart.model.base import Value
from rempart.model.cases import Case, Phase
from rempart.model.cases_remedies import Remedy


class Stage(StrEnum):
    """How far a report has come, for its reporter."""

    RECEIVED = "received"
    FORWARDED = "forwarded"
    REFUSED = "refused"
    SETTLED = "settled"
    EXAMINED = "examined"  # there is a case
    DISMISSED = "dismissed"  # decided: no remedy
    DECIDED = "decided"  # decided and announced
    IN_EFFECT = "in_effect"
    LIFTED = "lifted"


FINAL = frozenset({Stage.REFUSED, Stage.SETTLED, Stage.DISMISSED, Stage.LIFTED})
"""After these nothing more is to come."""
TOLD = FINAL | {Stage.DECIDED, Stage.IN_EFFECT}
"""Of these a letter is written."""


class Told(Value):
    """What is told."""

    stage: Stage
    since: datetime
    same_as_another: bool = False
    """Somebody has reported this before; what became of that is told here."""
    denial: Denial | None = None
    reason: str = ""
    case: str | None = None
    """Its number in the public register, once the public knows of it."""
    remedy: Remedy | None = None
    effective_at: datetime | None = None
    appealed: bool = False
    automated: bool = False
    """No decision here is ever made without people (DSA Art. 16(6))."""

    @property
    def redress(self) -> bool:
        """Whether the reporter can turn to somebody about it (DSA Art. 16(5), 20)."""
        return self.stage in (Stage.REFUSED, Stage.DISMISSED, Stage.SETTLED)


def told(report: Report, case: Case | None) -> Told:
    """What the reporter is told. ``report`` is the one that decides: for a repeat, the one it repeats."""
    if case is not None:
        return _of_case(report, case)
    match report.standing:
        case Standing.REFUSED:
            return Told(
                stage=Stage.REFUSED,
                since=report.decided_at or report.received_at,
                denial=report.denial,
                reason=report.reason,
            )
        case Standing.SETTLED:
            return Told(
                stage=Stage.SETTLED, since=report.decided_at or report.received_at, reason=report.reason
            )
        case Standing.CASE:
            return Told(stage=Stage.EXAMINED, since=report.decided_at or report.received_at)
        case _:
            pass
    # That a report waits for a person is not told: whoever knows the site might be its reporter.
    if report.forwarded_at is not None:
        return Told(stage=Stage.FORWARDED, since=report.forwarded_at)
    return Told(stage=Stage.RECEIVED, since=report.received_at)


def _of_case(report: Report, case: Case) -> Told:
    since = max(report.decided_at or report.received_at, case.opened_at)
    if not case.public:
        dismissed = case.phase in (Phase.DISMISSED, Phase.CLOSED)
        return Told(
            stage=Stage.DISMISSED if dismissed else Stage.EXAMINED, since=case.last_at if dismissed else since
        )
    measure = None if case.decision is None else case.decision.motion.measure
    stage = _STAGES.get(case.phase, Stage.EXAMINED)
    if case.phase is Phase.CLOSED and measure is None:
        stage = Stage.DISMISSED
    return Told(
        stage=stage,
        since=case.last_at,
        case=case.id,
        remedy=None if measure is None else measure.remedy,
        effective_at=case.effective_at,
        appealed=case.appeal is not None,
    )


_STAGES = {
    Phase.ANNOUNCED: Stage.DECIDED,
    Phase.IN_EFFECT: Stage.IN_EFFECT,
    Phase.LIFTED: Stage.LIFTED,
    Phase.DISMISSED: Stage.DISMISSED,
    Phase.CLOSED: Stage.LIFTED,
}
