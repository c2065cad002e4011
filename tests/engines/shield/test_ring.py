"""Samples and captures: from the program's rings to arrays, and to files that others read."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from rempart.engines.shield import layout, lists, ring, rules, tables
from rempart.engines.shield.capture import CaptureFile
from rempart.engines.shield.layout import Reason, Verdict
from rempart.engines.shield.loader import Shield
from rempart.engines.shield.ring import Ring
from rempart.model.shield import RuleAction, ShieldOrders, ShieldRule
from tests.engines.shield.frames import ethernet, ipv4, raw, udp

pytestmark = pytest.mark.root

BLOCKED, OTHER = "198.51.100.7", "203.0.113.9"
EVERYTHING = ShieldOrders(drop_martians=False, only_served=False, sample_passed=1, sample_dropped=1)


def frame(source: str, payload: bytes = b"four") -> bytes:
    return ethernet(ipv4(raw(source), raw("192.0.2.1"), 17, udp(4_000, 53, payload)))


@pytest.fixture
def seeing(shield: Shield) -> Shield:
    tables.configure(shield, EVERYTHING)
    tables.capture(shield, 1)
    lists.blocked(shield).put(BLOCKED)
    return shield


@pytest.fixture
def samples(seeing: Shield) -> Iterator[Ring]:
    found = Ring(seeing.maps["samples"])
    yield found
    found.close()


@pytest.fixture
def captures(seeing: Shield) -> Iterator[Ring]:
    found = Ring(seeing.maps["captures"])
    yield found
    found.close()


def test_a_sample_tells_what_became_of_a_packet(seeing: Shield, samples: Ring) -> None:
    assert not samples.wait(0)
    seeing.program.run(frame(BLOCKED))
    seeing.program.run(frame(OTHER, bytes(300)))
    assert samples.wait(1)
    found = ring.samples(samples.read())
    first, second = found
    assert (first.verdict, first.reason, first.rule) == (Verdict.DROP, Reason.DROP_BLOCKED, 0)
    assert first.frame == frame(BLOCKED)
    assert (second.verdict, second.reason) == (Verdict.PASS, Reason.PASS_NOT_OURS)
    assert second.frame == frame(OTHER, bytes(300))[: layout.SNAP]
    assert second.length == len(frame(OTHER, bytes(300)))
    assert abs(first.time - time.clock_gettime_ns(time.CLOCK_MONOTONIC)) < 60 * 10**9
    assert found.rows["vector"]["family"].tolist() == [4, 4]
    assert layout.address_of(found.rows["vector"]["source"]["bytes"][0].tobytes()).compressed == BLOCKED
    assert samples.read() == []


def test_a_rule_s_sample_carries_its_id(seeing: Shield, samples: Ring) -> None:
    watching = ShieldRule(id=77, action=RuleAction.SAMPLE, source=ip_network(f"{OTHER}/32"), sample_every=1)
    rules.replace(seeing, [watching])
    tables.configure(seeing, EVERYTHING.model_copy(update={"sample_passed": 0}))
    seeing.program.run(frame(OTHER))
    assert [one.rule for one in ring.samples(samples.read())] == [77]


def test_records_go_round_the_ring_many_times(seeing: Shield, samples: Ring) -> None:
    size = 1 << 20
    for number in range(12_000):
        seeing.program.run(frame(BLOCKED, number.to_bytes(4, "big")))
        if number % 1_000 == 999:
            found = list(ring.samples(samples.read()))
            assert [int.from_bytes(one.frame[-4:], "big") for one in found] == list(
                range(number - 999, number + 1)
            )
    assert 12_000 * (layout.SAMPLE.itemsize + layout.SNAP) > 2 * size
    assert tables.lost(seeing)[0] == 0


def test_what_does_not_fit_is_counted_and_the_rest_is_there(seeing: Shield, samples: Ring) -> None:
    seeing.program.run(frame(BLOCKED), repeat=20_000)
    lost = tables.lost(seeing)[0]
    assert lost > 0
    assert len(samples.read(100_000)) == 20_000 - lost
    seeing.program.run(frame(BLOCKED))
    assert len(samples.read()) == 1


def test_reading_stops_where_it_is_told_and_goes_on_there(seeing: Shield, samples: Ring) -> None:
    seeing.program.run(frame(BLOCKED), repeat=10)
    assert [len(samples.read(4)) for _ in range(4)] == [4, 4, 2, 0]
    seeing.program.run(frame(BLOCKED), repeat=10)
    samples.skip()
    assert samples.read() == []


def test_another_reader_goes_on_where_the_first_has_stopped(seeing: Shield, samples: Ring) -> None:
    seeing.program.run(frame(BLOCKED), repeat=5)
    samples.read(3)
    second = Ring(seeing.maps["samples"])
    assert len(second.read()) == 2
    second.close()


def test_only_rings_are_rings(seeing: Shield) -> None:
    with pytest.raises(ValueError, match="no ring buffer"):
        Ring(seeing.maps["counters"])


def test_a_capture_is_read_by_others(seeing: Shield, captures: Ring, tmp_path: Path) -> None:
    rules.replace(seeing, [ShieldRule(id=9, action=RuleAction.DROP, payload=b"bad")])
    sent = [frame(BLOCKED), frame(OTHER, bytes(800)), frame(OTHER, b"bad!")]
    for one in sent:
        seeing.program.run(one)
    before = time.time()
    path = tmp_path / "test.pcapng"
    with path.open("wb") as file:
        writer = CaptureFile(file, {1: "lo"}, layout.CAPTURE_SNAP)
        assert writer.write(ring.samples(captures.read(), layout.CAPTURE_SNAP), lists.clock()) == 3
    packets = json.loads(_read("tshark", "-r", str(path), "-T", "json", "-x"))
    layers = [one["_source"]["layers"] for one in packets]
    assert [bytes.fromhex(one["frame_raw"][0]) for one in layers] == sent
    assert [one["pkt_comment"]["frame.comment"] for one in layers] == [
        "DROP_BLOCKED: on the block list",
        "PASS_NOT_OURS: not to an address of ours",
        "DROP_RULE: a rule drops it (rule 9)",
    ]
    verdicts = _read("tshark", "-r", str(path), "-T", "fields", "-e", "frame.verdict.ebpf_xdp").split()
    assert [int(one, 0) for one in verdicts] == [Verdict.DROP, Verdict.PASS, Verdict.DROP]
    times = _read("tshark", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch").split()
    assert all(abs(float(one) - before) < 60 for one in times)
    assert len(_read("tcpdump", "-nr", str(path)).splitlines()) == 3


def test_a_capture_without_packets_is_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "test.pcapng"
    with path.open("wb") as file:
        CaptureFile(file, {2: "eth0", 7: "eth1"}, layout.CAPTURE_SNAP)
    assert _read("tcpdump", "-nr", str(path)) == ""


def _read(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
