"""A case, step by step: ``step(case, event, now) -> (case, instructions)``. Pure.

    report, own finding ─► triage ─► notice to the owner ─► time to answer ─► motion for a decision
      ─► quorum ─► notice of the decision, with its time ─► the remedy takes effect ─► appeal
      ─► upheld, changed, reversed
    threat to life ─► two arbiters ─► takes effect at once ─► 72 hours, unless a quorum confirms ─► review
    order ─► examined ─► two arbiters ─► takes effect ─► appeal

An event that the process does not allow is refused with Conflict or InvalidInput, and changes nothing. A
remedy takes effect by one event only, ``TookEffect``, and that looks at everything again: the time,
the signatures, whether they are still a quorum.

A clock that went back changes nothing: no step is earlier than the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rempart.governance import motions
from rempart.governance.instructions import Addressee, Instruction, Lift, PutInForce, Tell
from rempart.governance.notices import notice_of
from rempart.governance.quorum import check_carried
from rempart.model.cases import (
    EMERGENCY_HOURS,
    Appeal,
    Arbiter,
    Case,
    Emergency,
    Informing,
    LiftReason,
    MotionKind,
    Phase,
    Policy,
    Source,
)
from rempart.model.cases_events import (
    Announced,
    Answered,
    Appealed,
    Closed,
    Event,
    Informed,
    Left,
    Lifted,
    Moved,
    Notified,
    Opened,
    Scrutinised,
    Stated,
    TookEffect,
    Triaged,
    Verified,
)
from rempart.model.cases_remedies import Restriction
from rempart.model.errors import Conflict, InvalidInput

OVER = (Phase.DISMISSED, Phase.CLOSED)


@dataclass(frozen=True, slots=True)
class Step:
    """The case after an event, and what is to be done about it."""

    case: Case
    instructions: tuple[Instruction, ...] = ()


def open_case(
    id_: str, event: Opened, policy: Policy | None, roster: tuple[Arbiter, ...], now: datetime
) -> Step:
    """The first step. ``policy`` is the newest version that was adopted before ``now``, ``roster`` the
    arbiters there are. Conflict when the rules or the people for a fair process are not there yet."""
    if policy is None or event.policy != policy.version:
        raise Conflict("no policy stood before this case", hint="rempart case policy add")
    if len(roster) < 2 * policy.quorum:
        raise Conflict(
            f"{len(roster)} arbiters are too few: {policy.quorum} decide, and as many others on appeal",
            hint="rempart case arbiter add",
        )
    if (event.source is Source.ORDER) != (event.order is not None):
        raise InvalidInput("an order, and nothing else, comes with its particulars", field="order")
    if event.trusted_flagger and event.source is not Source.REPORT:
        raise InvalidInput("trusted flaggers send notices, nothing else", field="trusted_flagger")
    case = Case(
        id=id_,
        seq=1,
        opened_at=now,
        last_at=now,
        phase=Phase.REPORTED,
        category=event.category,
        source=event.source,
        targets=event.targets,
        policy=policy,
        roster=roster,
        trusted_flagger=event.trusted_flagger,
        order=event.order,
    )
    whom = {Source.REPORT: Addressee.REPORTER, Source.ORDER: Addressee.AUTHORITY}.get(event.source)
    return Step(case, () if whom is None else (Tell(whom, "receipt"),))


def step(case: Case, event: Event, now: datetime) -> Step:
    """What ``event`` makes of the case. Raises Conflict or InvalidInput."""
    now = max(now, case.last_at)
    if case.phase is Phase.CLOSED:
        raise Conflict("the case is closed")
    after = _stepped(case, event, now)
    return Step(
        after.case.model_copy(update={"seq": case.seq + 1, "last_at": now}),
        after.instructions,
    )


def _stepped(case: Case, event: Event, now: datetime) -> Step:
    match event:
        case Opened():
            raise Conflict("the case is open already")
        case Triaged():
            return _triaged(case, event)
        case Scrutinised():
            return _scrutinised(case, event)
        case Informed():
            return _informed(case, event)
        case Notified():
            return _notified(case, now)
        case Answered():
            _in(case, Phase.NOTIFIED, Phase.DECIDED, Phase.ANNOUNCED, Phase.IN_EFFECT)
            return Step(case.model_copy(update={"answered": True}))
        case Moved():
            return _carried(case, motions.move(case, event.motion, event.signed, now), now)
        case Stated():
            return _carried(case, motions.state(case, event.signed, now), now)
        case Left():
            return _left(case, event, now)
        case Announced():
            return _announced(case, event, now)
        case TookEffect():
            return _took_effect(case, event, now)
        case Verified():
            if not case.public:
                raise Conflict("nothing has taken effect")
            return Step(case)
        case Appealed():
            return _appealed(case, event, now)
        case Lifted():
            return _lifted(case, event, now)
        case Closed():
            return _closed(case)


def _triaged(case: Case, event: Triaged) -> Step:
    _in(case, Phase.REPORTED)
    if case.source is Source.ORDER:
        raise Conflict("an order is examined, not triaged", hint="rempart case scrutinise")
    phase = Phase.TRIAGED if event.accepted else Phase.DISMISSED
    told = (Tell(Addressee.REPORTER, "triage"),) if case.source is Source.REPORT else ()
    return Step(case.model_copy(update={"phase": phase}), told)


def _scrutinised(case: Case, event: Scrutinised) -> Step:
    _in(case, Phase.REPORTED)
    if case.order is None:
        raise Conflict("there is no order in this case")
    phase = Phase.TRIAGED if event.complete else Phase.DISMISSED
    return Step(
        case.model_copy(update={"phase": phase, "scrutinised": event.complete}),
        (Tell(Addressee.AUTHORITY, "scrutiny"),),
    )


def _informed(case: Case, event: Informed) -> Step:
    if case.order is None:
        raise Conflict("there is no order in this case")
    if event.of in case.informed:
        raise Conflict(f"the authority was told of the {event.of.value} already", field="of")
    if event.of is Informing.EFFECT and case.phase in (Phase.REPORTED, Phase.TRIAGED, Phase.ANNOUNCED):
        raise Conflict("what effect the order has is not known yet", field="of")
    return Step(case.model_copy(update={"informed": (*case.informed, event.of)}))


def _notified(case: Case, now: datetime) -> Step:
    _in(case, Phase.TRIAGED)
    if case.source is Source.ORDER:
        raise Conflict("the recipient of an order is informed when it is given effect: DSA Art. 9(5)")
    until = now + timedelta(seconds=case.policy.answer_s)
    return Step(
        case.model_copy(update={"phase": Phase.NOTIFIED, "answer_by": until}),
        (Tell(Addressee.OWNER, "notice"),),
    )


def _carried(before: Case, case: Case, now: datetime) -> Step:
    after = motions.carry(case, now)
    told: list[Instruction] = []
    if before.phase is not Phase.DISMISSED and after.phase is Phase.DISMISSED:
        told = [Tell(Addressee.OWNER, "outcome"), Tell(Addressee.REPORTER, "outcome")]
    elif after.outcome is not None and before.outcome is None:
        told = [Tell(Addressee.OWNER, "appeal"), Tell(Addressee.REPORTER, "appeal")]
    return Step(after, tuple(told))


def _left(case: Case, event: Left, now: datetime) -> Step:
    without = motions.without_arbiter(case, event.arbiter)
    roster = tuple(one for one in case.roster if one.id != event.arbiter)
    return _carried(case, without.model_copy(update={"roster": roster}), now)


def _announced(case: Case, event: Announced, now: datetime) -> Step:
    _in(case, Phase.DECIDED)
    if event.decision != case.decision:
        raise Conflict("that is not what was decided", field="decision")
    check_carried(case, event.decision)
    earliest = now + timedelta(seconds=case.policy.notice_s)
    if event.effective_at < earliest:
        raise Conflict(
            f"the notice period lasts until {earliest:%Y-%m-%d %H:%M:%S} UTC at least", field="effective_at"
        )
    update = {"phase": Phase.ANNOUNCED, "effective_at": event.effective_at, "public": True}
    return Step(
        case.model_copy(update=update),
        (Tell(Addressee.OWNER, "decision"), Tell(Addressee.REPORTER, "decision")),
    )


def restriction_due(case: Case, now: datetime) -> Restriction | None:
    """The restriction that is to be put in force now; None when it is not time, or it must not be."""
    decision = case.decision
    if decision is None or case.effective_at is None or case.suspended or now < case.effective_at:
        return None
    if case.phase not in (Phase.ANNOUNCED, Phase.IN_EFFECT) or decision.motion.measure is None:
        return None
    id_ = f"{case.id}-{case.seq + 1}"
    return Restriction(id=id_, case=case.id, measure=decision.motion.measure, since=now)


def _took_effect(case: Case, event: TookEffect, now: datetime) -> Step:
    due = restriction_due(case, now)
    if due is None or case.decision is None or event.decision != case.decision:
        raise Conflict("nothing is to take effect now")
    if event.restriction != due:
        raise Conflict("that is not what was decided", field="restriction")
    check_carried(case, case.decision)
    kind = case.decision.motion.kind
    restriction = event.restriction
    replaces = None if case.restriction is None else case.restriction.id
    days = restriction.measure.days
    ends_at = None if days is None else restriction.since + timedelta(days=days)
    update: dict[str, object] = {
        "phase": Phase.IN_EFFECT,
        "restriction": restriction,
        "effective_at": None,
        "public": True,
        "ends_at": ends_at,
    }
    if case.appeal_until is None:
        update["appeal_until"] = now + timedelta(days=case.policy.appeal_days)
    if kind is MotionKind.EMERGENCY:
        expires = restriction.since + timedelta(hours=EMERGENCY_HOURS)
        signers = tuple(sorted(case.decision.signers))
        update["emergency"] = Emergency(
            since=restriction.since, expires_at=expires, signers=signers, ends_at=ends_at
        )
        update["ends_at"] = expires if ends_at is None else min(expires, ends_at)
    elif case.restriction is not None:
        # Changed on appeal, it ends no later than what was appealed: an emergency's 72 hours are among that.
        update["ends_at"] = _sooner(case.ends_at, ends_at)
        if case.emergency is not None:
            sooner = _sooner(case.emergency.ends_at, ends_at)
            update["emergency"] = case.emergency.model_copy(update={"ends_at": sooner})
    told: tuple[Instruction, ...] = (Tell(Addressee.OWNER, "effect"),)
    if kind is MotionKind.ORDER:
        told = (*told, Tell(Addressee.AUTHORITY, "effect"))
    return Step(case.model_copy(update=update), (PutInForce(restriction, replaces, notice_of(case)), *told))


def _sooner(*times: datetime | None) -> datetime | None:
    """The earliest; None is never."""
    return min((one for one in times if one is not None), default=None)


def _appealed(case: Case, event: Appealed, now: datetime) -> Step:
    _in(case, Phase.ANNOUNCED, Phase.IN_EFFECT)
    if case.appeal is not None or case.outcome is not None:
        raise Conflict("there is one appeal in a case", hint="new facts: ask the arbiters to end the remedy")
    if case.appeal_until is not None and now > case.appeal_until:
        raise Conflict(f"an appeal was possible until {case.appeal_until:%Y-%m-%d}")
    kind = case.decision.motion.kind if case.decision else None
    # During the notice of a decision an appeal holds it up. An emergency and an order are not held up.
    holds_up = case.phase is Phase.ANNOUNCED and kind is MotionKind.DECISION
    update = {"appeal": Appeal(at=now, grounds=event.confidential), "suspended": holds_up}
    return Step(case.model_copy(update=update), (Tell(Addressee.REPORTER, "appealed"),))


def lift_due(case: Case, now: datetime) -> LiftReason | None:
    """Why what is in force is to be lifted now; None when it is not."""
    if case.restriction is None:
        return None
    if case.lift_due is not None:
        return case.lift_due
    if case.ends_at is not None and now >= case.ends_at:
        unconfirmed = case.emergency is not None and not (case.emergency.confirmed or case.emergency.expired)
        return LiftReason.EXPIRED if unconfirmed else LiftReason.ENDED
    return None


def _lifted(case: Case, event: Lifted, now: datetime) -> Step:
    why = lift_due(case, now)
    if (
        why is None
        or why is not event.why
        or case.restriction is None
        or case.restriction.id != event.restriction
    ):
        raise Conflict("nothing is to be lifted now")
    update: dict[str, object] = {
        "restriction": None,
        "ends_at": None,
        "lift_due": None,
        "effective_at": None,
        "appeal": None,
        "phase": Phase.LIFTED,
    }
    if why is LiftReason.EXPIRED:
        # The ordinary process is open from where it was, and what it comes to has an appeal of its own.
        back = Phase.TRIAGED if case.answer_by is None else Phase.NOTIFIED
        update |= {"phase": back, "decision": None, "deciders": (), "appeal_until": None, "outcome": None}
        if case.emergency is not None:
            update["emergency"] = case.emergency.model_copy(update={"expired": True})
    moot = case.motion is not None and case.motion.kind in (MotionKind.APPEAL, MotionKind.CONFIRMATION)
    if moot or (case.motion is not None and case.motion.kind is MotionKind.END):
        update |= {"motion": None, "standing": ()}
    return Step(
        case.model_copy(update=update),
        (Lift(event.restriction), Tell(Addressee.OWNER, "lifted"), Tell(Addressee.REPORTER, "lifted")),
    )


def _closed(case: Case) -> Step:
    _in(case, Phase.LIFTED, Phase.DISMISSED)
    if case.emergency is not None and not case.emergency.reviewed:
        raise Conflict(
            "the emergency path was taken: review that first", hint="rempart case propose … --kind review"
        )
    return Step(case.model_copy(update={"phase": Phase.CLOSED}))


def _in(case: Case, *phases: Phase) -> None:
    if case.phase not in phases:
        raise Conflict(f"the case is {case.phase.value.replace('_', ' ')}: that is not the next step")
