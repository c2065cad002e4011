"""Bots that remember: a crowd with an address and a name each, who keep cookies and know which page they came
from. Each makes a visit (some requests with pauses, over one connection), rests, and comes again as the same.
The rim.

A unit is a request that was written, one for a challenge included.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from rempart.lab.attacks.bots import LOST, BotParameters, Turns, addresses, swarm
from rempart.lab.attacks.contract import Order, Target
from rempart.lab.attacks.reporting import Tally
from rempart.lab.clients.answers import Answer
from rempart.lab.clients.connecting import Broken, connect
from rempart.lab.clients.http1 import Http1
from rempart.lab.clients.http2 import Http2, Manner
from rempart.lab.visitors.challenges import is_challenge


class SessionParameters(BotParameters):
    """What attacks by bots that remember can be told."""

    requests_per_connection: int = 8
    costly_share: float = Field(default=0.5, ge=0, le=1)
    """Share of requests, after a visit's first, for a costly page; the rest are for ordinary ones."""


@dataclass(eq=False, slots=True)
class Bot:
    """One of the crowd, and what it remembers."""

    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    referer: str = ""
    """The page it was on, whole; "" when it has just come."""
    trait: float = 0.0
    """A number in [0, 1) that is this bot's own: what divides the crowd."""


Headers = Callable[[Bot], list[tuple[str, str]]]
"""What a bot sends with a request, in its order."""


@dataclass(slots=True)
class Visit:
    """A bot on its connection."""

    bot: Bot
    connection: Http1 | Http2
    parameters: SessionParameters
    tally: Tally
    turns: Turns
    headers: Headers
    begun: bool = False

    async def ask(self, path: str, method: str = "GET", body: bytes = b"") -> Answer:
        """Ask when it is the bot's turn. Broken when no whole answer came."""
        if self.begun and self.connection.usable:
            await self.turns.next()
        self.begun = True
        if not self.connection.usable:
            raise Broken("the site has ended the connection")
        lines = self.headers(self.bot)
        if body:
            lines.append(("Content-Type", "application/x-www-form-urlencoded"))
        self.tally.units += 1
        async with asyncio.timeout(self.parameters.patience_s):
            answer = await self.connection.ask(method, path, lines, body)
        self.bot.cookies.update(answer.cookies)
        self.tally.answered += answer.status == 200 and not is_challenge(answer)
        return answer


Afterwards = Callable[[Visit, str, Answer], Awaitable[None]]
"""What a bot does with an answer to its request for a path, before it goes on."""


async def nothing(visit: Visit, path: str, answer: Answer) -> None:
    """Most bots take answers as they are."""


def next_path(target: Target, first: bool, costly_share: float, chosen: random.Random) -> str:
    """Where a visit goes on: it begins at an ordinary page, as visitors do."""
    if not first and chosen.random() < costly_share:
        return chosen.choice(target.costly_pages).format(f"{chosen.getrandbits(40):x}")
    return chosen.choice(target.pages)


async def crowd(
    order: Order,
    parameters: SessionParameters,
    tally: Tally,
    context: ssl.SSLContext,
    headers: Headers,
    *,
    manner: Manner | None = None,
    afterwards: Afterwards = nothing,
) -> None:
    """Visits at the ordered rate of requests. ``manner``: how HTTP/2 is spoken where the site takes it;
    without, HTTP/1.1 is spoken."""
    ahead = random.Random(f"crowd {order.seed}")
    resting = deque(
        Bot(address=address, trait=ahead.random()) for address in addresses(order, parameters, ahead)
    )
    ahead.shuffle(resting)

    def behave(chosen: random.Random, turns: Turns) -> Coroutine[Any, Any, None] | None:
        return visiting(resting.popleft(), chosen, turns) if resting else None

    async def visiting(bot: Bot, chosen: random.Random, turns: Turns) -> None:
        connection: Http1 | Http2 | None = None
        try:
            with contextlib.suppress(*LOST):
                async with asyncio.timeout(parameters.patience_s):
                    connection = await _open(bot.address, order.target, context, manner)
                visit = Visit(bot, connection, parameters, tally, turns, headers)
                bot.referer = ""
                for count in range(parameters.requests_per_connection):
                    if count:
                        await asyncio.sleep(chosen.expovariate(parameters.requests_per_second_each))
                    path = next_path(order.target, count == 0, parameters.costly_share, chosen)
                    await afterwards(visit, path, await visit.ask(path))
                    bot.referer = f"https://{order.target.host}{path}"
        finally:
            if connection is not None:
                connection.close()
            resting.append(bot)

    await swarm(order, parameters, tally, behave)


async def _open(
    address: str, target: Target, context: ssl.SSLContext, manner: Manner | None
) -> Http1 | Http2:
    reader, writer = await connect(address, target, context)
    agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    if manner is not None and agreed == "h2":
        return Http2(reader, writer, target.host, manner)
    return Http1(reader, writer, target.host)


def cookie_line(bot: Bot) -> list[tuple[str, str]]:
    """The Cookie header, when there is something to send."""
    if not bot.cookies:
        return []
    return [("Cookie", "; ".join(f"{name}={value}" for name, value in bot.cookies.items()))]


def session_headers(agents: tuple[str, ...]) -> Headers:
    """What a bot of a common kit sends: a browser's name that stays the same for the bot, a referer, its
    cookies."""

    def headers(bot: Bot) -> list[tuple[str, str]]:
        lines = [
            ("User-Agent", agents[int(bot.trait * len(agents))]),
            ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("Accept-Language", "en-US,en;q=0.5"),
        ]
        if bot.referer:
            lines.append(("Referer", bot.referer))
        return [*lines, *cookie_line(bot)]

    return headers
