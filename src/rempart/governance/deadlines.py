"""What the clock alone brings about, and until when who has time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rempart.governance.cases import lift_due, restriction_due
from rempart.governance.quorum import LIFE, LIFE_OTHERWISE
from rempart.model.cases import Case, MotionKind, Phase
from rempart.model.cases_events import Announced, Event, Lifted, Notified, TookEffect


class DeadlineKind(StrEnum):
    """What is to happen by then, or may happen until then."""

    ORDER = "order"
    ANSWER = "answer"
    MOTION = "motion"
    EFFECT = "effect"
    END = "end"
    APPEAL = "appeal"


_WORDS = {
    DeadlineKind.ORDER: "the order is to be given effect",
    DeadlineKind.ANSWER: "the owner may answer",
    DeadlineKind.EFFECT: "the remedy takes effect",
    DeadlineKind.END: "the remedy ends by itself",
    DeadlineKind.APPEAL: "the owner may appeal",
}


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until ``at``, ``what``."""

    at: datetime
    kind: DeadlineKind
    motion: MotionKind | None = None
    """The open motion, of MOTION."""

    @property
    def what(self) -> str:
        """In words."""
        if self.motion is not None:
            return f"the motion for {self.motion.value} can be agreed to"
        return _WORDS[self.kind]

    def is_over(self, now: datetime) -> bool:
        return now > self.at


def due(case: Case, now: datetime) -> TookEffect | Lifted | None:
    """The event that is to happen now without anybody's doing. What is to be lifted comes first."""
    now = max(now, case.last_at)
    why = lift_due(case, now)
    if why is not None and case.restriction is not None:
        return Lifted(restriction=case.restriction.id, why=why)
    restriction = restriction_due(case, now)
    if restriction is None or case.decision is None:
        return None
    return TookEffect(decision=case.decision, restriction=restriction)


def counted_from_the_log(before: Case, after: Case, event: Event, now: datetime) -> Case:
    """``after`` with the times that ``event`` has set, counted from ``now``, when it came into the log.

    The log may have been out of reach since the step was taken: nobody could read of it until now, so the
    time to answer and the notice begin now. No time becomes earlier.
    """
    policy = after.policy
    if isinstance(event, Notified) and after.answer_by is not None:
        answer_by = max(after.answer_by, now + timedelta(seconds=policy.answer_s))
        return after.model_copy(update={"answer_by": answer_by})
    # Upheld on appeal, a decision that was held up has its notice again.
    announced = isinstance(event, Announced) or (before.suspended and not after.suspended)
    if announced and after.phase is Phase.ANNOUNCED and after.effective_at is not None:
        effective_at = max(after.effective_at, now + timedelta(seconds=policy.notice_s))
        return after.model_copy(update={"effective_at": effective_at})
    if isinstance(event, TookEffect) and before.appeal_until is None and after.appeal_until is not None:
        appeal_until = max(after.appeal_until, now + timedelta(days=policy.appeal_days))
        return after.model_copy(update={"appeal_until": appeal_until})
    return after


def deadlines(case: Case) -> tuple[Deadline, ...]:
    """What is to happen by when, soonest first."""
    found: list[tuple[datetime | None, DeadlineKind]] = []
    if (
        case.order is not None
        and case.restriction is None
        and case.phase not in (Phase.LIFTED, Phase.DISMISSED, Phase.CLOSED)
    ):
        found.append((case.order.deadline, DeadlineKind.ORDER))
    if case.phase is Phase.NOTIFIED and not case.answered:
        found.append((case.answer_by, DeadlineKind.ANSWER))
    if case.motion is not None:
        life = LIFE.get(case.motion.kind, LIFE_OTHERWISE)
        found.append((case.motion.at + life, DeadlineKind.MOTION))
    if not case.suspended:
        found.append((case.effective_at, DeadlineKind.EFFECT))
    found.append((case.ends_at, DeadlineKind.END))
    if case.restriction is not None and case.appeal is None and case.outcome is None:
        found.append((case.appeal_until, DeadlineKind.APPEAL))
    about = None if case.motion is None else case.motion.kind
    there = [
        Deadline(at, kind, about if kind is DeadlineKind.MOTION else None)
        for at, kind in found
        if at is not None
    ]
    return tuple(sorted(there, key=lambda one: one.at))


def next_due(case: Case) -> datetime | None:
    """When the clock brings something about next; None when it will not."""
    if case.lift_due is not None and case.restriction is not None:
        return case.last_at
    times = [case.ends_at if case.restriction is not None else None]
    if not case.suspended and case.phase in (Phase.ANNOUNCED, Phase.IN_EFFECT):
        times.append(case.effective_at)
    return min((one for one in times if one is not None), default=None)
