"""What the public log says of itself: to who appends, to who wants to know, to who watches over it."""

from __future__ import annotations

from datetime import datetime

from rempart.model.base import Value


class Appended(Value):
    """Where a step is in the log."""

    index: int
    checkpoint: str
    """A signed note under which the step is in the log; with cosignatures where there are witnesses."""


class WitnessState(Value):
    """What the log knows of one of its witnesses."""

    name: str
    url: str
    key: str
    size: int | None = None
    """The size it has cosigned last."""
    problem: str | None = None


class LogState(Value):
    """How the log is."""

    origin: str
    key: str
    previous_key: str | None = None
    """The key before, while both sign; see ``rempart log rotate-key``."""
    size: int
    published: int | None
    """The size that everybody sees."""
    checkpoint: str | None
    folder: str
    witnesses: tuple[WitnessState, ...]
    required: int


class LogHealth(Value):
    """How the log is, as of the last thing that was done with it: told at once, whatever it waits for."""

    size: int | None = None
    """None: it was not opened yet."""
    published: int | None = None
    published_at: datetime | None = None
    """When the checkpoint that everybody reads was written."""
    cosigned: int = 0
    """Witnesses whose cosignature it bears."""
    required: int = 0
    witnesses: tuple[WitnessState, ...] = ()
    problem: str | None = None
    """Why nothing could be appended or published the last time; None: it could, or nobody tried."""
    since: datetime | None = None
    """Since when that is so."""
