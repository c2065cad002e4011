"""DNS random-subdomain flood: names below the zone that nobody ever asked for before, so that no cache on the
way keeps the question from its name server.

They come through other people's resolvers, in life; so the sources are real, and visitors' resolvers may be
among their neighbours.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rempart.lab.attacks.contract import Attack, AttackParameters, Order, Sources, Unit
from rempart.lab.attacks.dns_questions import question
from rempart.lab.attacks.ip_frames import Packet, flood
from rempart.lab.attacks.packets import BATCH, Frames
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender

LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", dtype=np.uint8)


class DnsRandomSubdomain(AttackParameters):
    """What is asked."""

    label_length: int = Field(default=12, ge=1, le=63)
    """Letters and digits before the zone's name; the widely spread bots take twelve."""
    kind: str = Field(default="A", pattern=r"^[A-Z0-9]{1,10}$")


DNS_RANDOM_SUBDOMAIN = Attack(
    name="dns-random-subdomain",
    unit=Unit.QUERIES,
    summary="questions for random names below the zone, from tens of thousands of resolvers",
    defaults=DnsRandomSubdomain(rate=100_000, sources=Sources.PREFIXES, v6_share=0.1),
    sender=lambda order: own_sender(order, "dns_random_subdomain", packets=True),
    concerns_dns=True,
)


def packet(order: Order, parameters: DnsRandomSubdomain) -> Packet:
    """A question whose first label is another in each packet."""
    length = parameters.label_length

    def renew_name(frames: Frames, at: int, chosen: np.random.Generator) -> None:
        picks = chosen.integers(0, len(LETTERS), (BATCH, length))
        frames[:, at + 1 : at + 1 + length] = LETTERS[picks]

    return question(order, f"{'x' * length}.{order.target.zone}", parameters.kind, renew_name)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = DnsRandomSubdomain.model_validate(order.parameters)
    flood(order, parameters, tally, lambda v6: packet(order, parameters))


if __name__ == "__main__":
    run_sender(carry_out)
