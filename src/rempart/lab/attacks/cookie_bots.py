"""Bots that keep cookies and look like a session: they come in by an ordinary page, go on with a referer and
the site's own cookie, think between pages, and come again with the cookies of the last time. What tells them
is only what they want."""

from __future__ import annotations

import asyncio

from rempart.lab.attacks.bots import AGENTS
from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.attacks.sessions import SessionParameters, crowd, session_headers
from rempart.lab.clients.connecting import careless_tls

COOKIE_BOTS = Attack(
    name="cookie-bots",
    unit=Unit.REQUESTS,
    summary="2,000 bots with sessions: cookies kept, referers sent, eight pages a visit, half of them costly",
    defaults=SessionParameters(rate=300, sources=Sources.PREFIXES, source_count=2_000, v6_share=0.2),
    sender=lambda order: own_sender(order, "cookie_bots"),
)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = SessionParameters.model_validate(order.parameters)
    asyncio.run(crowd(order, parameters, tally, careless_tls("http/1.1"), session_headers(AGENTS)))


if __name__ == "__main__":
    run_sender(carry_out)
