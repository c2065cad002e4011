"""What HAProxy tells of requests and does with them: a real one."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from rempart.engines.haproxy import sight, verdicts
from rempart.engines.haproxy.defending import EdgeDefence
from rempart.engines.haproxy.names import Places
from rempart.engines.haproxy.runtime import RuntimeSocket
from rempart.model.attacks import Action, Records, Term
from rempart.model.errors import EngineRefused
from rempart.model.gate import COOKIE
from rempart.model.sites import SiteLimits
from tests.engines.haproxy.edge import (
    Edge,
    Origin,
    RawOrigin,
    certificate,
    eventually,
    new_edge,
    origin,
    site,
)
from tests.engines.haproxy.guarded import Guarded
from tests.engines.haproxy.test_sight import mitigation

HOST = "shop.test"
TOOL = {"User-Agent": "tool/1", "Accept": "*/*"}
BROWSER = {
    "User-Agent": "Mozilla/5.0",
    "Accept": "text/html",
    "Accept-Language": "fr",
    "Accept-Encoding": "gzip",
}


class Ear:
    """The socket on which HAProxy tells of requests."""

    def __init__(self, edge: Edge) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(Places.of(edge.config.paths).requests_socket)

    def hear(self) -> Records:
        """The next request."""
        self._socket.settimeout(10)
        return sight.records([self._socket.recv(4096)])[0]

    @property
    def silent(self) -> bool:
        self._socket.settimeout(0.3)
        try:
            self._socket.recv(4096)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def shop(one: Origin) -> Iterator[Edge]:
    with new_edge(site(HOST, origin(one.port)), certificate(HOST)) as edge:
        yield edge.start()


@pytest.fixture
def ear(shop: Edge) -> Iterator[Ear]:
    it = Ear(shop)
    yield it
    it.close()


@pytest.fixture
def defence(shop: Edge) -> EdgeDefence:
    return EdgeDefence(shop.config.paths)


def stand(defence: EdgeDefence, seen: Records, action: Action, *names: str, **more: Any) -> None:
    """Do this with everything that has these fields in common with ``seen``."""
    terms = tuple(Term(field=n, first=int(seen[n][0]), last=int(seen[n][0])) for n in names)
    one = mitigation(17, action, *terms, **more)
    found = one.model_copy(
        update={"signature": one.signature.model_copy(update={"site": int(seen["site"][0])})}
    )
    defence.enforce(verdicts.entries([found]))
    defence.hold_until(int(time.time()) + 60)
    defence.look(*sight.shares(1, standing=True))


def test_nobody_is_told_of_before_the_loop_asks(shop: Edge, ear: Ear, defence: EdgeDefence) -> None:
    assert shop.get(HOST).status == 200
    assert ear.silent
    defence.look(*sight.shares(1, standing=False))
    assert shop.get(HOST).status == 200
    assert ear.hear().size == 1


def test_a_request_is_told_of_as_it_is(shop: Edge, ear: Ear, defence: EdgeDefence) -> None:
    defence.look(*sight.shares(1, standing=False))
    shop.get(HOST, "/item/7?color=red&n=1", headers=BROWSER)
    one = ear.hear()
    (number,) = defence.sites()
    assert (one["site"][0], defence.sites()[number].host) == (number, HOST)
    assert one["source"][0] == 0x7F000001
    assert one["headers"][0] == sum(1 << sight.HEADERS.index(name.lower()) for name in BROWSER)
    assert (one["tls"][0], one["version"][0], one["mitigation"][0]) == (0, 11, 0)
    # Other numbers, other values: the same shape. Another path or name of a parameter: another one.
    for path, same in (("/item/8?color=blue&n=2", True), ("/cart/8?color=red&n=1", False)):
        shop.get(HOST, path, headers=BROWSER, tls=True)
        other = ear.hear()
        assert other["tls"][0] != 0
        assert bool(other["path_shape"][0] == one["path_shape"][0]) is same
        assert other["path"][0] != one["path"][0]
        assert other["query_shape"][0] == one["query_shape"][0]
        assert other["agent"][0] == one["agent"][0]


def test_a_request_is_told_of_when_it_arrives(shop: Edge, ear: Ear, defence: EdgeDefence) -> None:
    defence.look(*sight.shares(1, standing=False))
    with socket.create_connection(("127.0.0.1", shop.http)) as visitor:
        visitor.sendall(f"GET /sleep/3 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert ear.hear().size == 1
        visitor.settimeout(0.1)
        with pytest.raises(TimeoutError):
            visitor.recv(1)


def test_a_drop_is_for_what_it_means_only(shop: Edge, ear: Ear, defence: EdgeDefence, one: Origin) -> None:
    defence.look(*sight.shares(1, standing=False))
    shop.get(HOST, headers=TOOL)
    stand(defence, ear.hear(), Action.DROP, "agent", "headers", "method", "version", "network")
    before = len(one.requests)
    refused = shop.get(HOST, headers=TOOL)
    assert refused.status == 403
    assert f"<code>{HOST}.403-defence-17.".encode() in refused.body
    told = ear.hear()
    assert told["mitigation"][0] == 17
    assert told["refused"][0]
    assert len(one.requests) == before
    for headers in (BROWSER, {**TOOL, "User-Agent": "tool/2"}, {"User-Agent": "tool/1"}):
        assert shop.get(HOST, headers=headers).status == 200
        assert not ear.hear()["refused"][0]


def test_what_nobody_confirms_lapses(shop: Edge, ear: Ear, defence: EdgeDefence) -> None:
    defence.look(*sight.shares(1, standing=False))
    shop.get(HOST, headers=TOOL)
    stand(defence, ear.hear(), Action.DROP, "agent")
    defence.hold_until(int(time.time()) + 2)
    assert shop.get(HOST, headers=TOOL).status == 403
    eventually(lambda: shop.get(HOST, headers=TOOL).status == 200)


def test_what_comes_while_verdicts_are_told_is_judged_by_them_afterwards(
    shop: Edge, ear: Ear, defence: EdgeDefence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy remembers that a text was found in no entry; the first verdict must make it forget that."""
    defence.look(*sight.shares(1, standing=True))
    defence.hold_until(int(time.time()) + 60)
    assert shop.get(HOST, headers=TOOL).status == 200
    seen, exchange = ear.hear(), RuntimeSocket.exchange

    def with_a_visitor(runtime: RuntimeSocket, lines: Sequence[str]) -> list[str]:
        if any(line.startswith("commit map") for line in lines):
            assert shop.get(HOST, headers=TOOL).status == 200
            ear.hear()
        return exchange(runtime, lines)

    monkeypatch.setattr(RuntimeSocket, "exchange", with_a_visitor)
    stand(defence, seen, Action.DROP, "agent")
    assert shop.get(HOST, headers=TOOL).status == 403


def test_a_method_without_end_hides_nobody(shop: Edge, ear: Ear, defence: EdgeDefence) -> None:
    defence.look(*sight.shares(1, standing=False))
    shop.get(HOST, method="A" * 900)
    assert ear.hear()["method"][0] == 0


def test_a_limit_leaves_the_clients_own_limits(one: Origin) -> None:
    limits = SiteLimits(requests_per_client=10, connections_per_client=0)
    with new_edge(site(HOST, origin(one.port), limits=limits), certificate(HOST)) as edge:
        edge.start()
        ear, defence = Ear(edge), EdgeDefence(edge.config.paths)
        defence.look(*sight.shares(1, standing=False))
        edge.get(HOST, headers=TOOL)
        stand(defence, ear.hear(), Action.LIMIT, "agent", per_second=1_000)
        ear.close()
        answers = [edge.get(HOST, headers=TOOL).status for _ in range(30)]
    assert set(answers) == {200, 429}


def test_a_limit_lets_through_what_it_leaves(shop: Edge, ear: Ear, defence: EdgeDefence, one: Origin) -> None:
    defence.look(*sight.shares(1, standing=False))
    shop.get(HOST, headers=TOOL)
    stand(defence, ear.hear(), Action.LIMIT, "agent", per_second=5)
    before, began = len(one.requests), time.monotonic()
    answers = [shop.get(HOST, headers=TOOL).status for _ in range(60)]
    took = time.monotonic() - began
    assert set(answers) == {200, 429}
    # HAProxy's rate is of a sliding second: at most twice as much comes in one.
    assert 5 <= len(one.requests) - before <= 5 * (took + 2) + 5
    assert shop.get(HOST, headers=BROWSER).status == 200


def test_a_challenge_can_be_passed(guarded: Guarded) -> None:
    # The gate of a site under attack, and another site there that challenges nobody.
    guarded.edge.put(site("open.test", origin(guarded.origin.port)))
    ear, defence = Ear(guarded.edge), EdgeDefence(guarded.edge.config.paths)
    try:
        defence.look(*sight.shares(1, standing=False))
        assert guarded.edge.get("open.test", headers=TOOL).status == 200
        stand(defence, ear.hear(), Action.CHALLENGE, "agent")
        challenged = guarded.edge.get("open.test", headers=TOOL)
        assert challenged.status == 503
        told = ear.hear()
        assert told["refused"][0]
        assert told["mitigation"][0] == 17
        assert guarded.edge.get("open.test", headers=BROWSER).status == 200
        ear.hear()
        cookie = f"{COOKIE}={guarded.token('open.test')}"
        assert guarded.edge.get("open.test", headers={**TOOL, "Cookie": cookie}).status == 200
        told = ear.hear()
        assert told["good"][0]
        assert not told["refused"][0]
    finally:
        ear.close()


def test_who_is_last_in_the_queue_is_served_last(
    ear: Ear, shop: Edge, defence: EdgeDefence, one: Origin
) -> None:
    shop.put(site(HOST, origin(one.port, max_connections=1)))
    defence.look(*sight.shares(1, standing=False))
    shop.get(HOST, headers=TOOL)
    stand(defence, ear.hear(), Action.QUEUE, "agent")
    waiting = []
    for headers, path in (
        ({}, "/sleep/1"),
        (TOOL, "/tool"),
        (TOOL, "/tool"),
        (BROWSER, "/browser"),
    ):
        text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        visitor = socket.create_connection(("127.0.0.1", shop.http))
        visitor.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{text}\r\n".encode())
        waiting.append(visitor)
        ear.hear()
    for visitor in waiting:
        visitor.settimeout(20)
        assert visitor.recv(12) == b"HTTP/1.1 200"
        visitor.close()
    assert one.requests[-3:] == ["GET /browser", "GET /tool", "GET /tool"]


def test_verdicts_are_replaced_whole(shop: Edge, ear: Ear, defence: EdgeDefence) -> None:
    defence.look(*sight.shares(1, standing=False))
    shop.get(HOST, headers=TOOL)
    seen = ear.hear()
    stand(defence, seen, Action.DROP, "agent")
    with pytest.raises(EngineRefused):
        defence.enforce([("^(", "d.18")])
    assert shop.get(HOST, headers=TOOL).status == 403
    defence.enforce(())
    assert shop.get(HOST, headers=TOOL).status == 200


def test_a_request_counts_for_its_site_when_it_arrives(shop: Edge, defence: EdgeDefence) -> None:
    backend = next(iter(defence.sites().values())).backend
    before = defence.counts([backend])
    with socket.create_connection(("127.0.0.1", shop.http)) as visitor:
        visitor.sendall(f"GET /sleep/3 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        eventually(lambda: defence.counts([backend]).sites[backend].requests == 1)
        assert before.sites[backend].requests == 0
    shop.get(HOST, "/status/500")
    after = defence.counts([backend])
    assert (after.worker, after.sites[backend].errors) == (before.worker, 1)
    assert after.requests - before.requests == 2


def test_many_verdicts_of_others_change_nothing(shop: Edge, ear: Ear, defence: EdgeDefence) -> None:
    many = [mitigation(n, Action.DROP, Term(field="agent", first=n, last=n)) for n in range(1, 401)]
    defence.enforce(verdicts.entries(many))
    defence.hold_until(int(time.time()) + 60)
    defence.look(*sight.shares(1, standing=True))
    assert shop.get(HOST, headers=TOOL).status == 200
    assert ear.hear()["mitigation"][0] == 0


def test_answers_that_have_begun_and_go_on_are_known(shop: Edge, defence: EdgeDefence) -> None:
    """Server-sent events, a WebSocket and a download, as HAProxy counts them."""
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
    upgraded = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    asked = (
        b"GET / HTTP/1.1\r\nHost: events.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: socket.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    with RawOrigin(stream) as events, RawOrigin(upgraded) as sockets, RawOrigin(b"") as silent:
        hosts = {"events.test": events.port, "socket.test": sockets.port, "silent.test": silent.port}
        shop.put(*(site(host, origin(port)) for host, port in hosts.items()))
        backends = {host: backend for backend, host in shop.engine.assignment().items()}

        def seen(host: str) -> tuple[int, int]:
            found = defence.counts([backends[host]]).sites[backends[host]]
            return found.current, found.begun

        with contextlib.ExitStack() as stack:
            waiting = b"GET / HTTP/1.1\r\nHost: silent.test\r\n\r\n"
            for request in (*asked, *asked, waiting):
                one = stack.enter_context(socket.create_connection(("127.0.0.1", shop.http), timeout=10))
                # Closed, it says so at once.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.sendall(request)
                if request != waiting:
                    assert one.recv(1_000).startswith((b"HTTP/1.1 200", b"HTTP/1.1 101"))
            eventually(lambda: [seen(host) for host in hosts] == [(2, 2), (2, 2), (1, 0)], 60)
        # Over, they are nothing, and neither is what was answered in the ordinary way.
        assert {shop.get(HOST).status for _ in range(3)} == {200}
        eventually(lambda: [seen(host) for host in ("socket.test", HOST)] == [(0, 0)] * 2, 60)
