"""Rules in the kernel: swapped at one moment, counted each, with the real program."""

from __future__ import annotations

import threading
from ipaddress import ip_network

import numpy as np
import pytest

from rempart.engines.shield import layout, rules, tables
from rempart.engines.shield.layout import Flag, Reason, Verdict
from rempart.engines.shield.loader import Shield
from rempart.model.errors import InvalidInput
from rempart.model.shield import Limit, RuleAction, ShieldOrders, ShieldRule, Span
from tests.engines.shield.frames import ethernet, ipv4, raw, udp

pytestmark = pytest.mark.root

SOURCE = "198.51.100.7"
ROUND = 100_000
"""Packets for each call: long enough that the other thread works meanwhile."""


@pytest.fixture(autouse=True)
def _open(shield: Shield) -> None:
    tables.configure(shield, ShieldOrders(drop_martians=False, only_served=False))


def frame(port: int = 4_000, payload: bytes = b"four") -> bytes:
    return ethernet(ipv4(raw(SOURCE), raw("192.0.2.1"), 17, udp(port, 4_000, payload)))


def drop(id_: int, **fields: object) -> ShieldRule:
    return ShieldRule.model_validate({"id": id_, "action": "drop"} | fields)


def test_without_rules_everything_goes_on(shield: Shield) -> None:
    assert rules.active(shield)["count"] == 0
    assert rules.hits(shield) == {}
    assert shield.program.run(frame()).verdict == Verdict.PASS


def test_a_rule_drops_and_counts(shield: Shield) -> None:
    rules.replace(shield, [drop(7, source=ip_network("198.51.100.0/24"), protocol=17)])
    assert shield.program.run(frame()).verdict == Verdict.DROP
    assert tables.counters(shield)[Reason.DROP_RULE].packets == 1
    assert rules.hits(shield) == {7: (1, len(frame()))}


def test_the_first_rule_that_decides_is_the_last(shield: Shield) -> None:
    passing = ShieldRule(
        id=1, action=RuleAction.PASS, protocol=17, source_ports=Span(first=5_000, last=6_000)
    )
    rules.replace(shield, [passing, drop(2, protocol=17)])
    assert shield.program.run(frame(5_000)).verdict == Verdict.PASS
    assert shield.program.run(frame(6_001)).verdict == Verdict.DROP
    assert [one.packets for one in rules.hits(shield).values()] == [1, 1]
    rules.replace(shield, [drop(2, protocol=17), passing])
    assert shield.program.run(frame(5_000)).verdict == Verdict.DROP
    assert {id_: one.packets for id_, one in rules.hits(shield).items()} == {2: 2, 1: 1}


def test_a_limit_has_its_own_bucket(shield: Shield) -> None:
    slow = ShieldRule(id=1, action=RuleAction.LIMIT, limit=Limit(per_second=0.001, burst=3))
    rules.replace(shield, [slow])
    assert [shield.program.run(frame()).verdict for _ in range(4)] == [Verdict.PASS] * 3 + [Verdict.DROP]
    # It stays as full as it is when other rules come, and a new one begins with its own.
    rules.replace(shield, [slow, drop(5, protocol=6)])
    assert shield.program.run(frame()).verdict == Verdict.DROP
    rules.replace(shield, [slow.model_copy(update={"id": 2})])
    assert shield.program.run(frame()).verdict == Verdict.PASS


def test_counters_stay_with_rules_and_new_ones_begin_at_zero(shield: Shield) -> None:
    rules.replace(shield, [drop(1, protocol=17), drop(2, protocol=6)])
    shield.program.run(frame())
    rules.replace(shield, [drop(3, protocol=6), drop(1, protocol=17)])
    assert {id_: one.packets for id_, one in rules.hits(shield).items()} == {3: 0, 1: 1}
    rules.replace(shield, [drop(4, protocol=17)])
    rules.replace(shield, [drop(5, protocol=17)])
    assert rules.hits(shield)[5].packets == 0
    assert rules.active(shield)["generation"] == 4


def test_payload_is_looked_at(shield: Shield) -> None:
    rules.replace(shield, [drop(1, payload=b"bad")])
    assert shield.program.run(frame(payload=b"bad payload")).verdict == Verdict.DROP
    assert shield.program.run(frame(payload=b"good payload")).verdict == Verdict.PASS


def test_a_set_that_cannot_be_changes_nothing(shield: Shield) -> None:
    rules.replace(shield, [drop(1, protocol=17)])
    with pytest.raises(InvalidInput):
        rules.replace(shield, [drop(2), drop(2)])
    assert rules.active(shield)["generation"] == 1
    assert shield.program.run(frame()).verdict == Verdict.DROP


@pytest.mark.slow
def test_a_packet_never_sees_half_a_set(shield: Shield) -> None:
    """A set, and the same rules turned round: in both each rule counts each packet, and the last drops it.
    Who saw the beginning of one and the end of the other would be counted twice by some rules."""
    counting = [ShieldRule(id=id_, action=RuleAction.SAMPLE, sample_every=2**31) for id_ in range(1, 64)]
    sets = [[*counting, drop(64)], [*reversed(counting), drop(64)]]
    rules.replace(shield, sets[0])
    stop, runs, verdicts = threading.Event(), 0, set[int]()

    def hammer() -> None:
        nonlocal runs
        while not stop.is_set():
            verdicts.add(shield.program.run(frame(), repeat=ROUND).verdict)
            runs += ROUND

    thread = threading.Thread(target=hammer)
    thread.start()
    swaps = 0
    while runs < 20 * ROUND:
        swaps += 1
        rules.replace(shield, sets[swaps % 2])
    stop.set()
    thread.join()
    assert swaps > 10
    assert verdicts == {Verdict.DROP}
    assert tables.counters(shield)[Reason.DROP_RULE].packets == runs
    assert {one.packets for one in rules.hits(shield).values()} == {runs}


def test_what_is_to_be_kept_stays_behind_the_new_ones_with_its_counters(shield: Shield) -> None:
    rules.replace(shield, [drop(7, protocol=6), drop(900, protocol=17), drop(901, protocol=1)])
    shield.program.run(frame())
    rules.replace(shield, [drop(8, protocol=6)], keep=lambda number: number >= 900)
    found = rules.hits(shield)
    assert list(found) == [8, 900, 901]
    assert found[900].packets == 1
    shield.program.run(frame())
    assert rules.hits(shield)[900].packets == 2
    rules.replace(shield, [], keep=lambda number: number == 901)
    assert list(rules.hits(shield)) == [901]
    assert shield.program.run(frame()).verdict == Verdict.PASS


def test_of_what_is_kept_no_more_than_fit_and_names_of_one_length(shield: Shield) -> None:
    rules.replace(
        shield, [drop(900, protocol=17, qname="a.example"), drop(901, protocol=17, payload=b"four")]
    )
    rules.replace(shield, [drop(1, protocol=6)], keep=lambda number: number >= 900)
    record = rules.active(shield)
    assert (int(record["count"]), int(record["qname_labels"])) == (3, 2)
    assert shield.program.run(frame()).verdict == Verdict.DROP, "what it needs of a packet came along"
    rules.replace(shield, [drop(2, protocol=17, qname="x.y.example")], keep=lambda number: number >= 900)
    assert list(rules.hits(shield)) == [2, 901]
    many = [drop(number, protocol=6) for number in range(1, 65)]
    rules.replace(shield, many, keep=lambda number: number >= 900)
    assert len(rules.hits(shield)) == 64


def test_settings_that_change_leave_a_capture_alone(shield: Shield) -> None:
    tables.capture(shield, 8)
    tables.configure(shield, ShieldOrders(sample_passed=4))
    assert tables.flags(shield) & Flag.CAPTURING
    raw_config = np.frombuffer(shield.maps["config"].lookup(bytes(4)) or b"", layout.CONFIG)[0]
    assert (int(raw_config["capture_mask"]), int(raw_config["sample_mask"])) == (7, 3)
