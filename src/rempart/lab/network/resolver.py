"""The resolver of the small Internet: ``python -m rempart.lab.network.resolver ADDRESS ZONE EDGE``.

Questions for the site's zone go on to the edge's name server; of everything else it says at once that it
does not exist (NXDOMAIN). Without it programs would wait for a resolver that is out of reach: fail2ban asks
for the machine's own name at every line that it reads.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import cast

DNS_PORT = 53
_NXDOMAIN = 3
HEADER = 12
ASKED_MOST = 4_096
"""Questions under way at once; what comes beyond that is dropped."""


def name_of(message: bytes) -> str:
    """The name of a message's only question (RFC 1035 section 4.1), in lower case without a last dot; "" of
    what is no whole question."""
    labels, at = [], HEADER
    while at < len(message) and (length := message[at]) != 0:
        if length > 63:
            return ""
        labels.append(message[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    return ".".join(labels).lower() if at + 5 <= len(message) else ""


def nonexistent(message: bytes) -> bytes:
    """The answer that there is no such name. The question is repeated, what came after it is not."""
    end = message.index(0, HEADER) + 5
    flags = (0x8180 | _NXDOMAIN).to_bytes(2, "big")
    return message[:2] + flags + b"\x00\x01" + bytes(6) + message[HEADER:end]


class Resolver(asyncio.DatagramProtocol):
    """Takes questions; what is the zone's is passed on under a number of our own."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._numbers = itertools.cycle(range(1, 1 << 16))
        self.asked: dict[int, tuple[bytes, tuple[str, int]]] = {}
        self.upstream: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._clients = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name = name_of(data) if len(data) > HEADER else ""
        if not name:
            return
        if name != self._zone and not name.endswith(f".{self._zone}"):
            self._clients.sendto(nonexistent(data), addr)
        elif self.upstream is not None and len(self.asked) < ASKED_MOST:
            number = next(self._numbers)
            self.asked[number] = (data[:2], addr)
            asyncio.get_running_loop().call_later(5, self.asked.pop, number, None)
            self.upstream.sendto(number.to_bytes(2, "big") + data[2:])

    def answered(self, data: bytes) -> None:
        """Hand an answer of the edge to who asked."""
        waiting = self.asked.pop(int.from_bytes(data[:2], "big"), None)
        if waiting is not None:
            number, client = waiting
            self._clients.sendto(number + data[2:], client)


class Upstream(asyncio.DatagramProtocol):
    """The way to the edge's name server."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._resolver.answered(data)


async def serve(address: str, zone: str, edge: str) -> None:
    """Serve until cancelled."""
    loop = asyncio.get_running_loop()
    resolver = Resolver(zone)
    clients, _ = await loop.create_datagram_endpoint(lambda: resolver, local_addr=(address, DNS_PORT))
    upstream, _ = await loop.create_datagram_endpoint(
        lambda: Upstream(resolver), local_addr=(address, 0), remote_addr=(edge, DNS_PORT)
    )
    resolver.upstream = upstream
    try:
        await asyncio.Event().wait()
    finally:
        clients.close()
        upstream.close()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:4]))
