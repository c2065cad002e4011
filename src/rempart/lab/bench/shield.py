"""``rempart bench shield``: what the packet shield costs, and what it saves beside nftables.

    shield_costs    nanoseconds a packet for every way through the program, by the kernel's test run
    shield_wire     floods over a veth against the kernel alone, nftables and the shield: CPU a packet,
                    packets a second, whether anything is lost and whether a bystander is still served

Both have the same block list of a million prefixes of each family.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rempart.engines.shield.loader import Shield
from rempart.lab import bpf
from rempart.lab.bench import shield_costs, shield_figures
from rempart.lab.bench.report import BenchReport, Row
from rempart.lab.bench.shield_decisions import Decision
from rempart.lab.bench.shield_figures import aside_rows, cost_rows
from rempart.lab.bench.shield_ground import Ground
from rempart.lab.bench.shield_paths import allowed
from rempart.lab.bench.shield_prefixes import prefixes
from rempart.lab.bench.shield_program import fill, load
from rempart.lab.bench.shield_sender import Way
from rempart.lab.bench.shield_wire import Wire
from rempart.lab.figures import Bar, at_most
from rempart.lab.network.inside import inside
from rempart.model.errors import EnvironmentLacks

PREFIXES = 1_000_000
BYSTANDER_S = 3.0
"""How long a bystander asks: 150 pings, of which one may be lost."""
LOAD_BAR = 2.0
"""Seconds that a million prefixes may take to be on the list."""

Progress = Callable[[str], None]
_BLOCK_MAPS = ("blocked4", "blocked4_hosts", "blocked4_nets", "blocked4_where", "blocked6", "blocked6_nets")


def run(
    rounds: int = 5,
    seconds: float = 1.0,
    progress: Progress = lambda _: None,
    *,
    count: int = PREFIXES,
    repeat: int = shield_costs.REPEAT,
    bystander: float = BYSTANDER_S,
) -> BenchReport:
    """Measure; ``rounds`` of everything, ``seconds`` for each flood and contender. ``count``: prefixes of the
    block list of each family; ``repeat``: packets of one test run; ``bystander``: how long one asks, in s.

    Raises EnvironmentLacks without root, namespaces, BPF or the compiled program.
    """
    if (why := bpf.lacking()) is not None:
        raise EnvironmentLacks("shield", why)
    rows = [_load_row("before")]
    bars: list[Bar] = []
    with Ground() as ground:
        shield = load()
        try:
            progress(f"making {count:,} prefixes of each family")
            blocked = {version: prefixes(count, v6=version == 6, seed=version) for version in (4, 6)}
            progress("loading them")
            took = fill(shield, blocked, {version: allowed(version) for version in (4, 6)})
            for version, spent in took.items():
                name = f"{count:,} prefixes of IPv{version} onto the block list"
                note = f"{spent.cpu:.1f} s of processor time"
                rows.append(Row(name=name, value=spent.wall, unit="s", note=note))
                bars.append(at_most(f"{name}, s", LOAD_BAR, spent.wall))
            rows.append(
                Row(name="memory of the block list, both families", value=_megabytes(shield), unit="MiB")
            )
            with ground.listening():
                measure = partial(shield_costs.measured, shield, blocked, rounds, progress, repeat=repeat)
                costs, cost_bars = inside(ground.edge, measure)
            rows += costs
            bars += cost_bars
            wire = Wire(ground, shield, blocked[4], progress)
            rows += wire.loading_rows(count)
            found = {decision: wire.costs(decision, rounds, seconds) for decision in Decision}
            for decision, samples in found.items():
                rows += cost_rows(decision, Way.LIVE, samples)
            by_socket = wire.costs(Decision.BLOCKED, rounds, seconds, Way.SOCKET)
            rows += cost_rows(Decision.BLOCKED, Way.SOCKET, by_socket)
            asides = wire.asides(bystander)
            rows += aside_rows(asides)
            bars += shield_figures.bars(found, asides)
            rows += wire.apart(rounds, seconds)
        finally:
            shield.close()
    rows.append(_load_row("after"))
    return BenchReport(bench="shield", rows=tuple(rows), bars=tuple(bars))


def _load_row(when: str) -> Row:
    return Row(
        name=f"load average of the machine, {when}",
        value=os.getloadavg()[0],
        unit="processes",
        note="others' work too",
    )


def _megabytes(shield: Shield) -> float | None:
    """What the kernel says the list's maps take: ``memlock`` in fdinfo, with all entries since Linux 6.4."""
    total = 0
    for name in _BLOCK_MAPS:
        found = re.search(
            r"^memlock:\s+(\d+)", Path(f"/proc/self/fdinfo/{shield.maps[name].fd}").read_text(), re.M
        )
        if found is None:
            return None
        total += int(found[1])
    return total / 2**20
