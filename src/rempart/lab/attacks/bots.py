"""Bots that speak HTTP at an even rate, whatever the site answers. The rim.

``flood`` is for bots that forget: many addresses, few requests each. ``swarm`` keeps the rate for any kind
of bot; those that remember are in ``sessions``.

A unit is a request that was written to an open connection. A bot that waits for an answer holds its
connection as a real one would, up to ``patience_s``; when more than ``AT_ONCE_MOST`` wait, no more are
begun and the tally shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from rempart.lab.attacks.contract import AttackParameters, Order, Sources
from rempart.lab.attacks.reporting import Pacing, Tally
from rempart.lab.clients.connecting import connect, hang_up
from rempart.lab.network.addressing import pick_v4, pick_v6

AT_ONCE_MOST = 4_000
DISCARD_AT_ONCE = 1 << 16
LAST_WORDS_S = 0.3
"""So long a connection that has said all stays open, so that what was written is also read: breaking it off
takes back what waits at the other end."""

AGENTS = tuple(
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0"
    " Safari/537.36"
    for version in range(96, 126)
)
"""Bots bring lists of browsers' names with them, and the lists are old."""

LOST = (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError)
"""How a bot's connection ends when it does not end well; a bot does not care."""


class BotParameters(AttackParameters):
    """What every attack by HTTP bots can be told."""

    requests_per_connection: int = 3
    requests_per_second_each: float = 2.0
    """How fast one bot asks on, at most."""
    patience_s: float = 10.0


def addresses(order: Order, parameters: AttackParameters, chosen: random.Random) -> list[str]:
    """The addresses that take part."""
    count = 8 if parameters.sources is Sources.FEW else parameters.source_count
    v6 = round(count * parameters.v6_share)
    found = {pick_v6(order.bots.v6, chosen) for _ in range(v6)}
    while len(found) < min(count, v6 + 126 * len(order.bots.v4) // 2):
        found.add(pick_v4(order.bots.v4, chosen))
    return sorted(found)


class Turns:
    """Whose turn it is to ask, so that all bots together keep the rate: those who have asked before and have
    thought long enough come before new ones. A turn is one try; who is turned away has had it, or a site that
    refuses quickly would be tried ever faster."""

    def __init__(self) -> None:
        self.given = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def next(self) -> None:
        """Wait for a turn."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def give(self) -> bool:
        """Give a turn to who has waited longest; false when nobody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self.given += 1
                return True
        return False


Behaviour = Callable[[random.Random, Turns], Coroutine[Any, Any, None] | None]
"""What the next bot does; it has its first turn. None: every bot is at work."""


async def swarm(order: Order, parameters: AttackParameters, tally: Tally, behave: Behaviour) -> None:
    """Keep the ordered rate of turns: a new bot begins whenever none of those at work waits for one."""
    chosen = random.Random(order.seed)
    pacing = Pacing(order, parameters.rate, parameters.on_s, parameters.off_s, parameters.rise_s)
    under_way: set[asyncio.Task[None]] = set()
    turns = Turns()
    while not pacing.over(now := time.monotonic()):
        tally.maybe_write(now)
        # Bots that wait for a slow site are joined by others: the rate is kept, whatever is answered.
        while turns.given < pacing.due(now):
            if turns.give():
                continue
            bot = behave(chosen, turns) if len(under_way) < AT_ONCE_MOST else None
            if bot is None:
                break
            turns.given += 1
            task = asyncio.create_task(bot)
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.sleep(0.005)
    if under_way:
        await asyncio.wait(under_way, timeout=LAST_WORDS_S)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)


async def flood(
    order: Order,
    parameters: BotParameters,
    tally: Tally,
    context: ssl.SSLContext | None,
    request: Callable[[random.Random], bytes],
) -> None:
    """Send ``request(chosen)`` after ``request(chosen)`` at the ordered rate, from all addresses in turn."""
    sources = addresses(order, parameters, random.Random(order.seed))

    def behave(chosen: random.Random, turns: Turns) -> Coroutine[Any, Any, None]:
        return _bot(chosen.choice(sources), order, parameters, tally, turns, context, request, chosen)

    await swarm(order, parameters, tally, behave)


async def _bot(
    source: str,
    order: Order,
    parameters: BotParameters,
    tally: Tally,
    turns: Turns,
    context: ssl.SSLContext | None,
    request: Callable[[random.Random], bytes],
    chosen: random.Random,
) -> None:
    """One connection of one bot."""
    with contextlib.suppress(*LOST):
        async with asyncio.timeout(parameters.patience_s):
            reader, writer = await connect(source, order.target, context)
        try:
            for count in range(parameters.requests_per_connection):
                if count:
                    await asyncio.sleep(chosen.expovariate(parameters.requests_per_second_each))
                    if not reader.at_eof():
                        await turns.next()
                    if reader.at_eof():
                        break
                writer.write(request(chosen))
                tally.units += 1
                async with asyncio.timeout(parameters.patience_s):
                    status, goes_on = await read_answer(reader)
                tally.answered += status == 200
                if not goes_on:
                    break
        finally:
            hang_up(writer)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Status of an HTTP/1.1 answer whose body is read and forgotten; whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return status, False
    left = int(head[at + 17 : head.index(b"\r\n", at + 17)])
    while left > 0:
        piece = await reader.read(min(left, DISCARD_AT_ONCE))
        if not piece:
            return status, False
        left -= len(piece)
    return status, b"\r\nconnection: close" not in head
