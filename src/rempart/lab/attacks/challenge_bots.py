"""Bots that pass the challenge: they do what it asks (compute the proof, or wait) as a visitor would, keep
the clearance, and flood with it. A challenge by itself does not hold them."""

from __future__ import annotations

import asyncio

from pydantic import Field

from rempart.lab.attacks.bots import AGENTS
from rempart.lab.attacks.contract import Attack, Order, Sources, Unit
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender
from rempart.lab.attacks.sessions import SessionParameters, Visit, crowd, session_headers
from rempart.lab.clients.answers import Answer
from rempart.lab.clients.connecting import careless_tls
from rempart.lab.visitors.challenges import ANSWERS_GO_TO, Proof, recognise, solve
from rempart.lab.visitors.contract import Kind


class ChallengeBots(SessionParameters):
    """What bots that pass challenges can be told besides."""

    costly_share: float = Field(default=0.8, ge=0, le=1)
    waiting_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the bots that wait; the rest compute the proof, all on one processor."""


CHALLENGE_BOTS = Attack(
    name="challenge-bots",
    unit=Unit.REQUESTS,
    summary="1,500 bots that solve the challenge, by proof or by waiting, and flood with the clearance",
    defaults=ChallengeBots(rate=300, sources=Sources.PREFIXES, source_count=1_500, v6_share=0.2),
    sender=lambda order: own_sender(order, "challenge_bots"),
)


def kind_of(trait: float, waiting_share: float) -> Kind:
    """Which way a bot takes: that of a browser without scripts (wait), or with them (proof)."""
    return Kind.NO_JAVASCRIPT if trait < waiting_share else Kind.BROWSER


def carry_out(order: Order, tally: Tally) -> None:
    parameters = ChallengeBots.model_validate(order.parameters)

    async def pass_it(visit: Visit, path: str, answer: Answer) -> None:
        """Do what an answer asks for, when it is a challenge. The next request shows what came of it."""
        task = recognise(answer, kind_of(visit.bot.trait, parameters.waiting_share))
        if isinstance(task, Proof):
            number = await solve(task)
            await visit.ask(ANSWERS_GO_TO, "POST", f"c={task.challenge}&p={number}".encode())
        elif task is not None:
            await asyncio.sleep(task.seconds)
            await visit.ask(task.path)

    headers = session_headers(AGENTS)
    asyncio.run(crowd(order, parameters, tally, careless_tls("http/1.1"), headers, afterwards=pass_it))


if __name__ == "__main__":
    run_sender(carry_out)
