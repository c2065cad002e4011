"""The benchmark of the judgement plays what it says; how fast this machine is, is no test."""

from __future__ import annotations

import pytest

from rempart.lab.bench.defence import (
    PACKETS,
    REQUESTS,
    SITES,
    WARM_SECONDS,
    Load,
    _measured,
    _Play,
    judgement,
)


def test_the_loads_are_those_that_are_wanted() -> None:
    assert (REQUESTS, SITES, PACKETS) == ((1_000, 10_000, 50_000), (1, 100, 10_000), 100_000)


@pytest.mark.parametrize("load", [Load(1_000, 0, 1), Load(1_000, 2_000, 100)], ids=lambda load: load.name)
def test_its_flood_is_dropped_and_its_calm_is_not(load: Load) -> None:
    defence, play = judgement(load, 1), _Play(load, 1)
    assert _measured(defence, play.ticks(WARM_SECONDS, attacked=False))[1] is False
    share, dropped = _measured(defence, play.ticks(1, attacked=True))
    assert dropped
    assert share > 0
