"""Figures that benchmarks and drills share: percentiles, and bars they should reach."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from rempart.model.base import Value


class Bar(Value):
    """What we want of a figure, and what we got. A bar that was not met stays, with ``ok`` false."""

    name: str
    want: str
    got: float | None
    ok: bool


class Judged(Value):
    """What a benchmark or a drill says in the end, in the form that scripts rely on."""

    bars: tuple[Bar, ...]

    @property
    def ok(self) -> bool:
        return all(bar.ok for bar in self.bars)

    def json_text(self) -> str:
        """One document; the figures first, then what was wanted of them."""
        dumped = self.model_dump(mode="json")
        wanted = dumped.pop("bars")
        return json.dumps({**dumped, "bars": wanted}, indent=2)


def at_least(name: str, want: float, got: float | None) -> Bar:
    """A bar that a figure must reach; a figure that is missing does not reach it."""
    return Bar(name=name, want=f">= {want:g}", got=got, ok=got is not None and got >= want)


def at_most(name: str, want: float, got: float | None) -> Bar:
    """A bar that a figure must stay under; a figure that is missing does not."""
    return Bar(name=name, want=f"<= {want:g}", got=got, ok=got is not None and got <= want)


def percentile(samples: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile: 0.5 is the median, 0.99 the value that 99 % do not exceed."""
    if not samples:
        return None
    ordered = sorted(samples)
    rank = math.ceil(len(ordered) * share)
    return ordered[min(max(rank, 1), len(ordered)) - 1]
