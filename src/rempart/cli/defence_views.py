"""What ``rempart attacks`` and ``rempart mitigation`` print."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rempart.model.attacks import Mode
from rempart.model.base import Value
from rempart.node.defending.entries import AttackEntry, Entry


class AttacksView(Value):
    """``rempart attacks --json``."""

    attacks: tuple[AttackEntry, ...]
    stale: tuple[str, ...] = ()
    """Why some of it need not hold any more, for each loop that does not say so itself."""


class MitigationsView(Value):
    """``rempart mitigations --json``."""

    mitigations: tuple[Entry, ...]
    stale: tuple[str, ...] = ()
    """As in ``AttacksView``."""


class ModesView(Value):
    """``rempart mitigation mode --json``."""

    default: Mode
    modes: dict[str, Mode]


class OrderedView(Value):
    """An order was given."""

    order: int
    followed: bool
    """The loop has said that it follows it."""
    waited_ms: int


def evidence_lines(one: Entry) -> Iterator[str]:
    """The figures that a mitigation stands on, each with a heading of eleven characters."""
    seen, trial = one.evidence, one.evidence.trial
    yield f"rate         {number(seen.rate)}/s where {number(seen.usual)}/s is usual"
    if seen.harm:
        yield f"harm         {'; '.join(seen.harm)}"
    yield f"covers       {seen.covered:.0%} of the excess, found in {number(seen.sampled)} samples of it"
    yield (
        f"trial        hits {number(trial.hit)} of {number(trial.records)} known-good records"
        f" ({number(trial.own_hit)} of {number(trial.own_records)} of the same kind)"
    )
    upper, bound = _percent(trial.upper), _percent(trial.bound)
    yield f"             so at most {upper} of good traffic; {bound} may be dropped"


def number(value: float) -> str:
    return f"{value:,.0f}"


def moment(at: datetime) -> str:
    """For people: to the second, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
