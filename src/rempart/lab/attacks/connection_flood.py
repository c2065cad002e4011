"""Connection flood: TCP connections from tens of thousands of addresses that are opened, and held, and say
nothing. Each takes a place in every table that it passes, and it is aimed at those: a server that gives up
silent connections when it needs the place, as nginx does, is not harmed."""

from __future__ import annotations

from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.dialling import Dialler, DialParameters, Manner
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender

CONNECTION_FLOOD = Attack(
    name="connection-flood",
    unit=Unit.CONNECTIONS,
    summary="TCP connections that are held open and say nothing, from tens of thousands of addresses",
    defaults=DialParameters(rate=5_000, sources=Sources.PREFIXES, v6_share=0.2),
    sender=lambda order: own_sender(order, "connection_flood"),
)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = DialParameters.model_validate(order.parameters)
    Dialler(order, parameters, Manner(), tally).run()


if __name__ == "__main__":
    run_sender(carry_out)
