"""Shares of link and processors, from counters."""

from __future__ import annotations

import time

from rempart.model.attacks import Saturation
from rempart.node.shield.saturation import Gauge, Used, processor_times, saturation

STAT = """cpu  900 100 300 5000 100 10 90 0 0 0
cpu0 500 0 100 2000 50 10 90 0 0 0
cpu1 400 100 200 3000 50 0 0 0 0 0
intr 1 2 3
"""


def test_interrupts_are_what_floods_cost() -> None:
    assert processor_times(STAT) == ((100, 2_750), (0, 3_750))


def test_shares_between_two_moments() -> None:
    before = Used(10.0, 0, ((0, 0), (0, 0)), group=1.0)
    now = Used(12.0, 125_000_000, ((180, 200), (10, 200)), group=2.0)
    assert saturation(before, now, 1_000_000_000, None) == Saturation(link=0.5, cpu=0.9)
    assert saturation(before, now, 0, 0.5) == Saturation(link=0.0, cpu=1.0)
    # Nothing is more than all, and counters that begin anew are no share below nothing.
    assert saturation(now, before, 1_000, None) == Saturation()


def test_it_looks_at_this_machine() -> None:
    gauge = Gauge()
    gauge.interfaces(("lo", "nowhere"))
    assert gauge.read(0, time.monotonic()) == Saturation()
    found = gauge.read(10**12, time.monotonic() + 1.0)
    assert found.link == 0.0, "loopback names no speed"
    assert 0.0 <= found.cpu <= 1.0
