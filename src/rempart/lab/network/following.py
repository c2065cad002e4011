"""A resolver that goes by what the parent zone says.

    python -m rempart.lab.network.following ADDRESS PARENT ZONE

Every question about names in ZONE is asked of the parent's name server; where that refers to another (RFC
1034 section 4.3.2), the question goes there. It keeps nothing, so a change shows at once: how long the
resolvers of the world keep what they were told is not what the lab is about. Other names do not exist.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from rempart.lab.network.resolver import ASKED_MOST, DNS_PORT, name_of, nonexistent

PATIENCE_S = 1.5


def referred_to(answer: dns.message.Message) -> str | None:
    """The IPv4 address of the name server that an answer refers to, by its glue; None when it is the answer
    itself."""
    if answer.flags & dns.flags.AA or answer.answer:
        return None
    servers = {
        rdata.target for rrset in answer.authority if rrset.rdtype == dns.rdatatype.NS for rdata in rrset
    }
    glue = [
        rdata.address
        for rrset in answer.additional
        if rrset.rdtype == dns.rdatatype.A and rrset.name in servers
        for rdata in rrset
    ]
    return str(glue[0]) if glue else None


class Following(asyncio.DatagramProtocol):
    """Takes questions of one zone's names."""

    def __init__(self, parent: str, zone: str) -> None:
        self._parent, self._zone = parent, zone
        self._under_way: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._clients = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name = name_of(data) if len(data) > 12 else ""
        if not name:
            return
        if name != self._zone and not name.endswith(f".{self._zone}"):
            self._clients.sendto(nonexistent(data), addr)
        elif len(self._under_way) < ASKED_MOST:
            task = asyncio.get_running_loop().create_task(self._answer(data, addr))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            question = dns.message.from_wire(data)
            answer = await dns.asyncquery.udp(question, self._parent, timeout=PATIENCE_S, port=DNS_PORT)
            server = referred_to(answer)
            if server is not None:
                answer = await dns.asyncquery.udp(question, server, timeout=PATIENCE_S, port=DNS_PORT)
        except (dns.exception.DNSException, OSError, EOFError):
            # Who asked asks again.
            return
        self._clients.sendto(answer.to_wire(), addr)


async def serve(address: str, parent: str, zone: str) -> None:
    """Serve until cancelled."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Following(parent, zone), local_addr=(address, DNS_PORT)
    )
    try:
        await asyncio.Event().wait()
    finally:
        transport.close()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:4]))
