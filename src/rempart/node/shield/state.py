"""What the packet shield says about itself: one file, written by its part each second, read by everybody.

Where it stands: ``rempart status``, the node's metrics and the line that says Rempart is ready read it; where
the part does not run ``rempart up`` writes why. Its writer is a user that may be compromised, so readers
bound what they take.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field, ValidationError

from rempart.model.base import Value
from rempart.model.configuration import StatePaths
from rempart.node.parts import SHIELD, read_part
from rempart.node.state_folders import read_plain

STALE = timedelta(seconds=15)
"""A running part that has not written for so long is stuck."""
NAME = "packet shield"
STARTING = "it is being started"


class InterfaceView(Value):
    """One interface that shall be guarded."""

    name: str
    mode: str
    """``native``, ``generic``; empty: it is not guarded."""
    since: datetime | None = None
    reason: str = ""
    """Why it is not."""
    lost: int = 0
    """How often the program was taken off from outside since the part started."""


class ReasonCount(Value):
    """How many packets ended with one reason."""

    reason: str
    packets: int
    bytes: int
    packets_per_second: float = 0.0
    bytes_per_second: float = 0.0


class SampledSource(Value):
    """A source among the sampled dropped packets of the last seconds."""

    source: str
    reason: str
    packets_per_second: float
    """Estimated from the samples."""


class ListSizes(Value):
    """Entries of the lists."""

    allowed: int = 0
    blocked: int = 0
    rules: int = 0


class ShieldState(Value):
    """The packet shield at one moment."""

    wanted: bool
    """Whether not to have it is a fault."""
    on: bool
    """Every interface that shall be guarded is."""
    reason: str = ""
    """Why it is not, or not everywhere."""
    at: datetime
    started: datetime | None = None
    interfaces: tuple[InterfaceView, ...] = Field(default=(), max_length=64)
    unfiltered: tuple[str, ...] = Field(default=(), max_length=64)
    """Addresses of ours that are too many for the program, in words: what goes to them passes."""
    counts: tuple[ReasonCount, ...] = Field(default=(), max_length=64)
    lists: ListSizes = ListSizes()
    syn_cookies: bool = False
    """Whether they are made now."""
    dns_challenge: bool = False
    lost_samples: int = 0
    lost_captures: int = 0
    sources: tuple[SampledSource, ...] = Field(default=(), max_length=64)

    @property
    def dropped_per_second(self) -> float:
        return sum(one.packets_per_second for one in self.counts if one.reason.startswith("DROP_"))

    @property
    def line(self) -> str:
        """``on (eth0 native), 17 dropped/s``, or ``off — REASON``; what stands after "packet shield: "."""
        guarded = ", ".join(f"{one.name} {one.mode}" for one in self.interfaces if one.mode)
        if not guarded:
            return f"off — {self.reason}"
        words = f"on ({guarded}), {self.dropped_per_second:,.0f} dropped/s"
        if self.unfiltered:
            words += f"; NOT for {', '.join(self.unfiltered)}"
        return words if self.on else f"{words}; NOT everywhere: {self.reason}"


def off_state(reason: str, *, wanted: bool) -> ShieldState:
    return ShieldState(wanted=wanted, on=False, reason=reason, at=datetime.now(UTC))


def write_state(path: Path, state: ShieldState) -> None:
    """Replace the file; whoever reads sees the old or the new one. As root too, in a folder of another
    user."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o644)
        file.write(state.model_dump_json() + "\n")
    fresh.replace(path)


def read_state(paths: StatePaths) -> ShieldState | None:
    """What the part last said; None when nobody ever has, or it cannot be read.

    When the part is not there to look, what it said holds no longer: that nobody watches is the reason then.
    """
    try:
        state = ShieldState.model_validate_json(read_plain(paths.shield_state))
    except (OSError, ValidationError):
        return None
    if not state.interfaces and not state.on:
        return state
    part = read_part(paths, SHIELD)
    if part is None or not part.up:
        left = "what it left attached goes on, and nobody watches over it"
        return state.model_copy(update={"on": False, "reason": f"its process is not running; {left}"})
    if datetime.now(UTC) - state.at > STALE:
        return state.model_copy(
            update={"on": False, "reason": f"its process has said nothing since {state.at:%H:%M:%S}"}
        )
    return state


def problem(state: ShieldState) -> str | None:
    """What is wrong, for ``rempart status``; None when nothing is, or it need not be on."""
    return f"{NAME}: {state.reason}" if state.wanted and not state.on else None


def off_words(state: ShieldState | None) -> str | None:
    """``packet shield: REASON`` where nothing is guarded; None where something is."""
    if state is None:
        return f"{NAME}: never started"
    return f"{NAME}: {state.reason}" if not any(one.mode for one in state.interfaces) else None
