"""Resolvers that ask for the site's addresses, as those of visitors all over the world do. The rim.

Each question comes from an address of its own among the visitors', over UDP with EDNS; a truncated answer
is asked for again over TCP, a lost one twice over UDP, as resolvers do. Served means: the site's own
address was in the answer.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from rempart.lab.network.addressing import pick_v4, pick_v6
from rempart.lab.visitors.contract import Kind, Outcome, Truth, VisitorsOrder

TRY_S = 0.8
TRIES = 3
FIRST_VISIT = 1_000_000
"""Each question is a visit of its own; visits of people are numbered from 0."""
IPV6_SHARE = 0.3
AAAA_SHARE = 0.3


class _Waiting(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers."""

    def __init__(self, number: bytes) -> None:
        self._number = number
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == self._number and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def ask_all(order: VisitorsOrder, write: Callable[[Truth], object]) -> None:
    """Ask at the population's rate until the order's end; Poisson arrivals."""
    chosen = random.Random(f"resolvers {order.seed}")
    moment, number = order.begin_at, FIRST_VISIT
    under_way: set[asyncio.Task[None]] = set()
    while (moment := moment + chosen.expovariate(order.population.dns_queries_per_second)) < (
        order.begin_at + order.seconds
    ):
        v6 = chosen.random() < IPV6_SHARE
        source = pick_v6(order.addresses.v6, chosen) if v6 else pick_v4(order.addresses.v4, chosen)
        kind = "AAAA" if chosen.random() < AAAA_SHARE else "A"
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        task = asyncio.create_task(_one(order, source, kind, number, write))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        number += 1
    if under_way:
        await asyncio.wait(under_way, timeout=TRIES * TRY_S + 1)


async def _one(
    order: VisitorsOrder, source: str, kind: str, number: int, write: Callable[[Truth], object]
) -> None:
    intended = time.monotonic()
    outcome, status = Outcome.FAILED, 0
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(TRY_S):
                answer = await _answer(order, source, kind)
            outcome, status = judge(answer, order, kind), int(answer.rcode())
            break
        except (ConnectionRefusedError, ConnectionResetError):
            outcome = Outcome.REFUSED
        except (TimeoutError, OSError, EOFError, dns.exception.DNSException):
            outcome = Outcome.FAILED
    path = f"{order.target.host}/{kind}"
    write(Truth(intended, time.monotonic(), number, Kind.RESOLVER, source, "QUERY", path, outcome, status, 0))


async def _answer(order: VisitorsOrder, source: str, kind: str) -> dns.message.Message:
    question = dns.message.make_query(order.target.host, kind, use_edns=0, payload=1232)
    wire, loop = question.to_wire(), asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    to = order.target.v6 if ":" in source else order.target.v4
    transport, waiting = await loop.create_datagram_endpoint(
        lambda: _Waiting(wire[:2]),
        local_addr=(source, 0),
        remote_addr=(to, order.target.dns_port),
        family=family,
    )
    try:
        transport.sendto(wire)
        answer = dns.message.from_wire(await waiting.answer, ignore_trailing=True)
    finally:
        transport.close()
    return await _whole(order, source, to, wire) if answer.flags & dns.flags.TC else answer


async def _whole(order: VisitorsOrder, source: str, to: str, wire: bytes) -> dns.message.Message:
    """The same question over TCP (RFC 7766)."""
    reader, writer = await asyncio.open_connection(to, order.target.dns_port, local_addr=(source, 0))
    try:
        writer.write(len(wire).to_bytes(2, "big") + wire)
        length = int.from_bytes(await reader.readexactly(2), "big")
        return dns.message.from_wire(await reader.readexactly(length))
    finally:
        writer.transport.abort()


def judge(answer: dns.message.Message, order: VisitorsOrder, kind: str) -> Outcome:
    """What an answer is worth to a resolver."""
    if answer.rcode() == dns.rcode.REFUSED:
        return Outcome.REFUSED
    if answer.rcode() != dns.rcode.NOERROR:
        return Outcome.FAILED
    wanted = order.target.v6 if kind == "AAAA" else order.target.v4
    told = {
        item.to_text()
        for rrset in answer.answer
        for item in rrset
        if rrset.rdtype == dns.rdatatype.from_text(kind)
    }
    return Outcome.SERVED if wanted in told else Outcome.WRONG
