"""Whether a report is one that is here already.

The same reporter about the same, or the same words again, is a **repeat**: it changes nothing and is answered
with what became of the first. Another reporter about URLs that are all reported already **adds** to that
report: it is not passed on again, counts, and goes the way of the first. Everything else is new.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from rempart.model.base import Value
from rempart.model.cases import Category

STILL_THE_SAME = timedelta(days=14)
"""After a report was decided; later, what is at the URL may be something else."""


class Fingerprint(Value):
    """What is compared. ``words`` and ``reporter`` are keyed hashes: they tell equal from unequal only."""

    category: Category
    host: str
    urls: frozenset[str]
    words: str
    reporter: str | None
    """None: whoever it was left no address."""


class Known(Value):
    """A report that is here."""

    id: str
    fingerprint: Fingerprint
    received_at: datetime
    decided_at: datetime | None
    same_as: str | None = None
    """Set when it is a repeat or an addition itself."""
    refused: bool = False


class Kind(StrEnum):
    NEW = "new"
    REPEAT = "repeat"
    ADDS = "adds"


class Likeness(Value):
    kind: Kind
    to: str | None = None
    """The report that it is like: always one that is like none itself."""


NEW = Likeness(kind=Kind.NEW)


def likeness(new: Fingerprint, known: Iterable[Known], now: datetime) -> Likeness:
    """What ``new`` is beside ``known``, of which the earliest counts."""
    candidates = sorted(
        (one for one in known if _counts(new, one, now)), key=lambda one: (one.received_at, one.id)
    )
    for one in candidates:
        if _is_repeat(new, one.fingerprint):
            return Likeness(kind=Kind.REPEAT, to=one.same_as or one.id)
    for one in candidates:
        # Not to one that was refused: else whoever sends a bad report first would silence the good ones.
        if one.same_as is None and not one.refused and new.urls <= one.fingerprint.urls:
            return Likeness(kind=Kind.ADDS, to=one.id)
    return NEW


def _counts(new: Fingerprint, one: Known, now: datetime) -> bool:
    same_matter = one.fingerprint.host == new.host and one.fingerprint.category is new.category
    return same_matter and (one.decided_at is None or now - one.decided_at <= STILL_THE_SAME)


def _is_repeat(new: Fingerprint, old: Fingerprint) -> bool:
    if not new.urls <= old.urls:
        return False
    same_reporter = new.reporter is not None and new.reporter == old.reporter
    return same_reporter or new.words == old.words
