"""What waits for an arbiter in a case, and what waits for its owner. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from rempart.governance.motions import check_time
from rempart.governance.quorum import eligible, has_lapsed
from rempart.model.cases import Case, MotionKind, Phase
from rempart.model.errors import Conflict


class Awaited(StrEnum):
    """What an arbiter can do that the case cannot go on without."""

    SIGN = "sign"  # a motion is open, and they have not spoken on it
    HEAR_APPEAL = "hear_appeal"
    CONFIRM = "confirm"  # an emergency measure that ends by itself
    GIVE_EFFECT = "give_effect"  # to an order
    DECIDE = "decide"  # the owner was heard, or had the time
    REVIEW = "review"  # an emergency measure, afterwards


class OwnersTurn(StrEnum):
    """What an owner can do."""

    ANSWER = "answer"
    APPEAL = "appeal"


CAN_ANSWER = (Phase.NOTIFIED, Phase.DECIDED, Phase.ANNOUNCED, Phase.IN_EFFECT)


def awaited(case: Case, arbiter: str, now: datetime) -> tuple[Awaited, ...]:
    """What waits for ``arbiter``, most urgent first."""
    if case.arbiter(arbiter) is None or arbiter in case.recused or case.phase is Phase.CLOSED:
        return ()
    motion = case.motion
    if motion is not None and not has_lapsed(motion, now):
        spoken = any(one.statement.arbiter == arbiter for one in case.standing)
        return () if spoken or arbiter not in eligible(case, motion.kind) else (Awaited.SIGN,)
    kinds = {
        MotionKind.APPEAL: Awaited.HEAR_APPEAL,
        MotionKind.CONFIRMATION: Awaited.CONFIRM,
        MotionKind.ORDER: Awaited.GIVE_EFFECT,
        MotionKind.DECISION: Awaited.DECIDE,
        MotionKind.REVIEW: Awaited.REVIEW,
    }
    can = possible(case, arbiter, now)
    return tuple(what for kind, what in kinds.items() if kind in can)


def possible(case: Case, arbiter: str, now: datetime) -> tuple[MotionKind, ...]:
    """The motions that ``arbiter`` could put now. The machine judges again when one is put."""
    if case.phase is Phase.CLOSED:
        return ()
    motion = None if case.motion is None or has_lapsed(case.motion, now) else case.motion
    # One at a time; only an emergency does not wait for another.
    wait = motion is not None and motion.kind is MotionKind.EMERGENCY
    kinds = () if wait else tuple(MotionKind) if motion is None else (MotionKind.EMERGENCY,)
    return tuple(one for one in kinds if arbiter in eligible(case, one) and _is_time(case, one, now))


def owners_turn(case: Case, now: datetime) -> tuple[OwnersTurn, ...]:
    """What the owner can do now."""
    turns = []
    if case.phase in CAN_ANSWER:
        turns.append(OwnersTurn.ANSWER)
    in_time = case.appeal_until is None or now <= case.appeal_until
    if (
        case.phase in (Phase.ANNOUNCED, Phase.IN_EFFECT)
        and case.appeal is None
        and case.outcome is None
        and in_time
    ):
        turns.append(OwnersTurn.APPEAL)
    return tuple(turns)


def is_known_to_owner(case: Case) -> bool:
    """Whether the owner was told: by the notice, or because it is public."""
    return case.answer_by is not None or case.public


def _is_time(case: Case, kind: MotionKind, now: datetime) -> bool:
    try:
        check_time(case, kind, now)
    except Conflict:
        return False
    return True
