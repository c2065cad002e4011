"""HTTP/2 spoken frame by frame: WebSockets (RFC 8441), limits, bodies that trickle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import time
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import pytest
from websockets.asyncio.server import ServerConnection, serve

from rempart.engines.haproxy.frontend import NOT_HEARD_MAX, UNANSWERED_MAX
from rempart.model.sites import SiteLimits
from tests.engines.haproxy.edge import Edge, Origin, origin, site


class H2:
    """One HTTP/2 connection to the edge."""

    def __init__(self, edge: Edge) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", edge.https), timeout=20)
        self.socket = context.wrap_socket(plain, server_hostname="a.test")
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.state.initiate_connection()
        self.events: list[h2.events.Event] = []
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.state.data_to_send())

    def send(
        self, *headers: tuple[str, str], method: str = "GET", end: bool = True, host: str = "a.test"
    ) -> int:
        stream = self.state.get_next_available_stream_id()
        first = [(":method", method), (":scheme", "https"), (":authority", host), (":path", "/")]
        self.state.send_headers(stream, [*first, *headers], end_stream=end)
        self.flush()
        return stream

    def until(self, kind: type[h2.events.Event], stream: int | None = None) -> h2.events.Event:
        while True:
            for event in self.events:
                if isinstance(event, kind) and stream in (None, getattr(event, "stream_id", None)):
                    self.events.remove(event)
                    return event
            data = self.socket.recv(65536)
            assert data, f"closed; {self.events}"
            self.events += self.state.receive_data(data)
            self.flush()

    def status(self, stream: int) -> int:
        response = self.until(h2.events.ResponseReceived, stream)
        assert isinstance(response, h2.events.ResponseReceived)
        headers = {str(name): str(value) for name, value in response.headers}
        return int(headers[":status"])

    def seen(self, stream: int) -> dict[str, str]:
        """The headers that the origin saw."""
        data = self.until(h2.events.DataReceived, stream)
        assert isinstance(data, h2.events.DataReceived)
        return dict(json.loads(data.data)["headers"])


@contextlib.contextmanager
def h2_to(edge: Edge) -> Iterator[H2]:
    connection = H2(edge)
    try:
        yield connection
    finally:
        connection.socket.close()


def test_limits_count_streams(edge: Edge, one: Origin) -> None:
    limits = SiteLimits(requests_per_client=4, requests_per_site=0, connections_per_client=0)
    edge.put(site("a.test", origin(one.port), limits=limits))
    with h2_to(edge) as client:
        streams = [client.send() for _ in range(6)]
        assert sorted(client.status(stream) for stream in streams) == [200] * 4 + [429] * 2


@pytest.mark.parametrize(
    "headers",
    [
        [("x-filler", "x" * 20_000)],
        [(f"x-{n}", "x" * 1000) for n in range(30)],
        [(f"x-{n}", "1") for n in range(200)],
    ],
    ids=["one huge", "many large", "many"],
)
def test_oversized_headers_end_with_the_stream_or_the_connection(
    edge: Edge, one: Origin, headers: list[tuple[str, str]]
) -> None:
    edge.put(site("a.test", origin(one.port)))
    with h2_to(edge) as client:
        client.until(h2.events.RemoteSettingsChanged)
        stream = client.send(*headers)
        try:
            assert client.status(stream) in (400, 431)
        except (AssertionError, OSError, h2.exceptions.ProtocolError):
            refusals = (h2.events.StreamReset, h2.events.ConnectionTerminated)
            assert any(isinstance(event, refusals) for event in client.events), client.events
    assert not one.requests
    with h2_to(edge) as client:
        assert client.status(client.send()) == 200


def take_back(client: H2, count: int, bunch: int = 10) -> None:
    """Ask and reset at once, so many times, some of them in one piece."""
    for number in range(count):
        stream = client.state.get_next_available_stream_id()
        pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/back")]
        client.state.send_headers(stream, pseudo, end_stream=True)
        client.state.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        if number % bunch == bunch - 1:
            client.flush()
    client.flush()


def test_a_client_that_only_takes_back_is_heard_no_more(edge: Edge, one: Origin) -> None:
    """Rapid reset (CVE-2023-44487): what is taken back at once, the origin does not have to answer."""
    edge.put(site("a.test", origin(one.port)))
    with h2_to(edge) as client:
        client.until(h2.events.RemoteSettingsChanged)
        # Who lives with a slow site leaves pages and is answered others: heard all the time.
        for _ in range(6):
            take_back(client, UNANSWERED_MAX // 4)
            assert [client.status(client.send()) for _ in range(UNANSWERED_MAX // 4)] == [200] * (
                UNANSWERED_MAX // 4
            )
        take_back(client, UNANSWERED_MAX + NOT_HEARD_MAX + 20)
        stream = client.send()
        with pytest.raises((AssertionError, OSError, h2.exceptions.ProtocolError)):
            client.status(stream)
    with pytest.raises((ConnectionError, ssl.SSLError)), h2_to(edge) as again:
        again.status(again.send())
    assert edge.get("a.test", source="127.0.0.2", tls=True).status == 200
    taken_back = [request for request in one.requests if request.endswith("/back")]
    assert len(taken_back) < UNANSWERED_MAX


def test_streams_for_two_sites_are_not_mixed_up(edge: Edge, one: Origin, two: Origin) -> None:
    """While a body for one site is waited for, the same connection asks for another."""
    edge.put(site("a.test", origin(one.port)), site("*.b.test", origin(two.port)))
    with h2_to(edge) as client:
        waiting = client.send(("content-length", "2"), method="POST", end=False, host="a.test")
        between = [client.send(host=host) for host in ("x.b.test", "a.test", "y.b.test", "y.b.test")]
        seen = [client.seen(stream)["host"] for stream in between]
        assert seen == ["x.b.test", "a.test", "y.b.test", "y.b.test"]
        client.state.send_data(waiting, b"ok", end_stream=True)
        client.flush()
        assert client.seen(waiting)["host"] == "a.test"
    assert len(one.requests) == 2
    assert len(two.requests) == 3


def test_a_connection_that_stays_open_sees_changes(edge: Edge, one: Origin, two: Origin) -> None:
    limits = SiteLimits(requests_per_client=3, requests_per_site=0, connections_per_client=0)
    edge.put(site("a.test", origin(one.port)))
    with h2_to(edge) as client:
        assert [client.status(client.send()) for _ in range(6)] == [200] * 6
        edge.put(site("a.test", origin(one.port), limits=limits))
        assert [client.status(client.send()) for _ in range(5)] == [200] * 3 + [429] * 2
        edge.put(site("a.test", origin(one.port)))
        assert client.status(client.send()) == 200
        edge.drop("site/a.test")
        assert client.status(client.send()) == 421
        edge.put(site("b.test", origin(two.port)))
        assert client.status(client.send()) == 421
        assert client.seen(client.send(host="b.test"))["host"] == "b.test"


@pytest.mark.slow
def test_a_body_without_a_length_that_trickles_ends(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    with h2_to(edge) as client:
        started = time.monotonic()
        stream = client.send(method="POST", end=False)
        assert client.status(stream) == 408
        assert time.monotonic() - started > 5
        assert not one.requests
        assert client.status(client.send()) == 200


def test_a_connection_to_an_origin_is_used_again(edge: Edge, one: Origin) -> None:
    """Also of a site that was added at run time, as here; HAProxy's health checks connect as well."""
    edge.put(site("a.test", origin(one.port)))
    with h2_to(edge) as client:
        before = one.connections
        for _ in range(60):
            stream = client.send()
            assert client.status(stream) == 200
            client.until(h2.events.StreamEnded, stream)
    assert one.connections - before < 40


def test_streams_reset_at_once_do_not_pile_up(edge: Edge, one: Origin) -> None:
    """CVE-2023-44487: requests that are opened and reset again, faster than they can be served."""
    edge.put(site("a.test", origin(one.port, max_connections=5)))
    with h2_to(edge) as client:
        client.until(h2.events.RemoteSettingsChanged)
        # The edge may end the connection meanwhile.
        with contextlib.suppress(OSError):
            for _ in range(3000):
                stream = client.send()
                client.state.reset_stream(stream)
            client.flush()
        assert edge.get("a.test", source="127.0.0.2").status == 200
        assert one.peak <= 5
    assert len(one.requests) < 3000


def test_websockets_over_http2(edge: Edge) -> None:
    """RFC 8441: extended CONNECT; the origin sees an ordinary HTTP/1.1 upgrade."""
    arrived: list[str] = []

    async def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        arrived.append(connection.request.headers["X-Forwarded-Proto"])
        async for message in connection:
            await connection.send(message)

    def visit() -> bytes:
        with h2_to(edge) as client:
            changed = client.until(h2.events.RemoteSettingsChanged)
            assert isinstance(changed, h2.events.RemoteSettingsChanged)
            assert changed.changed_settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL].new_value == 1
            stream = client.send(
                (":protocol", "websocket"), ("sec-websocket-version", "13"), method="CONNECT", end=False
            )
            assert client.status(stream) == 200
            # A masked text frame "hi", RFC 6455 section 5.2; the mask is zero.
            client.state.send_data(stream, b"\x81\x82\x00\x00\x00\x00hi")
            client.flush()
            data = client.until(h2.events.DataReceived, stream)
            assert isinstance(data, h2.events.DataReceived)
            return data.data

    async def run() -> bytes:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            edge.put(site("a.test", origin(port)))
            return await asyncio.to_thread(visit)

    assert asyncio.run(run()) == b"\x81\x02hi"
    assert arrived == ["https"]
