"""What an arbiter is about to sign: the next statement that they can make in a case. Pure."""

from __future__ import annotations

from datetime import datetime

from rempart.model.cases import Act, Case, Statement
from rempart.model.validation import checked


def statement_of(
    case: Case,
    arbiter: str,
    act: Act,
    motion: str | None,
    now: datetime,
    conflict: str = "",
    *,
    impartial: bool = True,
) -> Statement:
    """Unsigned. ``motion`` is the digest of what it is about. InvalidInput for what cannot be said."""
    return checked(
        Statement,
        {
            "case": case.id,
            "motion": motion,
            "act": act,
            "arbiter": arbiter,
            "at": now,
            "conflict": conflict,
            "number": case.numbers.get(arbiter, 0),
            "impartial": impartial and not conflict,
        },
        "statement",
    )
