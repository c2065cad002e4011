"""Requests that are made to hurt: smuggling, slow, huge, too many."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from rempart.model.sites import SiteLimits
from tests.engines.haproxy.edge import (
    NO_LIMITS,
    Edge,
    Origin,
    RawOrigin,
    eventually,
    new_edge,
    origin,
    site,
)

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


SMUGGLING = {
    "content-length and chunked": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked and content-length over the rest": b"POST /p HTTP/1.1\r\nHost: a.test\r\n"
    b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n" % (5 + len(SMUGGLED)) + SMUGGLED,
    "two lengths": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n"
    % len(SMUGGLED)
    + SMUGGLED,
    "a list of lengths": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0, %d\r\n\r\n" % len(SMUGGLED)
    + SMUGGLED,
    "a signed length": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: +0\r\n\r\n" + SMUGGLED,
    "an empty length": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\nContent-Length: %d\r\n\r\n"
    % len(SMUGGLED)
    + SMUGGLED,
    "space before the colon": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length : %d\r\n\r\n"
    % len(SMUGGLED)
    + SMUGGLED,
    "an obscured transfer-encoding": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n"
    b"Transfer-Encoding: xchunked\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "a tab before chunked": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two encodings": b"POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n"
    b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a bad chunk": b"POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + SMUGGLED,
    "a chunk with a minus": b"POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    + SMUGGLED,
    "a chunk longer than said": b"POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\nxx" + SMUGGLED,
    "a folded line": b"POST /p HTTP/1.1\r\nHost: a.test\r\nX: y\r\n Transfer-Encoding: chunked\r\n"
    b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "a folded length": b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n %d\r\n\r\n" % len(SMUGGLED)
    + SMUGGLED,
    "bare line feeds": b"POST /p HTTP/1.1\nHost: a.test\nContent-Length: %d\n\n" % len(SMUGGLED) + SMUGGLED,
    "a bare carriage return": b"GET /p HTTP/1.1\r\nHost: a.test\r\nX: y\rContent-Length: %d\r\n\r\n"
    % len(SMUGGLED),
    "two hosts": b"GET /p HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
    "host and absolute form differ": b"GET http://b.test/p HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a nul": b"GET /p HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n",
    "old protocol, chunked": b"POST /p HTTP/1.0\r\nHost: a.test\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an upgrade that is none": b"GET /p HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: x\r\n"
    b"\r\n",
    "underscored length": b"POST /p HTTP/1.1\r\nHost: a.test\r\n"
    b"Content_Length: %d\r\nContent-Length: 0\r\n\r\n" % len(SMUGGLED),
}


def requests_in(received: bytes) -> list[bytes]:
    """The request lines in a stream of HTTP/1.1, read as strictly as the standard asks (RFC 9112)."""
    lines = []
    while received:
        head, mark, rest = received.partition(b"\r\n\r\n")
        assert mark, f"the head of a request does not end: {received!r}"
        first, *fields = head.split(b"\r\n")
        lines.append(first)
        headers: dict[bytes, bytes] = {}
        for line in fields:
            name, _, value = line.partition(b":")
            assert name.lower() not in (headers.keys() & {b"content-length", b"transfer-encoding", b"host"})
            assert not name.startswith((b" ", b"\t"))
            assert b"\n" not in line
            assert b"\r" not in line
            headers[name.lower()] = value.strip()
        assert not {b"content-length", b"transfer-encoding"} <= headers.keys()
        if b"transfer-encoding" in headers:
            assert headers[b"transfer-encoding"].lower() == b"chunked"
            while True:
                size, _, rest = rest.partition(b"\r\n")
                length = int(size.split(b";")[0] or b"0", 16)
                rest = rest[length + 2 :]
                if length == 0:
                    break
        else:
            rest = rest[int(headers.get(b"content-length", b"0")) :]
        received = rest
    return lines


@pytest.mark.parametrize("case", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_is_smuggled_never_arrives_unseen(edge: Edge, case: bytes) -> None:
    """The origin reads exactly the requests that the edge counted as requests, never one more."""
    with RawOrigin() as raw:
        edge.put(site("a.test", origin(raw.port)))
        before = edge.engine.statistics().sites[0].traffic.requests
        answer = edge.raw(case, seconds=0.7)
        assert answer.startswith(b"HTTP/1.1 ")
        lines = [line for stream in raw.received for line in requests_in(stream)]
        counted = edge.engine.statistics().sites[0].traffic.requests - before
        assert len(lines) <= counted
        # Nobody's request may have been answered with what belongs to another.
        assert answer.count(b"HTTP/1.1 ") >= len(lines)


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"a" * 20_000 + b"\r\n",
        b"".join(b"X-%d: a\r\n" % number for number in range(150)),
        b"Cookie: " + b"c" * 15_900 + b"\r\n",
    ],
    ids=["one huge", "many", "just too large"],
)
def test_oversized_headers_get_a_clean_refusal(edge: Edge, one: Origin, headers: bytes) -> None:
    edge.put(site("a.test", origin(one.port)))
    answer = edge.raw(b"GET / HTTP/1.1\r\nHost: a.test\r\n" + headers + b"\r\n", seconds=3)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert not one.requests
    assert edge.get("a.test").status == 200


@pytest.mark.slow
def test_slow_heads_are_ended(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", edge.http), timeout=30) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n")
        slow.settimeout(1)
        received = b""
        while time.monotonic() - started < 30:
            try:
                slow.sendall(b"X: y\r\n")
                data = slow.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if not data:
                break
            received += data
        else:
            pytest.fail("the connection is still open")
    assert received.startswith(b"HTTP/1.1 408")
    assert not one.requests


@pytest.mark.slow
def test_slow_bodies_never_reach_the_origin(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    answer = edge.raw(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nx", seconds=25)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"Receipt: <code>a.test.408--." in answer
    assert not one.requests


def test_bodies_of_every_kind_arrive(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    big = b"b" * 200_000
    assert edge.get("a.test", method="POST", body=big).json["body"] == big.decode()
    chunked = edge.raw(
        b"POST /c HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        + _chunk(b"ab")
        + _chunk(b"cd")
        + _chunk(b"")
    )
    assert b'"body": "abcd"' in chunked
    expecting = edge.raw(
        b"POST /e HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 2\r\n"
        b"Expect: 100-continue\r\n\r\n",
        then=b"ok",
    )
    assert expecting.startswith(b"HTTP/1.1 100")
    assert b'"body": "ok"' in expecting


# --- limits ---------------------------------------------------------------------------------------


def test_requests_per_client(edge: Edge, one: Origin) -> None:
    limits = SiteLimits(requests_per_client=5, requests_per_site=0, connections_per_client=0)
    edge.put(site("a.test", origin(one.port), limits=limits), site("b.test", origin(one.port)))
    answers = [edge.get("a.test") for _ in range(8)]
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
    refused = answers[-1]
    assert refused.headers["retry-after"] == "10"
    assert "<code>a.test.429-client-rate-." in refused.body.decode()
    assert edge.get("a.test", source="127.0.0.2").status == 200, "another client is unharmed"
    assert edge.get("b.test").status == 200, "and so is another site"
    worker = edge.engine.worker_pid()
    edge.put(site("a.test", origin(one.port), limits=NO_LIMITS))
    assert edge.get("a.test").status == 200, "a changed limit holds at once"
    assert edge.engine.worker_pid() == worker


def test_a_wildcard_site_counts_all_its_names_together(edge: Edge, one: Origin) -> None:
    limits = SiteLimits(requests_per_client=3, requests_per_site=0, connections_per_client=0)
    edge.put(site("*.a.test", origin(one.port), limits=limits))
    assert [edge.get(f"x{n}.a.test").status for n in range(5)] == [200] * 3 + [429] * 2


def test_requests_per_site(edge: Edge, one: Origin) -> None:
    limits = SiteLimits(requests_per_client=0, requests_per_site=4, connections_per_client=0)
    edge.put(site("a.test", origin(one.port), limits=limits), site("b.test", origin(one.port)))
    statuses = [edge.get("a.test", source=f"127.0.0.{n}").status for n in range(2, 8)]
    assert statuses == [200] * 4 + [429] * 2
    assert edge.get("b.test").status == 200


def test_concurrent_requests_per_client(edge: Edge, one: Origin) -> None:
    limits = SiteLimits(requests_per_client=0, requests_per_site=0, connections_per_client=3)
    edge.put(site("a.test", origin(one.port), limits=limits))
    threads = [threading.Thread(target=edge.get, args=("a.test", "/sleep/1.5")) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: one.now == 3)
    assert edge.get("a.test").status == 429
    assert edge.get("a.test", source="127.0.0.2").status == 200
    for thread in threads:
        thread.join()
    assert edge.get("a.test").status == 200, "what has ended does not count"


def test_ipv6_clients_are_counted_by_their_prefix(one: Origin) -> None:
    """Entries of the table are keyed by the /64; loopback has but one address, so its key is read."""
    limits = SiteLimits(requests_per_client=9, requests_per_site=0, connections_per_client=0)
    item = site("a.test", origin(one.port), limits=limits)
    with new_edge(item, listen=("127.0.0.1", "::1")) as edge:
        edge.start()
        with socket.create_connection(("::1", edge.http), timeout=5) as visitor:
            visitor.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert visitor.recv(4096).startswith(b"HTTP/1.1 200")
            table = edge.engine._runtime.ask("show table client_of_site")
            assert "key=be_0001|:: " in table
            assert "key=:: " in edge.engine._runtime.ask("show table connections")


def test_connections_per_client(one: Origin) -> None:
    with new_edge(site("a.test", origin(one.port)), connections_per_client=5) as edge:
        edge.start()
        held = [socket.create_connection(("127.0.0.1", edge.http), timeout=5) for _ in range(5)]
        try:
            eventually(lambda: edge.engine.statistics().connections_current >= 5)
            with pytest.raises((ConnectionError, OSError)):
                edge.get("a.test")
            assert edge.get("a.test", source="127.0.0.2").status == 200
        finally:
            for connection in held:
                connection.close()
        eventually(lambda: _served(edge))


def _served(edge: Edge) -> bool:
    try:
        return edge.get("a.test").status == 200
    except OSError:
        return False
