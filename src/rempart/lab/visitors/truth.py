"""Truths of visitors on disk: written by their process as they happen, read by the runner at any time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rempart.lab.visitors.contract import LAG_FILE, TRUTH_FILE, Kind, Outcome, Truth


def line(truth: Truth) -> str:
    """A truth as a line of ``TRUTH_FILE``."""
    return (
        f"{truth.intended:.6f}\t{truth.ended:.6f}\t{truth.visit}\t{truth.kind}\t{truth.address}\t{truth.method}"
        f"\t{truth.path}\t{truth.outcome}\t{truth.status}\t{truth.challenges}\n"
    )


def read_truths(folder: Path) -> Iterator[Truth]:
    """All truths so far; a last line that is not finished is left out."""
    file = folder / TRUTH_FILE
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for text in lines:
            if (truth := parsed(text)) is not None:
                yield truth


def parsed(text: str) -> Truth | None:
    """The truth of a whole line, None of half a one."""
    parts = text.rstrip("\n").split("\t")
    if len(parts) != 10 or not text.endswith("\n"):
        return None
    return Truth(
        intended=float(parts[0]),
        ended=float(parts[1]),
        visit=int(parts[2]),
        kind=Kind(parts[3]),
        address=parts[4],
        method=parts[5],
        path=parts[6],
        outcome=Outcome(parts[7]),
        status=int(parts[8]),
        challenges=int(parts[9]),
    )


def worst_lag(folder: Path, since: float, until: float) -> float | None:
    """The latest the visitors' own clock was between two moments, in seconds; None when it was not
    watched."""
    file = folder / LAG_FILE
    worst = None
    for text in file.read_text().splitlines() if file.exists() else ():
        at, _, late = text.partition("\t")
        if late and since <= float(at) <= until:
            worst = max(worst or 0.0, float(late))
    return worst
