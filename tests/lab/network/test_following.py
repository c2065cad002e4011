"""The resolver goes where the parent zone refers it to, now, and answers for nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from rempart.lab.network import following
from rempart.lab.processes import free_port

RESOLVER, PARENT, FIRST, SECOND = (f"127.53.8.{number}" for number in range(1, 5))


class _Server(asyncio.DatagramProtocol):
    """Answers with an address, or refers to the name server that it was told of."""

    def __init__(self, says: str | None = None) -> None:
        self.says, self.refers_to = says, FIRST

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = dns.message.make_response(dns.message.from_wire(data))
        name = answer.question[0].name
        if self.says is not None:
            answer.flags |= dns.flags.AA
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", self.says))
        else:
            answer.authority.append(dns.rrset.from_text("shop.example.", 5, "IN", "NS", "ns1.shop.example."))
            answer.additional.append(dns.rrset.from_text("ns1.shop.example.", 5, "IN", "A", self.refers_to))
        self._transport.sendto(answer.to_wire(), addr)  # type: ignore[attr-defined]


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[_Server, int]]:
    port = free_port()
    monkeypatch.setattr(following, "DNS_PORT", port)
    loop, ready, above = asyncio.new_event_loop(), threading.Event(), _Server()

    async def serve() -> None:
        servers = {PARENT: above, FIRST: _Server("203.0.113.10"), SECOND: _Server("198.19.0.10")}
        for address, server in servers.items():
            await loop.create_datagram_endpoint(lambda server=server: server, local_addr=(address, port))  # type: ignore[misc]
        serving = asyncio.create_task(following.serve(RESOLVER, PARENT, "example"))
        await asyncio.sleep(0.05)
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        for server in servers.values():
            server._transport.close()
        await asyncio.sleep(0)

    task = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(task))
    thread.start()
    assert ready.wait(10)
    yield above, port
    loop.call_soon_threadsafe(task.cancel)
    thread.join(10)
    loop.close()


def asked(name: str, port: int) -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, "A"), RESOLVER, port=port, timeout=5)


def test_a_changed_delegation_shows_at_once(parent: tuple[_Server, int]) -> None:
    above, port = parent
    assert "203.0.113.10" in asked("www.shop.example", port).to_text()
    above.refers_to = SECOND
    assert "198.19.0.10" in asked("www.shop.example", port).to_text()


def test_what_the_parent_answers_itself_is_the_answer(parent: tuple[_Server, int]) -> None:
    above, port = parent
    above.says = "192.0.2.80"
    assert "192.0.2.80" in asked("www.shop.example", port).to_text()


def test_other_names_do_not_exist(parent: tuple[_Server, int]) -> None:
    assert asked("www.shop.test", parent[1]).rcode() == dns.rcode.NXDOMAIN
