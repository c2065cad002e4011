"""The emergency path across cases: taken in one, it is not open in another about the same host at once."""

from __future__ import annotations

from datetime import datetime

from rempart.model.cases import Case, MotionKind


def path_is_spent(case: Case, since: datetime) -> bool:
    """Whether ``case`` has taken the path after ``since`` and no quorum has confirmed it. Agreed to counts
    as taken, although it may be a moment until it has its effect."""
    emergency, decision = case.emergency, case.decision
    if emergency is not None:
        return emergency.since > since and not emergency.confirmed
    return decision is not None and decision.motion.kind is MotionKind.EMERGENCY
