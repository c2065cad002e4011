"""What the register of decisions says of a case: only what its public steps say. Pure."""

from __future__ import annotations

from enum import StrEnum

from rempart.model.base import Value
from rempart.model.cases import Case, Phase
from rempart.model.cases_remedies import Remedy, Target


class State(StrEnum):
    """What has become of a decision, for everybody."""

    ANNOUNCED = "announced"
    IN_EFFECT = "in_effect"
    LIFTED = "lifted"
    UNDER_WAY = "under_way"  # decided once, and again before the arbiters
    CLOSED = "closed"


_STATES = {
    Phase.ANNOUNCED: State.ANNOUNCED,
    Phase.IN_EFFECT: State.IN_EFFECT,
    Phase.LIFTED: State.LIFTED,
    Phase.DISMISSED: State.CLOSED,
    Phase.CLOSED: State.CLOSED,
}


class Listed(Value):
    """A case as it is found in the register."""

    target: Target
    remedy: Remedy
    rule: str | None
    state: State


def listed(case: Case, before: Listed | None = None) -> Listed | None:
    """How the case is listed; None while the public does not know of it. ``before``: as it was, for a
    decision that is none any more (an emergency that expired) stays what the case is known by."""
    if not case.public:
        return None
    state = _STATES.get(case.phase, State.UNDER_WAY)
    decided = None if case.decision is None else case.decision.motion
    if decided is None or decided.measure is None:
        return None if before is None else before.model_copy(update={"state": state})
    measure = decided.measure
    # Changed on appeal, it is the same rule that was broken.
    rule = decided.rule or (before.rule if before else None)
    return Listed(target=measure.target, remedy=measure.remedy, rule=rule, state=state)
