"""Who sends what is dropped: an estimate from samples over the last seconds. Pure.

A sample stands for as many packets as it was taken one of, so the sum over a window is an estimate of the
rate. What is kept is bounded: a flood from a billion sources leaves as many entries as there were samples in
the window, and those are bounded by the ring they come through and by SOURCES_MAX.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

WINDOW_SECONDS = 10.0
SLICE_SECONDS = 1.0
SOURCES_MAX = 10_000
"""Different sources remembered for each slice; further ones are not."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A sampled packet: from whom, and what became of it."""

    source: str
    reason: str
    weight: int
    """How many packets it stands for."""


@dataclass(slots=True)
class Sources:
    """Weights by source and reason, in slices of a second."""

    slices: dict[int, Counter[tuple[str, str]]] = field(default_factory=dict)

    def add(self, samples: Iterable[Seen], now: float) -> None:
        number = int(now / SLICE_SECONDS)
        counted = self.slices.setdefault(number, Counter())
        for one in samples:
            key = (one.source, one.reason)
            if key in counted or len(counted) < SOURCES_MAX:
                counted[key] += one.weight
        oldest = number - int(WINDOW_SECONDS / SLICE_SECONDS)
        for old in [old for old in self.slices if old <= oldest]:
            del self.slices[old]

    def most(self, count: int) -> list[tuple[str, str, float]]:
        """(source, reason, packets a second), the most first."""
        total: Counter[tuple[str, str]] = Counter()
        for counted in self.slices.values():
            total.update(counted)
        return [(source, why, weight / WINDOW_SECONDS) for (source, why), weight in total.most_common(count)]
