"""``rempart bench log``: a log of a million steps is written, opened again, proven from, served and verified.

Steps are of the length that a decision's has. What is written in bulk goes through the same `PublicLog` as a
single step, thousands at a time; single steps are timed at the end, when the log is at its largest.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

from rempart.controller.sockets import listening_at, server
from rempart.controller.transparency.checking import Trust, check
from rempart.controller.transparency.public_log import PublicLog
from rempart.controller.transparency.serving import log_application
from rempart.controller.transparency.sources import FolderSource
from rempart.governance.log.step import Step, seal
from rempart.governance.log.tiles import ENTRIES, WIDTH, Tile
from rempart.governance.log.tree import consistency_path
from rempart.lab.bench.report import BenchReport, Row
from rempart.lab.figures import at_most, percentile
from rempart.lab.processes import free_port
from rempart.model.errors import RempartError
from rempart.model.log_settings import LogSection

BATCH = 5_000
SINGLE = 100
PROOFS = 300
PROOF_BAR_MS = 20.0
"""A proof belongs on a page that a person waits for."""
OPEN_BAR_S = 5.0
SETTINGS = LogSection(origin="log.example/bench")
_AT = datetime(2026, 3, 1, tzinfo=UTC)
_REASONS = (
    "The pages sold goods under a name that is not the seller's; the owner was asked twice and answered once."
)

Progress = Callable[[str], None]


def run(
    entries: int = 1_000_000,
    keep: Path | None = None,
    build_seconds: float | None = None,
    progress: Progress = lambda _: None,
) -> BenchReport:
    """Measure with a log of so many entries. ``keep``: a folder that is filled and reused;
    ``build_seconds``: fill it for so long at most, and measure only once it is full."""
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rp-bench-log-")))
        public, keeping = folder / "public", folder / "keeping"
        rows, there = _filled(public, keeping, entries, build_seconds, progress)
        if there < entries:
            rows.append(Row(name="entries so far", value=there, unit=""))
            return BenchReport(bench="log", rows=tuple(rows), bars=())
        return _measured(public, keeping, rows, progress)


def _filled(
    public: Path, keeping: Path, entries: int, seconds: float | None, progress: Progress
) -> tuple[list[Row], int]:
    """Fill the log; how fast that was, and how many entries there are."""
    with PublicLog(public, keeping, SETTINGS) as log:
        there = before = log.state().size
        writing = 0.0
        while there < entries and (seconds is None or writing < seconds):
            steps = [_step(at) for at in range(there, min(there + BATCH, entries))]
            began = time.perf_counter()
            log.append_all(steps)
            writing += time.perf_counter() - began
            there += len(steps)
            progress(f"{there:,} of {entries:,} entries written")
    if there == before:
        return [], there
    rate = (there - before) / writing
    note = f"{before:,} to {there:,}"
    return [Row(name=f"append, {BATCH:,} at a time", value=rate, unit="entries/s", note=note)], there


def _measured(public: Path, keeping: Path, rows: list[Row], progress: Progress) -> BenchReport:
    chosen = random.Random(1)
    began = time.perf_counter()
    with PublicLog(public, keeping, SETTINGS) as log:
        first = log.state().size
        opening = time.perf_counter() - began
        rows.append(Row(name="open", value=opening, unit="s"))

        progress("single steps")
        single = _times(SINGLE, lambda at: log.append(_step(first + at)))
        rows += _percentiles("append, one at a time, on the disk and published", single)
        again = _times(SINGLE, lambda at: log.append(_step(first + at)))
        rows += _percentiles("append of a step that is there", again)

        progress("proofs")
        size = first + SINGLE
        inclusion = _times(PROOFS, lambda _: log.prove(chosen.randrange(size)))
        rows += _percentiles("inclusion proof", inclusion)
        # Nobody else uses it: the same reading as the writer's, for witnesses that are behind.
        writer = log._opened()
        growth = _times(PROOFS, lambda _: consistency_path(chosen.randrange(1, size), size, writer.hashes()))
        rows += _percentiles("consistency proof", growth)
        found = _times(PROOFS, lambda _: log.under(f"case/2026-{chosen.randrange(size // 10):07}/"))
        rows += _percentiles("the steps of one case", found)
        rows += _percentiles("the first 1,000 of all steps", _times(10, lambda _: log.under("case/")))
        progress("serving")
        rows += _serving(public, size, chosen)
        rows.append(_memory("memory while writing, proving and serving"))
        trust = Trust(log.key)

    progress("verifying all of it")
    began = time.perf_counter()
    checked = check(FolderSource(public), trust, whole=True)
    verifying = time.perf_counter() - began
    if not checked.sound:
        raise RempartError(f"the log is not sound: {checked.faults[0]}")
    rows.append(Row(name="verify everything", value=verifying, unit="s"))
    rows.append(Row(name="verify everything", value=size / verifying, unit="entries/s"))
    rows.append(_memory("memory after verifying everything"))
    rows += _disk(public, keeping, size)
    return BenchReport(
        bench="log",
        rows=tuple(rows),
        bars=(
            at_most("inclusion proof, p99, ms", PROOF_BAR_MS, _ms(inclusion, 0.99)),
            at_most("open, s", OPEN_BAR_S, opening),
        ),
    )


def _serving(public: Path, size: int, chosen: random.Random) -> list[Row]:
    """Files of the log fetched over a socket, one after the other over one connection."""
    port = free_port()
    with listening_at("127.0.0.1", port) as listener:
        running = server(log_application(public, lambda: size))
        thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])))
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

                def get(level: int | None) -> None:
                    tile = Tile(level, chosen.randrange(size // WIDTH))
                    client.get(f"/{tile.path}").raise_for_status()

                tiles = _times(PROOFS, lambda _: get(0))
                entries = _times(PROOFS, lambda _: get(ENTRIES))
        finally:
            running.should_exit = True
            thread.join(30)
    return [
        *_percentiles("GET a tile of hashes", tiles),
        *_percentiles("GET 256 entries, compressed", entries),
    ]


def _memory(name: str) -> Row:
    return Row(name=name, value=psutil.Process().memory_info().rss / 2**20, unit="MiB")


def _step(number: int) -> Step:
    salt = number.to_bytes(32, "big")
    return Step(
        id=f"case/2026-{number // 10:07}/{number % 10}",
        kind="decision",
        at=_AT,
        public={"policy": "2026-01", "remedy": "warning", "reasons": _REASONS, "arbiters": ["a", "b", "c"]},
        sealed={"reporter": seal("reporter", b"", salt), "evidence": seal("evidence", b"", salt)},
    )


def _times(number: int, call: Callable[[int], object]) -> list[float]:
    taken = []
    for at in range(number):
        began = time.perf_counter()
        call(at)
        taken.append(time.perf_counter() - began)
    return taken


def _percentiles(name: str, seconds: Sequence[float]) -> list[Row]:
    note = f"p99 {_ms(seconds, 0.99):.1f} ms"
    return [Row(name=name, value=_ms(seconds, 0.5), unit="ms", note=note)]


def _ms(seconds: Sequence[float], share: float) -> float:
    return (percentile(seconds, share) or 0.0) * 1000


def _disk(public: Path, keeping: Path, size: int) -> list[Row]:
    rows = []
    for name, folder in (("the log's files", public), ("index and key", keeping)):
        files = [path.stat() for path in folder.rglob("*") if path.is_file()]
        octets = sum(one.st_blocks * 512 for one in files)
        note = f"{len(files):,} files, {octets / size:.0f} bytes an entry"
        rows.append(Row(name=f"disk: {name}", value=octets / 2**20, unit="MiB", note=note))
    return rows
