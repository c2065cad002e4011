"""What holds whatever comes: bounded, tried, ending, repeatable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.defence.instructions import EnforceRules, Instruction, RecordMitigation, Withdraw
from rempart.defence.loop import Defence
from rempart.defence.policy import Policy
from rempart.model.attacks import (
    PACKET,
    REQUEST,
    SITE,
    Action,
    Event,
    Mode,
    ModeChange,
    Observation,
    Records,
    Revoke,
    Saturation,
)
from rempart.model.packets import HEADER
from tests.defence import traffic

SMALL = Policy(
    reservoir=256, tick_records=128, least_records=16, quarantine=0.3, admitted_per_second=2_000, sites=64,
    services=4, packet_rules=8, request_rules=8, remembered=8, bound=0.05, packet_floor=50, site_floor=5,
    life_seconds=20, quiet_seconds=2, quiet_most=8,
)  # fmt: skip


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    chance = np.random.default_rng(draw(st.integers(0, 2**16)))
    kind = draw(st.sampled_from(["noise", "good", "flood", "fragments", "nothing"]))
    count = draw(st.integers(0, 400))
    match kind:
        case "noise":
            packets = _noise(chance, count)
        case "good":
            packets = traffic.good_packets(chance, max(9, count))
        case "flood":
            packets = traffic.ack_flood(chance, count, 10.0)
        case "fragments":
            packets = traffic.fragment_flood(chance, count, 10.0)
        case _:
            packets = np.zeros(0, PACKET)
    asked = draw(st.integers(0, 300))
    numbers = [
        traffic.good_requests(chance, asked, site=int(chance.integers(1, 100))),
        traffic.bot_requests(chance, asked, site=int(chance.integers(1, 3))),
    ]
    requests = np.concatenate(numbers)
    sites = np.zeros(0, SITE)
    if requests.size:
        names, counts = np.unique(requests["site"], return_counts=True)
        sites = np.zeros(names.size, SITE)
        sites["site"], sites["requests"] = names, counts
        sites["queue"] = chance.integers(0, 30, names.size)
    return Observation(
        seconds=draw(st.sampled_from([0.0, 0.1, 0.1, 0.1, 5.0])),
        wall=1e9,
        packets=packets,
        passed=int(packets["weight"].sum()),
        offered_packets=int(packets["weight"].sum()),
        offered_requests=int(requests.size),
        requests=requests,
        sites=sites,
        saturation=Saturation(link=draw(st.sampled_from([0.1, 0.99]))),
    )


def _noise(chance: np.random.Generator, count: int) -> Records:
    made = np.zeros(count, PACKET)
    made["header"] = np.frombuffer(chance.bytes(count * HEADER.itemsize), HEADER)
    made["weight"] = 1
    return made


events: st.SearchStrategy[Event] = st.one_of(
    observations(),
    observations(),
    observations(),
    st.builds(Revoke, mitigation=st.integers(1, 12)),
    st.builds(ModeChange, key=st.integers(-1, 3), mode=st.sampled_from(Mode)),
)


def played(script: list[Event], seed: int = 0) -> tuple[Defence, list[list[Instruction]], float]:
    defence, now = Defence(SMALL, seed=seed), 50.0
    told = []
    for event in script:
        now += 0.1
        # An event may come over and over: the same tick of a flood, say.
        for _ in range(3):
            now += 0.1
            told.append(defence.handle(event, now))
    return defence, told, now


@settings(max_examples=25, deadline=None)
@given(st.lists(events, min_size=1, max_size=12))
def test_whatever_comes(script: list[Event]) -> None:
    defence, told, now = played(script)
    # Bounded.
    for watch in (defence.packets, defence.requests):
        assert watch.reservoir.size <= SMALL.reservoir
        assert watch.baseline.keys.size <= SMALL.sites
        assert sum(records.size for _, records, _ in watch._window) <= 32 * SMALL.tick_records
    assert len(defence.mitigations.standing) <= SMALL.packet_rules + SMALL.request_rules
    assert defence.mitigations.remembered() <= 3 * SMALL.remembered
    assert defence._ports.keys.size <= defence._ports.capacity
    # Nothing is enforced that was not tried and recorded before, and nothing is dropped above the bound.
    passed: dict[int, Action] = {}
    for one in (instruction for tick in told for instruction in tick):
        if isinstance(one, RecordMitigation):
            trial = one.mitigation.evidence.trial
            assert trial.action is one.mitigation.action
            if one.mitigation.action is Action.DROP:
                assert trial.upper <= SMALL.bound
            assert one.mitigation.since < one.mitigation.expires <= one.mitigation.since + SMALL.life_seconds
            passed[one.mitigation.id] = one.mitigation.action
        elif isinstance(one, EnforceRules):
            assert {rule.id for rule in one.rules} <= passed.keys()
            assert {mitigation.id for mitigation in one.requests} <= passed.keys()
    # Everything ends, what began while it fell quiet too.
    quiet = Observation(seconds=0.1, wall=1e9)
    for _ in range(round(SMALL.life_seconds)):
        now += 1
        told.append(defence.handle(replace(quiet, seconds=1.0), now))
    assert not defence.mitigations.standing
    gone = {one.mitigation.id for tick in told for one in tick if isinstance(one, Withdraw)}
    begun = {one.mitigation.id for tick in told for one in tick if isinstance(one, RecordMitigation)}
    assert gone == begun
    orders = [one for tick in told for one in tick if isinstance(one, EnforceRules)]
    assert not orders or not (orders[-1].rules or orders[-1].requests or orders[-1].measures)


@settings(max_examples=10, deadline=None)
@given(st.lists(events, min_size=1, max_size=8))
def test_the_same_events_are_answered_the_same(script: list[Event]) -> None:
    assert played(script)[1] == played(script)[1]


def test_the_columns_are_what_the_types_say() -> None:
    assert REQUEST.itemsize <= 80
    assert HEADER.itemsize == 64
