"""What ``shield_wire`` found, as rows and bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from rempart.lab.bench.report import Row, middle, paired_ratio
from rempart.lab.bench.shield_bystander import Stood
from rempart.lab.bench.shield_contenders import KERNEL, SHIELD, SINK
from rempart.lab.bench.shield_decisions import Decision
from rempart.lab.bench.shield_ground import Run
from rempart.lab.bench.shield_sender import Way
from rempart.lab.figures import Bar, at_least, at_most

SHARE_BAR = 1 / 3
"""The shield's processor time for a dropped packet, of that of nftables' better variant."""
ANSWERED_BAR = 0.99
"""Of a bystander's pings and pages."""
UNIT = "ns/packet"
ALONE = "sender alone"


@dataclass(slots=True)
class Samples:
    """What was found of one contender and decision, a figure for each round."""

    net: list[float] = field(default_factory=list)
    """Less what the sender needs to make frames."""
    beyond: list[float] = field(default_factory=list)
    """Less what a frame costs that is dropped by the first instruction that it meets."""
    raw: list[float] = field(default_factory=list)
    machine: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    absorbed: list[float] = field(default_factory=list)
    """Share of what was offered that the filter's interface took and the filter dropped or answered."""
    reason: str = ""
    """Why there are no figures."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A bystander beside each contender."""

    contender: str
    stood: Stood
    run: Run


def apart_rows(
    rates: dict[str, list[float]], lost: dict[str, list[float]], spent: dict[str, list[float]]
) -> list[Row]:
    """What filters on a core of their own kept up with, and what they spent."""
    what = f"{Decision.BLOCKED}, two cores"
    rows = []
    for name, taken in rates.items():
        left = 100 * (middle(lost[name]) or 0.0)
        rows.append(
            Row(
                name=f"{what}, arrived: {name}",
                value=middle(taken),
                unit="packets/s",
                ratio=_ratios(name, rates),
                note=f"{left:.0f} % did not fit into the veth's queue of 256",
            )
        )
    for name, taken in spent.items():
        on_core = f"{what}, CPU of the filter's core: {name}"
        rows.append(Row(name=on_core, value=middle(taken), unit=UNIT, ratio=_ratios(name, spent)))
    return rows


def cost_rows(decision: Decision, way: Way, found: dict[str, Samples]) -> list[Row]:
    """What one decision cost each contender."""
    if way is Way.SOCKET:
        return _socket_rows(decision, found)
    rows = []
    deciding = {name: samples for name, samples in found.items() if name not in (KERNEL, SINK)}
    beyond = {name: samples.beyond for name, samples in deciding.items()}
    net = {name: samples.net for name, samples in deciding.items()}
    for name, samples in found.items():
        if name not in (ALONE, SINK):
            rows.append(
                _row(f"{decision}, CPU: {name}", samples, samples.beyond, UNIT, _ratios(name, beyond))
            )
    for name, samples in found.items():
        if name != ALONE:
            what = f"{decision}, CPU with the wire: {name}"
            rows.append(_row(what, samples, samples.net, UNIT, _ratios(name, net)))
    for name, samples in found.items():
        rows.append(_row(f"{decision}, CPU, raw: {name}", samples, samples.raw, UNIT, {}))
    for name, samples in found.items():
        if name != ALONE:
            rows.append(
                _row(f"{decision}, CPU of the whole machine: {name}", samples, samples.machine, UNIT, {})
            )
    rates = {name: samples.rate for name, samples in found.items() if name not in (SINK, ALONE)}
    for name, samples in found.items():
        if name != ALONE:
            row = _row(
                f"{decision}, sent on one core: {name}",
                samples,
                samples.rate,
                "packets/s",
                _ratios(name, rates),
            )
            done = f"{100 * median(samples.absorbed):.1f} % {decision.ended}" if samples.absorbed else ""
            rows.append(row.model_copy(update={"note": row.note or done}))
    return rows


def _socket_rows(decision: Decision, found: dict[str, Samples]) -> list[Row]:
    rows = []
    beyond = {name: samples.beyond for name, samples in found.items() if name not in (KERNEL, SINK)}
    for name, samples in found.items():
        if name not in (ALONE, SINK):
            what = f"{decision}, sent by a socket, CPU: {name}"
            rows.append(_row(what, samples, samples.beyond, UNIT, _ratios(name, beyond)))
    for name, samples in found.items():
        if name != ALONE:
            what = f"{decision}, sent by a socket, CPU, raw: {name}"
            rows.append(_row(what, samples, samples.raw, UNIT, {}))
    return rows


def aside_rows(asides: Sequence[Aside]) -> list[Row]:
    """How bystanders fared."""
    rows = []
    for one in asides:
        stood = one.stood
        for what, answered, asked in (
            ("pings", stood.pings_answered, stood.pings),
            ("pages", stood.fetches_answered, stood.fetches),
        ):
            rows.append(
                Row(
                    name=f"a bystander's {what} answered: {one.contender}",
                    value=answered / asked if asked else None,
                    unit="share",
                    note=f"of {asked}, beside {one.run.per_second:,.0f} packets/s",
                )
            )
    return rows


def bars(found: dict[Decision, dict[str, Samples]], asides: Sequence[Aside]) -> list[Bar]:
    """What is wanted of the shield. A figure that is missing reaches no bar."""
    made = []
    for decision, samples in found.items():
        if decision.answers:
            continue
        share = best_share(samples)
        made.append(at_most(f"{decision}: CPU per dropped packet ÷ nftables' best", SHARE_BAR, share))
    blocked = found.get(Decision.BLOCKED, {}).get(SHIELD, Samples())
    worst = min(blocked.absorbed, default=None)
    made.append(at_least("the full rate on one core: dropped by the shield ÷ sent, worst round", 1.0, worst))
    for row in aside_rows([one for one in asides if one.contender == SHIELD]) or [
        Row(name="a bystander's pings answered: shield", value=None, unit="share")
    ]:
        made.append(at_least(row.name, ANSWERED_BAR, row.value))
    return made


def best_share(samples: dict[str, Samples]) -> float | None:
    """The shield's cost ÷ that of nftables' cheaper variant, paired by rounds; None without both."""
    ours = samples.get(SHIELD, Samples()).beyond
    peers = [
        one.beyond
        for name, one in samples.items()
        if name.startswith("nftables") and one.beyond and not one.reason
    ]
    shares = [share for peer in peers if (share := paired_ratio(ours, peer)) is not None]
    return max(shares, default=None)


def _ratios(name: str, samples: dict[str, list[float]]) -> dict[str, float | None]:
    if name != SHIELD:
        return {}
    peers = {peer: theirs for peer, theirs in samples.items() if peer not in (name, ALONE)}
    return {peer: paired_ratio(samples[name], theirs) for peer, theirs in peers.items()}


def _row(
    name: str, samples: Samples, figures: Sequence[float], unit: str, ratio: dict[str, float | None]
) -> Row:
    missing = samples.reason if samples.reason else "not measured"
    return Row(name=name, value=middle(figures), unit=unit, ratio=ratio, note="" if figures else missing)
