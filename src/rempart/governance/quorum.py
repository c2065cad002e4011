"""Who may vote on what, whether a signature is theirs, and whether enough of them agree."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rempart.governance.canonical import motion_digest, statement_bytes
from rempart.model.cases import (
    EMERGENCY_SIGNERS,
    ORDER_SIGNERS,
    Act,
    Arbiter,
    Carried,
    Case,
    Motion,
    MotionKind,
    Policy,
    Signed,
)
from rempart.model.errors import Conflict, InvalidInput

SKEW = timedelta(minutes=5)
"""How far an arbiter's clock may be ahead of ours."""
LIFE = {
    MotionKind.EMERGENCY: timedelta(hours=6),
    MotionKind.ORDER: timedelta(hours=24),
}
"""How long after it was made a motion can be agreed to; others LIFE_OTHERWISE."""
LIFE_OTHERWISE = timedelta(days=30)
FOR = frozenset({Act.MOVE, Act.APPROVE})


def required(kind: MotionKind, policy: Policy) -> int:
    """How many must agree."""
    if kind is MotionKind.EMERGENCY:
        return EMERGENCY_SIGNERS
    if kind is MotionKind.ORDER:
        return ORDER_SIGNERS
    return policy.quorum


def eligible(case: Case, kind: MotionKind) -> tuple[str, ...]:
    """The arbiters who may vote: on an appeal none who decided what is appealed."""
    decided = case.deciders if kind is MotionKind.APPEAL else ()
    return tuple(one.id for one in case.roster if one.id not in decided and one.id not in case.recused)


def approvals(statements: Iterable[Signed]) -> frozenset[str]:
    return frozenset(one.statement.arbiter for one in statements if one.statement.act in FOR)


def rejections(statements: Iterable[Signed]) -> frozenset[str]:
    return frozenset(one.statement.arbiter for one in statements if one.statement.act is Act.REJECT)


def suffices(case: Case, motion: Motion, statements: Iterable[Signed]) -> bool:
    """Whether enough eligible arbiters agree, the author not alone.

    A review is carried only with somebody who had no part in the emergency.
    """
    agreeing = approvals(statements) & set(eligible(case, motion.kind))
    if len(agreeing) < required(motion.kind, case.policy) or not agreeing - {motion.author}:
        return False
    if motion.kind is MotionKind.REVIEW and case.emergency is not None:
        return bool(agreeing - set(case.emergency.signers))
    return True


def can_still_carry(case: Case, motion: Motion, statements: Iterable[Signed]) -> bool:
    """Whether those who have not rejected it are enough, and no quorum has rejected it."""
    against = rejections(statements)
    needed = required(motion.kind, case.policy)
    return len(against) < needed and len(set(eligible(case, motion.kind)) - against) >= needed


def has_lapsed(motion: Motion, now: datetime) -> bool:
    return now > motion.at + LIFE.get(motion.kind, LIFE_OTHERWISE)


def check_signature(arbiter: Arbiter, signed: Signed) -> None:
    """InvalidInput when it is not this arbiter's signature on exactly this statement."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(arbiter.key))
    try:
        key.verify(base64.b64decode(signed.signature), statement_bytes(signed.statement))
    except InvalidSignature:
        raise InvalidInput(
            f"the signature is not {arbiter.id}'s on this statement",
            field="signature",
            hint="sign exactly the bytes that rempart case statement prints, with the key that was appointed",
        ) from None


def check_statement(case: Case, signed: Signed, now: datetime) -> None:
    """Everything that holds for any statement: whose it is, that it is for this case, new, and of this time.

    InvalidInput or Conflict says what is wrong.
    """
    statement = signed.statement
    arbiter = case.arbiter(statement.arbiter)
    if arbiter is None:
        raise InvalidInput(
            f"{statement.arbiter} is no arbiter of this case",
            field="arbiter",
            hint="who was appointed after it was opened, or has left, decides nothing in it",
        )
    check_signature(arbiter, signed)
    if statement.case != case.id:
        raise InvalidInput(f"the statement is for case {statement.case}", field="case")
    number = case.numbers.get(statement.arbiter, 0)
    if statement.number != number:
        raise Conflict(
            f"{statement.arbiter}'s next statement in this case is number {number}, not {statement.number}",
            field="number",
            hint="a statement counts once; ask for a new one to sign",
        )
    if statement.at > now + SKEW:
        raise InvalidInput("the statement is dated in the future", field="at", hint="check your clock")
    if statement.arbiter in case.recused:
        raise Conflict(f"{statement.arbiter} has declared a conflict of interest", field="arbiter")


def check_carried(case: Case, carried: Carried) -> None:
    """That a decision still rests on a quorum whose signatures are good. Raises Conflict or InvalidInput."""
    digest = motion_digest(carried.motion)
    for signed in carried.signatures:
        arbiter = case.arbiter(signed.statement.arbiter)
        if arbiter is None or signed.statement.motion != digest or signed.statement.case != case.id:
            raise Conflict("the decision holds a signature that does not count", field="signatures")
        check_signature(arbiter, signed)
    names = [one.statement.arbiter for one in carried.signatures]
    if len(set(names)) != len(names) or not suffices(case, carried.motion, carried.signatures):
        raise Conflict("the decision rests on no quorum any more", field="signatures")
