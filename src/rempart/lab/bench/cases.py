"""``rempart bench cases``: what 100,000 cases cost whoever lists, opens, searches and signs.

A controller's admin API is served over a real socket on a store that holds so many cases, each made by
the real state machine; the same is measured on a hundred, so that what grows shows itself. The cases are of
an earlier year, those that are signed in are opened now.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from rempart.controller.admin_api.application import admin_application
from rempart.controller.assembly import Controller, assembled
from rempart.controller.sockets import listening_at, server
from rempart.lab.bench.case_filling import BY, YEAR, fill, moved, said
from rempart.lab.bench.report import BenchReport, Row
from rempart.lab.figures import at_most, percentile
from rempart.lab.processes import free_port
from rempart.model.cases import Act, Case
from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError

FEW = 100
ROUNDS = 100
SIGNED = 50
PAGE_BAR_MS = 200.0
"""A page that a person waits for."""
STEP_BAR_MS = 500.0
"""A step is in the log, on the disk and published, when it is answered."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Served:
    """A controller and a client of its admin API."""

    controller: Controller
    client: httpx.Client
    folder: Path
    cases: int


def run(
    cases: int = 100_000,
    keep: Path | None = None,
    build_seconds: float | None = None,
    progress: Progress = lambda _: None,
) -> BenchReport:
    """Measure with so many cases. ``keep``: a state folder that is filled and reused; ``build_seconds``: fill
    it for so long at most, and measure only once it is full."""
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rp-bench-cases-")))
        few = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rp-bench-few-")))
        with opened(folder) as controller:
            there = fill(controller, cases, build_seconds, progress)
        if there < cases:
            return BenchReport(bench="cases", bars=(), rows=(Row(name="cases so far", value=there, unit=""),))
        with opened(few) as controller:
            fill(controller, FEW, None, progress)
        with served(few, FEW) as small:
            before = {row.name: row for row in _measured(small, progress)}
        with served(folder, cases) as large:
            rows = list(_measured(large, progress))
            rows += _reports(large, progress)
            rows += _sizes(large)
    compared = [
        row if (one := before.get(row.name)) is None or not one.value or row.value is None
        else row.model_copy(update={"ratio": {f"with {FEW} cases": row.value / one.value}})
        for row in rows
    ]  # fmt: skip
    worst = {
        row.name: float(row.note.removeprefix("p99 ").removesuffix(" ms"))
        for row in rows
        if "p99" in row.note
    }
    pages = [name for name in worst if name.startswith("GET")]
    return BenchReport(
        bench="cases",
        rows=tuple(compared),
        bars=(
            at_most("any page, p99, ms", PAGE_BAR_MS, max(worst[name] for name in pages)),
            at_most("a signature, p99, ms", STEP_BAR_MS, worst["POST a signature"]),
        ),
    )


@contextmanager
def opened(folder: Path) -> Iterator[Controller]:
    """The controller on a state folder."""
    configuration = Configuration.model_validate(
        {"state": folder, "edge": {"addresses": ["192.0.2.80"]}, "log": {"origin": "log.example/bench"}}
    )
    configuration.paths.controller.mkdir(parents=True, exist_ok=True)
    with assembled(configuration) as controller:
        yield controller


@contextmanager
def served(folder: Path, cases: int) -> Iterator[Served]:
    """Its admin API over TCP on loopback, and a client with one connection."""
    port = free_port()
    with opened(folder) as controller, listening_at("127.0.0.1", port) as listener:
        running = server(admin_application(controller))
        thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])))
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield Served(controller, client, folder, cases)
        finally:
            running.should_exit = True
            thread.join(30)


def _measured(on: Served, progress: Progress) -> Iterator[Row]:
    chosen = random.Random(1)

    def some() -> str:
        return f"{YEAR}-{chosen.randrange(on.cases):010x}"

    def host() -> str:
        return f"site-{chosen.randrange(min(on.cases, 20_011))}.example.org"

    progress("pages")
    yield _times("GET the first 100 cases", ROUNDS, lambda: _get(on, "/v1/cases"))
    yield _times("GET 100 cases from anywhere", ROUNDS, lambda: _get(on, f"/v1/cases?after={some()}"))
    yield _times("GET 100 cases in force", ROUNDS, lambda: _get(on, "/v1/cases?phase=in_effect"))
    yield _times("GET a search by host", ROUNDS, lambda: _get(on, f"/v1/cases?host={host()}"))
    yield _times("GET one case", ROUNDS, lambda: _get(on, f"/v1/cases/{some()}"))
    yield _times("GET the steps of one case", ROUNDS, lambda: _get(on, f"/v1/cases/{some()}/steps"))
    yield _times("GET the status", ROUNDS, lambda: _get(on, "/v1/status"))
    yield _times("look for what is due", ROUNDS, lambda: _idle(on.controller))
    progress("steps")
    yield from _signing(on)


def _signing(on: Served) -> Iterator[Row]:
    """Cases opened now, up to the signatures of two arbiters."""
    opened_: list[Case] = []
    signing: list[Case] = []

    def open_one() -> None:
        new = {"source": "report", "category": "threats", "targets": [{"host": "now.example.org"}], "by": BY}
        opened_.append(_case(_post(on, "/v1/cases", new)))

    yield _times("POST a new case", SIGNED, open_one)
    for case in opened_:
        for step in ({"kind": "triaged", "accepted": True, "reason": "So it seems."}, {"kind": "notified"}):
            _post(on, f"/v1/cases/{case.id}/steps", {"step": {**step, "by": BY}})
        answered = _case(_post(on, f"/v1/cases/{case.id}/steps", {"step": {"kind": "answer", "text": "No."}}))
        event = moved(answered, "ada", answered.last_at)
        signing.append(
            _case(_post(on, f"/v1/cases/{case.id}/steps", {"step": event.model_dump(mode="json")}))
        )
    left = iter(signing)

    def sign() -> None:
        case = next(left)
        signed = said(case, "ben", Act.APPROVE, case.last_at)
        step = {"kind": "stated", "signed": signed.model_dump(mode="json")}
        _post(on, f"/v1/cases/{case.id}/steps", {"step": step})

    yield _times("POST a signature", SIGNED, sign)


def _reports(on: Served, progress: Progress) -> Iterator[Row]:
    progress("a year's transparency report")
    began = time.perf_counter()
    found = _get(on, f"/v1/transparency?year={YEAR}")
    taken = time.perf_counter() - began
    note = f"{found['notices'][0]['received']:,} notices of {on.cases:,} cases"
    yield Row(name="a year's transparency report", value=taken, unit="s", note=note)


def _sizes(on: Served) -> Iterator[Row]:
    for name, folder in (("store", on.controller.configuration.paths.controller), ("public log", None)):
        below = folder or on.controller.configuration.paths.public_log
        files = [path.stat() for path in below.rglob("*") if path.is_file()]
        octets = sum(one.st_blocks * 512 for one in files)
        yield Row(
            name=f"disk: {name}",
            value=octets / 2**20,
            unit="MiB",
            note=f"{octets / on.cases:,.0f} bytes a case",
        )
    resident = psutil.Process().memory_info().rss
    yield Row(name="memory of the process that serves and asks", value=resident / 2**20, unit="MiB")


def _idle(controller: Controller) -> None:
    """What the controller does every second."""
    controller.docket.resume()
    controller.docket.due()
    controller.docket.to_verify()


def _times(name: str, rounds: int, call: Callable[[], object]) -> Row:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return Row(name=name, value=_ms(taken, 0.5), unit="ms", note=f"p99 {_ms(taken, 0.99):.1f} ms")


def _ms(seconds: Sequence[float], share: float) -> float:
    return (percentile(seconds, share) or 0.0) * 1000


def _get(on: Served, path: str) -> dict[str, Any]:
    return _answer(on.client.get(path))


def _post(on: Served, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return _answer(on.client.post(path, json=body))


def _answer(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise RempartError(f"{answer.request.url} answers {answer.status_code}: {answer.text[:300]}")
    found: dict[str, Any] = answer.json()
    return found


def _case(view: dict[str, Any]) -> Case:
    return Case.model_validate(view["case"])
