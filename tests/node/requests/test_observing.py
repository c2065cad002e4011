"""From lines and counters to observations: told as plays, without HAProxy."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import numpy as np

from rempart.engines.haproxy.site_counts import EdgeCount, KnownSite, SiteCount, answers, known_sites
from rempart.model.attacks import REQUEST, Layer, Records, Signature, Term
from rempart.node.requests.listening import RequestSocket
from rempart.node.requests.observing import COUNTED_MOST, Observing
from rempart.node.requests.words import words


def requests(*many: tuple[int, float, int, bool]) -> Records:
    """Records of (site, weight, mitigation, refused)."""
    records = np.zeros(len(many), REQUEST)
    for row, (site, weight, mitigation, refused) in zip(records, many, strict=True):
        row["site"], row["weight"], row["mitigation"], row["refused"] = site, weight, mitigation, refused
    return records


def count(worker: int = 1, total: int = 0, **sites: tuple[int, int, int, int]) -> EdgeCount:
    """Backend → (requests, refused, errors, queue)."""
    found = {name: SiteCount(*four, current=0, answered=0) for name, four in sites.items()}
    return EdgeCount(worker=worker, requests=total, busy=0.5, sites=found)


def observing() -> Observing:
    it = Observing()
    it.learn({7: KnownSite("a.test", "be_0001"), 8: KnownSite("b.test", "be_0002")})
    return it


def test_counters_go_before_samples() -> None:
    it = observing()
    it.observed(requests((7, 2.0, 0, False)), count(total=100, be_0001=(50, 0, 0, 0)), {}, 0.1, 0.0)
    seen = it.observed(
        requests((7, 2.0, 0, False), (7, 2.0, 5, True), (8, 4.0, 0, False)),
        count(total=160, be_0001=(80, 3, 2, 11)),
        {5: 0},
        0.1,
        0.0,
    )
    assert seen.offered_requests == 60
    rows = {int(row["site"]): row for row in seen.sites}
    # 30 reached the backend, two more were refused before; three of the 30 were refused there.
    assert (rows[7]["requests"], rows[7]["refused"], rows[7]["errors"], rows[7]["queue"]) == (32, 5, 2, 11)
    # The other one was not asked for: what samples stand for.
    assert (rows[8]["requests"], rows[8]["refused"]) == (4, 0)
    assert seen.hits == {5: 2}
    assert seen.saturation.cpu == 0.5


def test_hits_add_up_while_a_mitigation_stands() -> None:
    it = observing()
    for expected in (2, 4):
        assert it.observed(requests((7, 2.0, 5, True)), count(), {5: 0}, 0.1, 0.0).hits == {5: expected}
    # Another process has begun it: what it has counted is gone on from.
    assert it.observed(requests((7, 2.0, 6, True)), count(), {6: 600}, 0.1, 0.0).hits == {6: 602}
    assert it.observed(requests((7, 2.0, 5, True)), count(), {}, 0.1, 0.0).hits == {}


def test_another_worker_counts_from_nothing() -> None:
    it = observing()
    records = requests((7, 1.0, 0, False))
    it.observed(records, count(worker=1, total=9_000, be_0001=(9_000, 0, 0, 0)), {}, 0.1, 0.0)
    seen = it.observed(records, count(worker=2, total=3, be_0001=(3, 0, 0, 0)), {}, 0.1, 0.0)
    assert (int(seen.sites[0]["requests"]), seen.offered_requests) == (1, 1)


def test_a_queue_is_seen_though_nobody_comes() -> None:
    it = observing()
    it.observed(requests(), count(be_0001=(5, 0, 0, 0)), {}, 0.1, 0.0)
    seen = it.observed(requests(), count(be_0001=(5, 0, 0, 40)), {}, 0.1, 0.0)
    assert int(seen.sites[0]["queue"]) == 40


def test_latency_is_known_while_nothing_is_answered() -> None:
    it, latency, answered = observing(), 0.0, 0
    for tick in range(60):
        # Calm: a tenth of a second each, 100 a second. From the third second on five times as many come.
        late = tick > 30
        answered += 10
        site = SiteCount(
            tick * 10, 0, 0, 0, current=10 if not late else 10 + 40 * (tick - 30), answered=answered
        )
        seen = it.observed(
            requests((7, 1.0, 0, False)), EdgeCount(1, 0, 0.5, {"be_0001": site}), {}, 0.1, 0.0
        )
        latency = float(seen.sites[0]["latency"])
        if tick == 30:
            assert 0.08 < latency < 0.12
        if tick == 35:
            assert latency > 0.5
    assert latency > 5


def test_what_stays_open_does_not_wait() -> None:
    """Two hundred WebSockets, and pages that take a tenth of a second each, 100 a second."""
    it = observing()
    for tick in range(100):
        # Before the first look some servers had gone, with what they had counted.
        site = SiteCount(
            tick * 10, 0, 0, 0, current=(200 if tick > 20 else 0) + 10, answered=tick * 10,
            begun=(200 if tick > 20 else 0) - 5_000,
        )  # fmt: skip
        seen = it.observed(
            requests((7, 1.0, 0, False)), EdgeCount(1, 0, 0.5, {"be_0001": site}), {}, 0.1, 0.0
        )
        if tick > 10:
            assert float(seen.sites[0]["latency"]) < 0.2, "two seconds, if they were waiting"
    # And they hide nothing: now nothing is answered any more.
    for late in range(20):
        site = SiteCount(
            1_000 + late * 10, 0, 0, 0, current=210 + 10 * late, answered=1_000, begun=200 - 5_000
        )
        seen = it.observed(
            requests((7, 1.0, 0, False)), EdgeCount(1, 0, 0.5, {"be_0001": site}), {}, 0.1, 0.0
        )
    assert float(seen.sites[0]["latency"]) > 2


def test_asked_for_are_those_that_something_stands_for_and_the_busiest() -> None:
    it = Observing()
    it.learn({n: KnownSite(f"{n}.test", f"be_{n:04d}") for n in range(1, 101)})
    it.observed(requests(*((n, float(n), 0, False) for n in range(1, 101))), count(), {}, 0.1, 0.0)
    asked = it.backends([3, 4_000])
    assert len(asked) == COUNTED_MOST
    assert asked[:3] == ["be_0003", "be_0100", "be_0099"]
    for _ in range(60):
        it.observed(requests(), count(), {}, 0.1, 0.0)
    assert it.backends([]) == it.backends([])
    for _ in range(60):
        it.observed(requests(), count(), {}, 0.1, 0.0)
    assert it.backends([]) == []


def test_sites_are_known_by_the_digest_in_their_entry() -> None:
    listing = "0x55 shop.test be_0001|c|1|2|3|54ec2ffbae26\n0x56 *.old.test be_0002|-|1|2|3\n"
    assert known_sites(listing) == {0x54EC2FFB: KnownSite("shop.test", "be_0001")}
    it = observing()
    assert it.strangers(requests((9, 1.0, 0, False)))
    assert not it.strangers(requests((7, 1.0, 0, False)))


def test_what_haproxy_answers_is_read() -> None:
    row = ["be_0001", "BACKEND"] + ["0"] * 80
    row[2], row[4], row[7], row[10], row[40], row[43] = "4", "9", "77", "5", "60", "6"
    front = ["edge", "FRONTEND"] + ["0"] * 80
    front[48] = "1234"
    header = "# pxname,svname\n"
    server = ["be_0001", "s1"] + ["0"] * 80
    server[39], server[40], server[43] = "2", "63", "5"
    found = answers(
        [
            "Pid: 9\nIdle_pct: 75\n",
            header + ",".join(front),
            header + ",".join(server) + "\n" + ",".join(row) + "\n",
            header,
            "No such proxy.\n",
        ]
    )
    assert (found.worker, found.requests, found.busy) == (9, 1234, 0.25)
    assert found.sites == {
        "be_0001": SiteCount(requests=77, refused=5, errors=6, queue=4, current=9, answered=66, begun=5)
    }


def test_a_signature_is_said_in_words() -> None:
    signature = Signature(
        layer=Layer.REQUEST,
        site=7,
        terms=(
            Term(field="method", first=3, last=3),
            Term(field="headers", first=0b1001, last=0b1001, mask=0b1101),
            Term(field="tls"),
            Term(field="network", first=0xC6336400, last=0xC6336400),
            Term(field="agent", first=255, last=255),
        ),
    )
    assert words(signature) == (
        "method POST, with accept, user-agent and without accept-language, no TLS, from 198.51.100.0/24, "
        "the User-Agent 000000ff"
    )
    assert words(Signature(layer=Layer.REQUEST, site=7)) == "every request"
    prefix = Term(field="source", first=0x20010DB800000012, last=0x20010DB800000012)
    assert words(Signature(layer=Layer.REQUEST, terms=(prefix,))) == "from 2001:db8:0:12::/64"


def test_a_loop_that_is_late_takes_what_waits(state: Path) -> None:
    state.mkdir()
    with contextlib.closing(RequestSocket(state / "requests.sock")) as listening:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for line in (b"one", b"two"):
                sender.sendto(line, str(state / "requests.sock"))
        assert listening.gather(time.monotonic() - 5) == [b"one", b"two"]
        assert listening.gather(time.monotonic() - 5) == []
