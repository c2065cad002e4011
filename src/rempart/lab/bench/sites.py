"""``rempart bench sites``: how long one site change takes to be live, and what sites cost in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from rempart.controller.assembly import Controller
from rempart.controller.intents import OPERATOR
from rempart.lab.bench.populated import Operator, memory, populated, seconds_until, status_of
from rempart.lab.bench.report import BenchReport, Row, middle
from rempart.lab.figures import Bar, at_most, percentile
from rempart.lab.instance import Instance
from rempart.lab.origin import LittleOrigin
from rempart.model.sites import Origin

SIZES = (10, 1_000, 10_000)
FLAT_AT_MOST = 1.5
LIVE_AT_MOST_MS = 200.0
SERVED, UNKNOWN_HOST = 200, 421
Progress = Callable[[str], None]


def run(sizes: Sequence[int] = SIZES, changes: int = 15, progress: Progress = lambda _: None) -> BenchReport:
    """Add and remove a site ``changes`` times beside each number of sites with their own certificates."""
    rows: list[Row] = []
    bars: list[Bar] = []
    added: dict[int, float | None] = {}
    for size in sizes:
        progress(f"{size} sites: filling the store")
        began = time.monotonic()
        with (
            LittleOrigin() as origin,
            populated(partial(fill, size=size, port=origin.port), prepared_sites=size + 64) as instance,
        ):
            wait_for_all(instance, size, progress)
            started = time.monotonic() - began
            adds, removals = measure(instance, origin.port, changes, partial(say, progress, size))
            parts = memory(instance)
        added[size] = middle(adds)
        rows += [
            Row(name=f"site added, live at the edge: {size} sites", value=middle(adds), unit="ms",
                note=f"p99 {percentile(adds, 0.99):.0f} ms, {changes} changes"),
            Row(name=f"site removed, gone from the edge: {size} sites", value=middle(removals), unit="ms"),
            Row(name=f"filled, started and every site live: {size} sites", value=started, unit="s"),
        ]  # fmt: skip
        rows += [
            Row(name=f"memory of {part}: {size} sites", value=used, unit="MiB")
            for part, used in parts.items()
        ]
        bars.append(at_most(f"site added, live at the edge: {size} sites, ms", LIVE_AT_MOST_MS, added[size]))
    if len(added) > 1:
        least, most = added[min(sizes)], added[max(sizes)]
        flat = most / least if least and most else None
        bars.append(at_most(f"{max(sizes)} sites ÷ {min(sizes)} sites", FLAT_AT_MOST, flat))
    return BenchReport(bench="sites", rows=tuple(rows), bars=tuple(bars))


def say(progress: Progress, size: int, word: str) -> None:
    progress(f"{size} sites: {word}")


def fill(controller: Controller, *, size: int, port: int) -> None:
    """``size`` sites, a hundred to a zone, written one by one as owners would."""
    for number in range(size):
        zone = f"zone{number // 100}.example"
        controller.intents.sites.add(
            OPERATOR, f"s{number}.{zone}", origins(port), zone=zone, https_redirect=False
        )


def origins(port: int) -> tuple[Origin, ...]:
    return (Origin(host="127.0.0.1", port=port),)


def wait_for_all(instance: Instance, size: int, progress: Progress) -> None:
    """Until the last site is served, and every certificate that the local CA still owed is live."""
    last = f"s{size - 1}.zone{(size - 1) // 100}.example"
    wait_for_status(instance, last, SERVED)
    with Operator(instance) as operator:
        quiet, before = 0, -1
        while quiet < 3:
            revision = operator.call("GET", "/v1/status")["revision"]
            quiet, before = (quiet + 1 if revision == before else 0), revision
            progress(f"{size} sites: certificates, revision {revision}")
            time.sleep(1)


def measure(
    instance: Instance, port: int, changes: int, progress: Progress
) -> tuple[list[float], list[float]]:
    """Milliseconds from sending the write to the first request that sees it: (additions, removals)."""
    adds, removals = [], []
    with Operator(instance) as operator:
        body = {"origins": [one.model_dump(mode="json") for one in origins(port)], "https_redirect": False}
        for number in range(changes):
            host = f"new{number}.zone0.example"
            progress(f"change {number + 1}/{changes}")
            began = time.monotonic()
            operator.call("POST", "/v1/sites", {"host": host, "zone": "zone0.example", **body})
            wait_for_status(instance, host, SERVED)
            adds.append((time.monotonic() - began) * 1000)
            began = time.monotonic()
            operator.call("DELETE", f"/v1/sites/{host}")
            wait_for_status(instance, host, UNKNOWN_HOST)
            removals.append((time.monotonic() - began) * 1000)
    return adds, removals


def wait_for_status(instance: Instance, host: str, status: int) -> None:
    seconds_until(lambda: status_of(instance.ports, host) == status)
