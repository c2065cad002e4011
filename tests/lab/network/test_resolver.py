"""The small Internet's resolver: the zone's questions go on, everything else does not exist."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from rempart.lab.network import resolver
from rempart.lab.processes import free_port

ADDRESS, EDGE = "127.53.7.1", "127.53.7.2"


class _Edge(asyncio.DatagramProtocol):
    """Says one address for whatever it is asked."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = dns.message.make_response(dns.message.from_wire(data))
        answer.answer.append(dns.rrset.from_text(answer.question[0].name, 60, "IN", "A", "203.0.113.10"))
        self._transport.sendto(answer.to_wire(), addr)  # type: ignore[attr-defined]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    chosen = free_port()
    monkeypatch.setattr(resolver, "DNS_PORT", chosen)
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        edge, _ = await loop.create_datagram_endpoint(_Edge, local_addr=(EDGE, chosen))
        serving = asyncio.create_task(resolver.serve(ADDRESS, "shop.example", EDGE))
        await asyncio.sleep(0.05)
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        edge.close()
        # Transports close in the loop's next turn.
        await asyncio.sleep(0)

    task = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(task))
    thread.start()
    assert ready.wait(10)
    yield chosen
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)
    loop.close()


def asked(name: str, port: int) -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, "A"), ADDRESS, port=port, timeout=5)


def test_the_zones_questions_go_to_the_edge(port: int) -> None:
    assert "203.0.113.10" in asked("WWW.shop.example", port).to_text()
    assert "203.0.113.10" in asked("shop.example", port).to_text()


def test_everything_else_does_not_exist_at_once(port: int) -> None:
    for name in ("localhost.localdomain", "7.2.0.192.in-addr.arpa", "notshop.example"):
        assert asked(name, port).rcode() == dns.rcode.NXDOMAIN


def test_half_a_question_has_no_name() -> None:
    whole = dns.message.make_query("a.example", "A").to_wire()
    assert resolver.name_of(whole) == "a.example"
    for cut in range(len(whole) - 30):
        assert resolver.name_of(whole[:cut]) == ""
