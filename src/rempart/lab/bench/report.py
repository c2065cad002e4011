"""What a benchmark says, in the form that scripts rely on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from pydantic import Field

from rempart.lab.figures import Judged
from rempart.model.base import Value


class Row(Value):
    """One figure. ``value`` None: it could not be measured, ``note`` says why."""

    name: str
    value: float | None
    unit: str
    ratio: dict[str, float | None] = Field(default_factory=dict)
    """Peer → this figure divided by the peer's, the median over rounds of the pairs in one round."""
    note: str = ""


class BenchReport(Judged):
    """One benchmark's outcome."""

    bench: str
    rows: tuple[Row, ...]


def middle(samples: Sequence[float]) -> float | None:
    """The median, or None of nothing."""
    return median(samples) if samples else None


def paired_ratio(ours: Sequence[float], peers: Sequence[float]) -> float | None:
    """Median over rounds of ours ÷ peer's, paired round by round, so that a drifting machine cancels out."""
    pairs = [mine / other for mine, other in zip(ours, peers, strict=False) if other > 0]
    return median(pairs) if pairs else None


def side_by_side(what: str, unit: str, samples: Mapping[str, Sequence[float]], ours: str) -> tuple[Row, ...]:
    """A row per contender; the row of ``ours`` carries the ratios to all others."""
    rows = []
    for contender, rounds in samples.items():
        ratio = {}
        if contender == ours:
            ratio = {peer: paired_ratio(rounds, others) for peer, others in samples.items() if peer != ours}
        rows.append(Row(name=f"{what}: {contender}", value=middle(rounds), unit=unit, ratio=ratio))
    return tuple(rows)
