"""How origins are spoken to, spared, and done without."""

from __future__ import annotations

import collections
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rempart.lab.processes import free_port
from rempart.model.sites import OriginTls
from tests.engines.haproxy.edge import (
    Answer,
    Edge,
    Issued,
    Origin,
    eventually,
    issue,
    new_edge,
    origin,
    site,
)


def who(edge: Edge, times: int, host: str = "a.test") -> collections.Counter[str]:
    return collections.Counter(edge.get(host).json["origin"] for _ in range(times))


def test_weights_share_the_requests_and_change_in_place(edge: Edge, one: Origin, two: Origin) -> None:
    edge.put(site("a.test", origin(one.port, weight=90), origin(two.port, weight=30)))
    counted = who(edge, 40)
    assert (counted["one"], counted["two"]) == (30, 10)
    report = edge.put(site("a.test", origin(one.port, weight=0), origin(two.port, weight=30)))
    assert report.commands == 1, "a weight is changed in place"
    assert who(edge, 10) == {"two": 10}


def test_an_origin_that_dies_is_not_noticed(edge: Edge, one: Origin, two: Origin) -> None:
    edge.put(site("a.test", origin(one.port), origin(two.port)))
    assert set(who(edge, 4)) == {"one", "two"}
    one.stop()
    assert who(edge, 20) == {"two": 20}, "not one request fails, even before the health check has seen it"


def test_an_origin_that_comes_back_is_used_again(edge: Edge, one: Origin, two: Origin) -> None:
    port = free_port()
    edge.put(site("a.test", origin(port), origin(two.port)))
    states = eventually(
        lambda: [
            s
            for s in edge.engine.statistics().sites[0].servers
            if s.address.endswith(f":{port}") and not s.up
        ]
    )
    assert states[0].check == "L4CON"
    with Origin("back", port=port):
        eventually(lambda: "back" in who(edge, 2))


def test_a_backup_serves_only_while_the_others_are_down(edge: Edge, one: Origin, two: Origin) -> None:
    edge.put(site("a.test", origin(one.port), origin(two.port, backup=True)))
    assert who(edge, 6) == {"one": 6}
    one.stop()
    eventually(lambda: edge.get("a.test").status == 200)
    assert who(edge, 6) == {"two": 6}


def test_a_backup_takes_over_at_once_and_no_request_fails(edge: Edge, one: Origin, two: Origin) -> None:
    edge.put(site("a.test", origin(one.port), origin(two.port, backup=True)))
    assert who(edge, 3) == {"one": 3}
    one.stop()
    killed = time.monotonic()
    assert edge.get("a.test").json["origin"] == "two", "the first to meet the dead one is served, too"
    assert time.monotonic() - killed < 5, "about a second on a machine that is not busy"
    assert who(edge, 20) == {"two": 20}


def test_a_single_origin_that_restarts_is_back_at_once(edge: Edge) -> None:
    with Origin("first") as first:
        edge.put(site("a.test", origin(first.port)))
        assert who(edge, 3) == {"first": 3}
    killed = time.monotonic()
    assert edge.get("a.test").status == 503
    assert time.monotonic() - killed < 6, "nobody waits long for what is not there"
    eventually(lambda: not edge.engine.statistics().sites[0].servers[0].up)
    with Origin("again", port=first.port):
        restarted = time.monotonic()
        eventually(lambda: edge.get("a.test").status == 200)
        assert time.monotonic() - restarted < 6, "about a second on a machine that is not busy"


def test_an_origin_that_refuses_now_and_then_stays_in_service(edge: Edge) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=refuse_every_second, args=(listener,), daemon=True).start()
        edge.put(site("a.test", origin(listener.getsockname()[1])))
        for _ in range(40):
            edge.get("a.test")
            assert edge.engine.statistics().sites[0].servers[0].up


def refuse_every_second(listener: socket.socket) -> None:
    """Answer one request, break off the next."""
    answered = 0
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                if not connection.recv(65536):
                    continue  # a health check: it connects and leaves
                answered += 1
                if answered % 2:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_an_origin_never_gets_more_at_once_than_it_can_bear(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port, max_connections=3)))
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(edge.get("a.test", "/sleep/0.1"))) for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: edge.engine.statistics().sites[0].queued > 5)
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 30, "the rest waits"
    assert one.peak == 3
    report = edge.put(site("a.test", origin(one.port, max_connections=6)))
    assert report.commands == 1
    threads = [threading.Thread(target=edge.get, args=("a.test", "/sleep/0.3")) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.peak == 6


@pytest.mark.slow
def test_who_waits_too_long_is_told_when_to_come_back(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port, max_connections=1)), site("b.test", origin(one.port)))
    blocker = threading.Thread(target=edge.get, args=("a.test", "/sleep/12"))
    blocker.start()
    eventually(lambda: one.now == 1)
    assert edge.get("b.test").status == 200, "another site does not wait"
    answer = edge.get("a.test")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["x-request-id"] in answer.body.decode()
    blocker.join()


def test_a_queue_has_an_end(one: Origin, two: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rempart.engines.haproxy.boot.SITE_QUEUE_MAX", 3)
    with new_edge(
        site("a.test", origin(one.port, max_connections=1)), site("b.test", origin(two.port))
    ) as edge:
        edge.start()
        answers: list[Answer] = []
        threads = [
            threading.Thread(target=lambda: answers.append(edge.get("a.test", "/sleep/3"))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        eventually(lambda: {s.host: s.queued for s in edge.engine.statistics().sites}["a.test"] == 3)
        refused = edge.get("a.test")
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert not answers, "the one too many was told so before anybody was served"
        assert edge.get("b.test").status == 200, "another site does not notice"
        for thread in threads:
            thread.join()
        assert 200 in {answer.status for answer in answers}


# --- TLS to the origin ----------------------------------------------------------------------------


class Tls:
    """An authority, and origins with certificates of its own making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority: Issued = issue("Test Authority", authority=True)
        self.bundle = folder / "authority.pem"
        self.bundle.write_text(self.authority.chain_pem)

    def origin(self, name: str, *, trusted: bool = True) -> Origin:
        issued = issue(name, signer=self.authority if trusted else None)
        return Origin(name, tls=issued.context(self.folder / f"{name}-{trusted}.pem"))


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


@pytest.fixture
def strict_edge(tls: Tls) -> Iterator[Edge]:
    with new_edge(authorities=str(tls.bundle)) as it:
        yield it.start()


def test_full_takes_any_certificate_and_sends_sni(strict_edge: Edge, tls: Tls) -> None:
    with tls.origin("self", trusted=False) as it:
        strict_edge.put(site("a.test", origin(it.port, tls=OriginTls.FULL, sni="a.test")))
        assert strict_edge.get("a.test").json["origin"] == "self"
        assert set(it.sni) == {"a.test"}
        eventually(lambda: strict_edge.engine.statistics().sites[0].servers[0].check == "L6OK")


def test_strict_takes_only_what_can_be_verified(strict_edge: Edge, tls: Tls) -> None:
    with tls.origin("a.test") as good, tls.origin("b.test", trusted=False) as bad:
        strict_edge.put(
            site("good.test", origin(good.port, tls=OriginTls.STRICT, sni="a.test")),
            site("name.test", origin(good.port, tls=OriginTls.STRICT, sni="other.test")),
            site("bad.test", origin(bad.port, tls=OriginTls.STRICT, sni="b.test")),
        )
        assert strict_edge.get("good.test").json["origin"] == "a.test"
        for host in ("name.test", "bad.test"):
            assert strict_edge.get(host).status == 503, host
        assert not bad.requests
        eventually(lambda: [s.up for s in strict_edge.engine.statistics().sites] == [True, False, False])


def test_strict_holds_after_a_start_from_boot_files(tls: Tls) -> None:
    with tls.origin("a.test") as good, tls.origin("b.test", trusted=False) as bad:
        items = (
            site("good.test", origin(good.port, tls=OriginTls.STRICT, sni="a.test")),
            site("bad.test", origin(bad.port, tls=OriginTls.STRICT, sni="b.test")),
        )
        with new_edge(*items, authorities=str(tls.bundle)) as edge:
            edge.start()
            assert edge.get("good.test").status == 200
            assert edge.get("bad.test").status == 503
            assert edge.engine.reconcile(edge.view).commands == 0


def test_the_system_s_authorities_do_not_know_ours(edge: Edge, tls: Tls) -> None:
    with tls.origin("a.test") as unknown:
        edge.put(site("a.test", origin(unknown.port, tls=OriginTls.STRICT, sni="a.test")))
        assert edge.get("a.test").status == 503


# --- out with the old -----------------------------------------------------------------------------


def test_a_replaced_origin_finishes_what_it_began(edge: Edge, one: Origin, two: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    answers: list[Answer] = []
    slow = threading.Thread(target=lambda: answers.append(edge.get("a.test", "/sleep/1.5")))
    slow.start()
    eventually(lambda: one.now == 1)
    report = edge.put(site("a.test", origin(two.port)))
    assert report.pending, "the old server cannot be deleted yet"
    assert who(edge, 5) == {"two": 5}
    slow.join()
    assert answers[0].json["origin"] == "one"
    eventually(lambda: not edge.engine.apply((), edge.view).pending)
    assert len(edge.engine.statistics().sites[0].servers) == 1
    assert edge.engine.reconcile(edge.view).commands == 0


def test_a_backend_serves_nobody_else_while_it_drains(edge: Edge, one: Origin, two: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    slow = threading.Thread(target=edge.get, args=("a.test", "/sleep/1.5"))
    slow.start()
    eventually(lambda: one.now == 1)
    assert edge.drop("site/a.test").pending
    assert edge.get("a.test").status == 421
    edge.put(site("b.test", origin(two.port)))
    assert edge.engine.assignment() == {"be_0002": "b.test"}
    assert who(edge, 3, "b.test") == {"two": 3}
    slow.join()
    eventually(lambda: not edge.engine.apply((), edge.view).pending)
    edge.put(site("c.test", origin(one.port)))
    assert edge.engine.assignment() == {"be_0001": "c.test", "be_0002": "b.test"}


def test_an_origin_back_before_it_was_deleted(edge: Edge, one: Origin, two: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    slow = threading.Thread(target=edge.get, args=("a.test", "/sleep/1"))
    slow.start()
    eventually(lambda: one.now == 1)
    assert edge.put(site("a.test", origin(two.port))).pending
    assert not edge.put(site("a.test", origin(one.port, weight=50))).refusals
    slow.join()
    assert who(edge, 3) == {"one": 3}
    eventually(lambda: not edge.engine.apply((), edge.view).pending)
    assert edge.engine.reconcile(edge.view).commands == 0


def test_draining_has_an_end(edge: Edge, one: Origin, two: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rempart.engines.haproxy.control.DRAIN_S", 0.5)
    edge.put(site("a.test", origin(one.port)))
    started = time.monotonic()
    slow = threading.Thread(target=edge.get, args=("a.test", "/sleep/20"))
    slow.start()
    eventually(lambda: one.now == 1)
    assert edge.put(site("a.test", origin(two.port))).pending
    eventually(lambda: not edge.engine.apply((), edge.view).pending)
    slow.join()
    assert time.monotonic() - started < 15
