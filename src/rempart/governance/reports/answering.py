"""How often and how fast a site answers what is reported about it: for arbiters, and for the site itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

from rempart.model.base import Value

EXPECTED = timedelta(hours=24)
"""Within which a site is expected to answer."""


class Answering(Value):
    """What a site has done with reports that were passed on to it."""

    forwarded: int
    answered: int
    median_s: int | None
    """Seconds to the answer, half of them took longer; None: none was answered."""
    in_time: int
    """Answered within a day."""
    overdue: int
    """Not answered, and older than that."""
    oldest_open_at: datetime | None = None


def answering(pairs: Iterable[tuple[datetime, datetime | None]], now: datetime) -> Answering:
    """Of reports passed on at a time and answered at another, if they were."""
    taken: list[timedelta] = []
    waiting: list[datetime] = []
    for forwarded, answered in pairs:
        if answered is None:
            waiting.append(forwarded)
        else:
            taken.append(max(answered - forwarded, timedelta(0)))
    return Answering(
        forwarded=len(taken) + len(waiting),
        answered=len(taken),
        median_s=round(median(one.total_seconds() for one in taken)) if taken else None,
        in_time=sum(one <= EXPECTED for one in taken),
        overdue=sum(now - one > EXPECTED for one in waiting),
        oldest_open_at=min(waiting, default=None),
    )
