"""Carries out planned visits: ``python -m rempart.lab.visitors.browsing ORDER`` in the visitors' namespace.

One event loop for all visitors. Each has its own connections, cookies and addresses; connections live as
long as a browser keeps them, six at most over HTTP/1.1, one over HTTP/2.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import sys
import time
from pathlib import Path
from typing import IO

from rempart.lab.clients.answers import Answer
from rempart.lab.clients.connecting import connect, tls
from rempart.lab.clients.http1 import Http1
from rempart.lab.clients.http2 import Http2
from rempart.lab.origins.contract import mark
from rempart.lab.visitors import challenges
from rempart.lab.visitors.behaviours import headers, plan
from rempart.lab.visitors.contract import (
    LAG_FILE,
    TRUTH_FILE,
    Fetch,
    Outcome,
    Step,
    Truth,
    Visit,
    VisitorsOrder,
)
from rempart.lab.visitors.resolving import ask_all
from rempart.lab.visitors.truth import line

HTTP1_CONNECTIONS = 6
CHALLENGES_MOST = 2
"""A visitor who has passed so many for one page and is shown yet another is stuck."""
MARKED_WITHIN = 512
LAG_EVERY_S = 0.1


class Visitor:
    """One visit under way."""

    def __init__(self, order: VisitorsOrder, visit: Visit, tls_context: ssl.SSLContext, log: IO[str]) -> None:
        self._order, self._visit, self._tls, self._log = order, visit, tls_context, log
        self._cookies: dict[str, str] = {}
        self._free: list[Http1] = []
        self._all: list[Http1 | Http2] = []
        self._http2: Http2 | None = None
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(HTTP1_CONNECTIONS)
        self._address = ""

    async def go(self) -> None:
        """The whole visit. Ends early at the order's end."""
        end = self._order.begin_at + self._order.seconds
        try:
            for step in self._visit.steps:
                await asyncio.sleep(step.think_s)
                if time.monotonic() >= end:
                    return
                await self._take(step)
        finally:
            self._hang_up()

    async def _take(self, step: Step) -> None:
        """A page, then its assets together. Of a page that is not there nobody knows the assets: they were
        wanted all the same, and share its outcome."""
        if step.address != self._address:
            self._hang_up()
            self._address = step.address
        page, *assets = step.fetches
        truth = await self._fetch(page, first=True)
        if truth.outcome is Outcome.SERVED:
            await asyncio.gather(*(self._fetch(asset, first=False) for asset in assets))
            return
        for asset in assets:
            self._write(truth.intended, truth.ended, asset, truth.outcome, truth.status, truth.challenges)

    async def _fetch(self, fetch: Fetch, *, first: bool) -> Truth:
        intended = time.monotonic()
        met, status = 0, 0
        try:
            # A visitor who works on a challenge is patient: they see that something happens.
            async with asyncio.timeout(self._order.patience_s) as patience:
                answer = await self._ask(fetch, first=first)
                status = answer.status
                while (task := challenges.recognise(answer, self._visit.kind)) and met < CHALLENGES_MOST:
                    met += 1
                    longer = task.seconds if isinstance(task, challenges.Wait) else self._order.patience_s
                    patience.reschedule(asyncio.get_running_loop().time() + longer + self._order.patience_s)
                    answer = await self._answer_challenge(task, fetch, first=first)
                    status = answer.status
            met += challenges.is_challenge(answer) and met == 0
            outcome = judge(answer, fetch, self._order.secret)
        except (ConnectionRefusedError, ConnectionResetError):
            outcome = Outcome.REFUSED
        except (TimeoutError, OSError):
            outcome = Outcome.FAILED
        return self._write(intended, time.monotonic(), fetch, outcome, status, met)

    async def _answer_challenge(
        self, task: challenges.Proof | challenges.Wait, fetch: Fetch, *, first: bool
    ) -> Answer:
        """Do what a challenge asks, then ask again for what was wanted."""
        if isinstance(task, challenges.Proof):
            number = await challenges.solve(task)
            form = Fetch(challenges.ANSWERS_GO_TO, "POST", f"c={task.challenge}&p={number}")
            await self._ask(form, first=False)
        else:
            await asyncio.sleep(task.seconds)
            await self._ask(Fetch(task.path), first=True)
        return await self._ask(fetch, first=first)

    async def _ask(self, fetch: Fetch, *, first: bool) -> Answer:
        cookies = self._cookies if self._visit.keeps_cookies else {}
        lines = headers(self._visit, fetch, first=first, cookies=cookies)
        if self._visit.http2:
            connection = await self._shared()
            answer = await connection.ask(fetch.method, fetch.path, lines, fetch.body.encode())
        else:
            answer = await self._ask_alone(fetch, lines)
        self._cookies.update(answer.cookies)
        return answer

    async def _shared(self) -> Http1 | Http2:
        """The one connection over HTTP/2."""
        async with self._opening:
            if self._http2 is None or not self._http2.usable:
                reader, writer = await connect(self._address, self._order.target, self._tls)
                self._http2 = Http2(reader, writer, self._order.target.host)
                self._all.append(self._http2)
            return self._http2

    async def _ask_alone(self, fetch: Fetch, lines: list[tuple[str, str]]) -> Answer:
        """Over a kept connection that is idle, or a new one; over a new one again when the kept one had
        ended."""
        async with self._slots:
            while self._free:
                kept = self._free.pop()
                if kept.usable:
                    with contextlib.suppress(OSError):
                        return await self._over(kept, fetch, lines)
                kept.close()
            reader, writer = await connect(self._address, self._order.target, self._tls)
            fresh = Http1(reader, writer, self._order.target.host)
            self._all.append(fresh)
            return await self._over(fresh, fetch, lines)

    async def _over(self, connection: Http1, fetch: Fetch, lines: list[tuple[str, str]]) -> Answer:
        answer = await connection.ask(fetch.method, fetch.path, lines, fetch.body.encode())
        if connection.usable:
            self._free.append(connection)
        return answer

    def _hang_up(self) -> None:
        for connection in self._all:
            connection.close()
        self._all, self._free, self._http2 = [], [], None

    def _write(
        self, intended: float, ended: float, fetch: Fetch, outcome: Outcome, status: int, met: int
    ) -> Truth:
        truth = Truth(
            intended, ended, self._visit.number, self._visit.kind, self._address, fetch.method, fetch.path,
            outcome, status, met,
        )  # fmt: skip
        self._log.write(line(truth))
        return truth


def judge(answer: Answer, fetch: Fetch, secret: str) -> Outcome:
    """What an answer is worth to who wanted this."""
    if challenges.is_challenge(answer):
        return Outcome.DEAD_END
    if answer.status == 200:
        sign = mark(secret, fetch.path, fetch.body).encode()
        return Outcome.SERVED if sign in answer.body[:MARKED_WITHIN] else Outcome.WRONG
    return Outcome.REFUSED if 400 <= answer.status < 500 else Outcome.FAILED


async def carry_out(order: VisitorsOrder) -> None:
    """All visits, each at its moment."""
    contexts = {True: tls(order.authority, "h2"), False: tls(order.authority, "http/1.1")}
    with (
        (order.folder / TRUTH_FILE).open("w", buffering=1) as log,
        (order.folder / LAG_FILE).open("w", buffering=1) as lag,
    ):
        watching = asyncio.create_task(watch_own_clock(lag))
        under_way: set[asyncio.Task[None]] = set()
        if order.population.dns_queries_per_second > 0:
            under_way.add(asyncio.create_task(ask_all(order, lambda truth: log.write(line(truth)))))
        visits = plan(
            order.population,
            order.site,
            order.addresses,
            seed=order.seed,
            seconds=order.seconds,
            crowd=order.crowd,
        )
        for visit in visits:
            await asyncio.sleep(max(0.0, order.begin_at + visit.begins_s - time.monotonic()))
            visitor = Visitor(order, visit, contexts[visit.http2], log)
            task = asyncio.create_task(visitor.go())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.sleep(max(0.0, order.begin_at + order.seconds - time.monotonic()))
        if under_way:
            # What was asked before the end is waited for; nobody asks anything new.
            await asyncio.wait(under_way, timeout=order.patience_s + 1)
        for task in under_way:
            task.cancel()
        watching.cancel()


async def watch_own_clock(lag: IO[str]) -> None:
    """Note how late this process is: its truths are worth no more than its clock."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(LAG_EVERY_S)
        now = time.monotonic()
        lag.write(f"{now:.3f}\t{max(0.0, now - before - LAG_EVERY_S):.4f}\n")


def main() -> None:
    order = VisitorsOrder.model_validate_json(Path(sys.argv[1]).read_text())
    gc.freeze()
    asyncio.run(carry_out(order))


if __name__ == "__main__":
    main()
