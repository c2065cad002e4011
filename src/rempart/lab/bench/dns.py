"""``rempart bench dns``: from a record's change to its answer, and queries per second beside a plain Knot."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rempart.controller.assembly import Controller
from rempart.controller.intents import OPERATOR
from rempart.controller.intents.record_values import RecordBatch
from rempart.lab.bench import nameserver
from rempart.lab.bench.load import compared
from rempart.lab.bench.populated import Operator, answers_with, memory, populated, seconds_until
from rempart.lab.bench.report import BenchReport, Row, middle
from rempart.lab.figures import Bar, at_most, percentile
from rempart.lab.instance import Instance
from rempart.lab.processes import require
from rempart.model.records import RecordDraft, RecordType

SIZES = (1, 1_000, 10_000)
LIVE_AT_MOST_MS = 200.0
Progress = Callable[[str], None]


def run(
    sizes: Sequence[int] = SIZES,
    changes: int = 50,
    rounds: int = 5,
    seconds: int = 2,
    progress: Progress = lambda _: None,
) -> BenchReport:
    """``changes`` record changes beside every number of zones; ``rounds`` of queries for each name server."""
    for program, package in (("knotd", "knot"), ("dnsperf", "dnsperf"), ("taskset", "util-linux")):
        require(program, package)
    rows: list[Row] = []
    bars: list[Bar] = []
    for size in sizes:
        progress(f"{size} zones: filling the store")
        began = time.monotonic()
        with populated(partial(fill, size=size)) as instance:
            seconds_until(partial(served, instance, f"www.zone{size - 1}.example"), every=0.1)
            started = time.monotonic() - began
            taken = measure(instance, changes, partial(say, progress, size))
            knot = memory(instance)["knot"]
        p50, p99 = middle(taken), percentile(taken, 0.99)
        rows += [
            Row(name=f"record change to answer, p50: {size} zones", value=p50, unit="ms"),
            Row(name=f"record change to answer, p99: {size} zones", value=p99, unit="ms"),
            Row(name=f"filled, started and every zone answered: {size} zones", value=started, unit="s"),
            Row(name=f"memory of knot: {size} zones", value=knot, unit="MiB"),
        ]
        bars.append(at_most(f"record change to answer, p99: {size} zones, ms", LIVE_AT_MOST_MS, p99))
    with tempfile.TemporaryDirectory(prefix="rp-bench-") as folder:
        samples = nameserver.answers(Path(folder), rounds, seconds, progress)
    rows += compared("answers", "queries", samples, nameserver.OURS)
    return BenchReport(bench="dns", rows=tuple(rows), bars=tuple(bars))


def say(progress: Progress, size: int, word: str) -> None:
    progress(f"{size} zones: {word}")


def fill(controller: Controller, *, size: int) -> None:
    """``size`` zones of three records, written as owners would."""
    for number in range(size):
        zone = controller.intents.zones.create(OPERATOR, f"zone{number}.example").value
        drafts = (
            RecordDraft(type=RecordType.A, name="www", content="192.0.2.1"),
            RecordDraft(type=RecordType.AAAA, name="www", content="2001:db8::1"),
            RecordDraft(type=RecordType.TXT, name="@", content="v=spf1 -all"),
        )
        controller.intents.records.batch(OPERATOR, zone.id, RecordBatch(posts=drafts))


def served(instance: Instance, name: str) -> bool:
    return answers_with(instance.ports, name, "192.0.2.1")


def measure(instance: Instance, changes: int, progress: Progress) -> list[float]:
    """Milliseconds from sending a new record to the first answer that has it, each change by itself."""
    taken = []
    with Operator(instance) as operator:
        for number in range(changes):
            progress(f"change {number + 1}/{changes}")
            name, address = f"change{number}.zone0.example", f"198.51.100.{number % 250 + 1}"
            began = time.monotonic()
            operator.call(
                "POST",
                "/v1/zones/zone0.example/records",
                {"type": "A", "name": name, "content": address, "ttl": 60},
            )
            seconds_until(partial(answers_with, instance.ports, name, address))
            taken.append((time.monotonic() - began) * 1000)
    return taken
