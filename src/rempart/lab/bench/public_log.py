"""``rempart bench log``: a log of a million steps is written, proven from, opened again and verified.

Steps are of the length that a decision's has. What is written in bulk goes through the same `PublicLog` as a
single step, thousands at a time; single steps are timed at the end, when the log is at its largest.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rempart.controller.transparency.checking import Trust, check
from rempart.controller.transparency.public_log import PublicLog
from rempart.controller.transparency.sources import FolderSource
from rempart.governance.log.step import Step, seal
from rempart.governance.log.tree import consistency_path
from rempart.lab.bench.report import BenchReport, Row
from rempart.lab.figures import at_most, percentile
from rempart.model.errors import RempartError
from rempart.model.log_settings import LogSection

BATCH = 5_000
SINGLE = 100
PROOFS = 300
PROOF_BAR_MS = 20.0
"""A proof belongs on a page that a person waits for."""
OPEN_BAR_S = 5.0
_AT = datetime(2026, 3, 1, tzinfo=UTC)
_REASONS = (
    "The pages sold goods under a name that is not the seller's; the owner was asked twice and answered once."
)

Progress = Callable[[str], None]


def run(entries: int = 1_000_000, progress: Progress = lambda _: None) -> BenchReport:
    """Measure with a log of so many entries, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="rp-bench-log-") as folder:
        return _run(Path(folder), entries, progress)


def _run(folder: Path, entries: int, progress: Progress) -> BenchReport:
    public, keeping = folder / "public", folder / "keeping"
    settings = LogSection(origin="log.example/bench")
    rows: list[Row] = []
    with PublicLog(public, keeping, settings) as log:
        writing = 0.0
        for first in range(0, entries, BATCH):
            steps = [_step(at) for at in range(first, min(first + BATCH, entries))]
            began = time.perf_counter()
            log.append_all(steps)
            writing += time.perf_counter() - began
            progress(f"{first + len(steps):,} of {entries:,} entries written")
        rows.append(Row(name=f"append, {BATCH:,} at a time", value=entries / writing, unit="entries/s"))

        progress("single steps")
        single = _times(SINGLE, lambda at: log.append(_step(entries + at)))
        rows += _percentiles("append, one at a time, on the disk and published", single)
        again = _times(SINGLE, lambda at: log.append(_step(entries + at)))
        rows += _percentiles("append of a step that is there", again)

        progress("proofs")
        chosen = random.Random(1)
        size = entries + SINGLE
        inclusion = _times(PROOFS, lambda _: log.prove(chosen.randrange(size)))
        rows += _percentiles("inclusion proof", inclusion)
        trust = Trust(log.key)

    began = time.perf_counter()
    with PublicLog(public, keeping, settings) as log:
        if log.state().size != size:
            raise RempartError("the log is not as long as what was written")
        opening = time.perf_counter() - began
        rows.append(Row(name="open", value=opening, unit="s"))
        # From here on nobody else uses it: the same reading as the writer's, for witnesses that are behind.
        writer = log._opened()
        growth = _times(PROOFS, lambda _: consistency_path(chosen.randrange(1, size), size, writer.hashes()))
        rows += _percentiles("consistency proof", growth)

    progress("verifying all of it")
    began = time.perf_counter()
    checked = check(FolderSource(public), trust, whole=True)
    verifying = time.perf_counter() - began
    if not checked.sound:
        raise RempartError(f"the log is not sound: {checked.faults[0]}")
    rows.append(Row(name="verify everything", value=verifying, unit="s"))
    rows.append(Row(name="verify everything", value=size / verifying, unit="entries/s"))
    rows += _disk(public, keeping, size)
    return BenchReport(
        bench="log",
        rows=tuple(rows),
        bars=(
            at_most("inclusion proof, p99, ms", PROOF_BAR_MS, _ms(inclusion, 0.99)),
            at_most("open, s", OPEN_BAR_S, opening),
        ),
    )


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
