"""Motions: when which may be made, what each must say, and what follows once enough arbiters agree."""

from __future__ import annotations

from datetime import datetime, timedelta

from rempart.governance.canonical import motion_digest
from rempart.governance.motion_contents import check_contents
from rempart.governance.quorum import (
    can_still_carry,
    check_statement,
    eligible,
    has_lapsed,
    suffices,
)
from rempart.model.cases import (
    Act,
    Carried,
    Case,
    LiftReason,
    Motion,
    MotionKind,
    Outcome,
    Phase,
    Signed,
    Source,
)
from rempart.model.errors import Conflict, InvalidInput

BEFORE_A_DECISION = (Phase.REPORTED, Phase.TRIAGED, Phase.NOTIFIED)


def move(case: Case, motion: Motion, signed: Signed, now: datetime) -> Case:
    """The author puts a motion. One at a time; one that has lapsed gives way."""
    check_statement(case, signed, now)
    statement = signed.statement
    if statement.act is not Act.MOVE or statement.motion != motion_digest(motion):
        raise InvalidInput("the author's statement is not on this motion", field="motion")
    if motion.case != case.id or motion.author != statement.arbiter:
        raise InvalidInput("the motion is another case's or another author's", field="motion")
    if motion.at != statement.at:
        raise InvalidInput("motion and statement bear different times", field="at")
    if not statement.impartial:
        raise InvalidInput("who has an interest in the outcome moves nothing", field="impartial")
    if has_lapsed(motion, now):
        raise Conflict("the motion has lapsed", field="at", hint="make it anew")
    gives_way = (
        case.motion is None
        or has_lapsed(case.motion, now)
        or (motion.kind is MotionKind.EMERGENCY and case.motion.kind is not MotionKind.EMERGENCY)
    )
    if case.motion is not None and not gives_way:
        raise Conflict(f"a motion for {_article(case.motion.kind)} is open", field="motion")
    if motion.author not in eligible(case, motion.kind):
        raise Conflict(f"{motion.author} has no part in {_article(motion.kind)} here", field="author")
    check_time(case, motion.kind, now)
    check_contents(case, motion)
    return _heard(case, signed).model_copy(update={"motion": motion, "standing": (signed,)})


def state(case: Case, signed: Signed, now: datetime) -> Case:
    """An arbiter approves, rejects, takes back, or declares a conflict of interest."""
    check_statement(case, signed, now)
    statement = signed.statement
    match statement.act:
        case Act.APPROVE | Act.REJECT:
            return _vote(case, signed, now)
        case Act.WITHDRAW:
            return _withdraw(case, signed)
        case Act.RECUSE:
            if not statement.conflict:
                raise InvalidInput("say what the conflict of interest is", field="conflict")
            heard = _heard(case, signed)
            without = without_arbiter(heard, statement.arbiter)
            return without.model_copy(update={"recused": (*case.recused, statement.arbiter)})
        case Act.MOVE:
            raise InvalidInput("a motion comes with what it moves", field="act")


def without_arbiter(case: Case, arbiter: str) -> Case:
    """The arbiter's word counts no more. What has taken effect stays: an appeal is the way to undo it."""
    standing = tuple(one for one in case.standing if one.statement.arbiter != arbiter)
    changed = case.model_copy(update={"standing": standing})
    if case.motion is not None and case.motion.author == arbiter:
        changed = _fallen(changed)
    return _less_decided(changed, arbiter)


def carry(case: Case, now: datetime) -> Case:
    """The open motion carried out, when enough agree; failed, when no longer enough can."""
    motion = case.motion
    if motion is None:
        return case
    if motion.kind is MotionKind.EMERGENCY and case.phase not in BEFORE_A_DECISION:
        return _fallen(case)  # the case was dismissed since it was made
    if not suffices(case, motion, case.standing):
        return case if can_still_carry(case, motion, case.standing) else _fallen(case)
    agreeing = tuple(one for one in case.standing if one.statement.act in (Act.MOVE, Act.APPROVE))
    carried = Carried(motion=motion, signatures=agreeing, at=now)
    settled = _fallen(case)
    match motion.kind:
        case MotionKind.DECISION:
            return _decided(settled, carried, Phase.DECIDED, None)
        case MotionKind.EMERGENCY | MotionKind.ORDER:
            return _decided(settled, carried, Phase.ANNOUNCED, now)
        case MotionKind.CONFIRMATION:
            return _confirmed(settled, carried)
        case MotionKind.REVIEW:
            assert case.emergency is not None  # noqa: S101 - check_time saw to it
            reviewed = case.emergency.model_copy(update={"reviewed": True})
            return settled.model_copy(update={"emergency": reviewed})
        case MotionKind.APPEAL:
            return _appeal_decided(settled, carried, now)
        case MotionKind.END:
            return _ended(settled)


def _decided(case: Case, carried: Carried, phase: Phase, effective_at: datetime | None) -> Case:
    return case.model_copy(
        update={
            "decision": carried,
            "deciders": tuple(sorted(carried.signers)),
            "phase": phase,
            "effective_at": effective_at,
        }
    )


def check_time(case: Case, kind: MotionKind, now: datetime) -> None:
    """Whether the process has come to where such a motion can be made; Conflict when not."""
    match kind:
        case MotionKind.DECISION:
            if case.phase is not Phase.NOTIFIED or case.answer_by is None:
                raise Conflict("the owner must be notified first", field="kind")
            if not case.answered and now < case.answer_by:
                raise Conflict(
                    f"the owner may answer until {case.answer_by:%Y-%m-%d %H:%M} UTC", field="kind"
                )
        case MotionKind.EMERGENCY:
            if case.phase not in BEFORE_A_DECISION or case.source is Source.ORDER:
                raise Conflict("there is no emergency path from here", field="kind")
            if case.emergency is not None:
                raise Conflict("the emergency path is open once in a case", field="kind")
        case MotionKind.ORDER:
            if case.order is None or not case.scrutinised or case.phase is not Phase.TRIAGED:
                raise Conflict("an order is examined first", field="kind")
        case MotionKind.CONFIRMATION:
            if (
                case.emergency is None
                or case.emergency.confirmed
                or case.emergency.expired
                or case.restriction is None
            ):
                raise Conflict("no emergency measure waits for confirmation", field="kind")
        case MotionKind.REVIEW:
            if case.emergency is None or case.emergency.reviewed:
                raise Conflict("there is no emergency measure to review", field="kind")
        case MotionKind.APPEAL:
            if case.appeal is None or case.decision is None:
                raise Conflict("no appeal is open", field="kind")
        case MotionKind.END:
            if case.phase in (Phase.LIFTED, Phase.DISMISSED, Phase.CLOSED) or case.lift_due:
                raise Conflict("there is nothing to end", field="kind")


def _vote(case: Case, signed: Signed, now: datetime) -> Case:
    statement, motion = signed.statement, case.motion
    if motion is None or statement.motion != motion_digest(motion):
        raise Conflict("that motion is not open", field="motion")
    if has_lapsed(motion, now):
        raise Conflict("the motion has lapsed", field="motion", hint="its author may make it anew")
    if statement.at < motion.at:
        raise InvalidInput("the statement is older than the motion", field="at")
    if not statement.impartial or statement.conflict:
        raise InvalidInput("who has an interest in the outcome does not vote: recuse", field="impartial")
    if statement.arbiter not in eligible(case, motion.kind):
        raise Conflict(f"{statement.arbiter} has no part in {_article(motion.kind)} here", field="arbiter")
    if any(one.statement.arbiter == statement.arbiter for one in case.standing):
        raise Conflict(
            f"{statement.arbiter} has spoken on this motion", field="arbiter", hint="withdraw that first"
        )
    return _heard(case, signed).model_copy(update={"standing": (*case.standing, signed)})


def _withdraw(case: Case, signed: Signed) -> Case:
    statement, motion = signed.statement, case.motion
    heard = _heard(case, signed)
    if motion is not None and statement.motion == motion_digest(motion):
        if not any(one.statement.arbiter == statement.arbiter for one in case.standing):
            raise Conflict(f"{statement.arbiter} has nothing to withdraw", field="arbiter")
        if motion.author == statement.arbiter:
            return _fallen(heard)
        standing = tuple(one for one in case.standing if one.statement.arbiter != statement.arbiter)
        return heard.model_copy(update={"standing": standing})
    decision = case.decision
    if decision is not None and statement.motion == motion_digest(decision.motion):
        if case.restriction is not None:
            raise Conflict(
                "it has taken effect", field="act", hint="an appeal, or a motion to end it, undoes it"
            )
        if statement.arbiter not in decision.signers:
            raise Conflict(f"{statement.arbiter} has nothing to withdraw", field="arbiter")
        return _less_decided(heard, statement.arbiter)
    raise Conflict("that motion is not open", field="motion")


def _less_decided(case: Case, arbiter: str) -> Case:
    """The decision, before its effect, without this arbiter's signature; without a quorum it falls."""
    decision = case.decision
    if (
        decision is None
        or case.phase not in (Phase.DECIDED, Phase.ANNOUNCED)
        or arbiter not in decision.signers
    ):
        return case
    rest = tuple(one for one in decision.signatures if one.statement.arbiter != arbiter)
    if suffices(case, decision.motion, rest) and decision.motion.author != arbiter:
        return case.model_copy(update={"decision": decision.model_copy(update={"signatures": rest})})
    back = {
        MotionKind.ORDER: Phase.TRIAGED,
        MotionKind.EMERGENCY: Phase.TRIAGED if case.answer_by is None else Phase.NOTIFIED,
    }
    fallen = _fallen(case) if case.motion and case.motion.kind is MotionKind.APPEAL else case
    return fallen.model_copy(
        update={
            "decision": None,
            "deciders": (),
            "effective_at": None,
            "suspended": False,
            "appeal": None,
            "outcome": None,
            "phase": back.get(decision.motion.kind, Phase.NOTIFIED),
        }
    )


def _confirmed(case: Case, carried: Carried) -> Case:
    emergency, restriction = case.emergency, case.restriction
    if emergency is None or restriction is None:
        return case  # it had expired meanwhile
    if carried.at >= emergency.expires_at:
        raise Conflict(
            f"the emergency measure ended at {emergency.expires_at:%Y-%m-%d %H:%M} UTC", field="motion",
            hint="the ordinary process is open",
        )  # fmt: skip
    return case.model_copy(
        update={
            "emergency": emergency.model_copy(update={"confirmed": True}),
            "ends_at": emergency.ends_at,
            "deciders": tuple(sorted({*case.deciders, *carried.signers})),
        }
    )


def _appeal_decided(case: Case, carried: Carried, now: datetime) -> Case:
    outcome = carried.motion.outcome
    decided = case.model_copy(update={"appeal": None, "outcome": outcome, "suspended": False})
    in_effect = case.restriction is not None
    match outcome:
        case Outcome.CHANGED:
            update: dict[str, object] = {"decision": carried}
            # What takes effect for the first time has its notice; what becomes narrower does so at once.
            update |= {"effective_at": now} if in_effect else {"effective_at": None, "phase": Phase.DECIDED}
            return decided.model_copy(update=update)
        case Outcome.REVERSED:
            return _ended(decided, LiftReason.REVERSED)
        case _:
            if in_effect or case.effective_at is None:
                return decided
            notice = now + timedelta(seconds=case.policy.notice_s)
            return decided.model_copy(update={"effective_at": max(case.effective_at, notice)})


def _ended(case: Case, why: LiftReason = LiftReason.REMEDIED) -> Case:
    """The remedy is to be lifted; before there is one, the case is over."""
    update: dict[str, object] = {"effective_at": None, "suspended": False}
    if case.restriction is not None:
        return case.model_copy(update={**update, "lift_due": why})
    over = {"phase": Phase.DISMISSED, "decision": None, "deciders": (), "appeal": None}
    return case.model_copy(update={**update, **over})


def _fallen(case: Case) -> Case:
    return case.model_copy(update={"motion": None, "standing": ()})


def _heard(case: Case, signed: Signed) -> Case:
    arbiter = signed.statement.arbiter
    return case.model_copy(update={"numbers": {**case.numbers, arbiter: case.numbers.get(arbiter, 0) + 1}})


def _article(kind: MotionKind) -> str:
    return f"{'an' if kind.value[0] in 'aeo' else 'a'} {kind.value}"
