"""Nanoseconds a packet for every way through the shield, by test run: the first half of ``rempart bench
shield``.

A figure is what the kernel says of ``BATCHES`` test runs of ``REPEAT`` packets in each round; its median.
It holds what the test run itself costs (its loop, the call of the program), which is a row of its own and
subtracted from nothing. Where frames are laid out before each packet (``shield_testrun``), what that costs
is measured in the same round and taken off; it is a row, too, and the figure before is in the remark.

A way counts only if the packets took it: the shield's own counter of the reason must have grown by all of
them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from statistics import median

from rempart.engines.shield.layout import Reason
from rempart.engines.shield.libbpf import Program
from rempart.engines.shield.loader import Shield
from rempart.lab.bench.report import Row, middle
from rempart.lab.bench.shield_paths import HOST, NETWORK, Way, ways
from rempart.lab.bench.shield_prefixes import Prefixes
from rempart.lab.bench.shield_program import order, packets
from rempart.lab.bench.shield_testrun import Laid, nothing
from rempart.lab.figures import Bar, at_most

REPEAT = 100_000
BATCHES = 5
DROP_BAR, RULES_BAR, COOKIE_BAR = 60.0, 250.0, 350.0
"""Nanoseconds that a packet may cost: of a blocked source, passed by 64 rules, a SYN that is answered."""
UNIT = "ns/packet"
_BARS = (
    ((f"{HOST}, IPv4", f"{NETWORK}, IPv4"), DROP_BAR),
    (("passed, 64 rules, IPv4",), RULES_BAR),
    (("SYN answered with a cookie, IPv4",), COOKIE_BAR),
)
"""Ways, all of which must stay under a bar."""

Progress = Callable[[str], None]
Samples = dict[str, list[float]]


def measured(
    shield: Shield, blocked: dict[int, Prefixes], rounds: int, progress: Progress, *, repeat: int = REPEAT
) -> tuple[list[Row], list[Bar]]:
    """Rows and bars. To be called inside a namespace with listening sockets whose ``tcp_syncookies`` is 2."""
    all_ways = list(ways(blocked, int(time.time())))
    figures: Samples = {}
    raw: Samples = {}
    wrong: dict[str, str] = {}
    with ExitStack() as stack:
        idle = stack.enter_context(nothing())
        for number in range(rounds):
            itself = _batches(lambda: idle.run(bytes(60), repeat).nanoseconds)
            figures.setdefault("test run itself", []).extend(itself)
            for way in all_ways:
                progress(f"round {number + 1}/{rounds}: {way.name}")
                taken, laid, strayed = _taken(shield, way, idle, repeat)
                if strayed:
                    wrong[way.name] = strayed
                    continue
                raw.setdefault(way.name, []).extend(taken)
                # What laying out costs is what it adds to a program that does nothing.
                added = (median(laid) - median(itself)) if laid else 0.0
                figures.setdefault(way.name, []).extend(one - added for one in taken)
    rows = [
        Row(name="test run itself", value=middle(figures["test run itself"]), unit=UNIT,
            note="in every figure that follows"),
        *(_row(way, figures.get(way.name, []), raw.get(way.name, []), wrong.get(way.name))
          for way in all_ways),
    ]  # fmt: skip
    values = {row.name: row.value for row in rows}
    return rows, [at_most(f"{name}, {UNIT}", bar, values[name]) for names, bar in _BARS for name in names]


def _row(way: Way, figures: Sequence[float], raw: Sequence[float], wrong: str | None) -> Row:
    if wrong is not None:
        return Row(name=way.name, value=None, unit=UNIT, note=wrong)
    remarks = [way.note] if way.note else []
    if way.laid:
        before = middle(raw) or 0.0
        remarks.append(f"{before:.0f} before laying out was taken off")
    return Row(name=way.name, value=middle(figures), unit=UNIT, note="; ".join(remarks))


def _taken(
    shield: Shield, way: Way, idle: Program, repeat: int
) -> tuple[list[float], list[float], str | None]:
    """Batches of one way, what laying out costs, and where the packets went instead."""
    order(shield, way.orders, way.lists, way.rules)
    with ExitStack() as stack:
        laid: list[float] = []
        if way.laid:
            empty = stack.enter_context(closing(Laid(way.frames, idle)))
            laid = _batches(lambda: empty.run(repeat))
            through = stack.enter_context(closing(Laid(way.frames, shield.program)))
            once: Callable[[int], int] = through.run
        else:
            frame = way.frames[0].tobytes()
            once = lambda count: shield.program.run(frame, count).nanoseconds  # noqa: E731
        # The first one over a limit is within it; caches are warm then, too.
        once(max(len(way.frames), 1_000))
        before = packets(shield)
        taken = _batches(lambda: once(repeat))
        after = packets(shield)
    grown = {reason: after[reason] - before[reason] for reason in Reason if after[reason] != before[reason]}
    strays = {reason.name: count for reason, count in grown.items() if reason is not way.reason}
    if grown.get(way.reason, 0) != BATCHES * repeat or strays:
        return [], [], f"the packets did not end as {way.reason.name}: {strays}"
    return taken, laid, None


def _batches(once: Callable[[], int]) -> list[float]:
    return [float(once()) for _ in range(BATCHES)]
