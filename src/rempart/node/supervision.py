"""Which part to start, stop or leave alone: ``(state, event, now) → (state, instructions)``. Pure.

Where it stands: ``supervisor.py`` turns what happens to processes into events, asks ``step``, and carries
the instructions out. Time is seconds on any monotonic clock. A part runs at most once: ``Start`` is only
ever given for a part whose process is known to be gone.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

STABLE_SECONDS = 20.0
"""A part that ran this long starts with a clean record."""
BACKOFF_FIRST_SECONDS = 0.25
BACKOFF_MAX_SECONDS = 15.0


class Phase(StrEnum):
    """Where a part is in its life."""

    IDLE = "idle"
    """Waits for its boot file."""
    RUNNING = "running"
    WAITING = "waiting"
    """Dead; will be started when its backoff is over."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Down for good, because all is going down."""


@dataclass(frozen=True, slots=True)
class StopStep:
    """One signal, and how many seconds it gets before the next one follows."""

    signal: signal.Signals
    seconds: float


@dataclass(frozen=True, slots=True)
class PartRule:
    """What never changes about a part."""

    name: str
    stop: tuple[StopStep, ...]
    hurry: tuple[StopStep, ...]
    replace_outdated: bool
    """Replaced when found running in another version. Engines are not: they serve visitors."""
    hand_over: tuple[StopStep, ...] = ()
    """How it is told to end when its next process follows at once; empty: as at the end of all."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part now."""

    rule: PartRule
    phase: Phase = Phase.IDLE
    since: float = 0.0
    """When the phase began."""
    due: float | None = None
    """WAITING: when it starts. STOPPING: when the next signal is sent."""
    failures: int = 0
    """Exits in a row, none of them after STABLE_SECONDS."""
    starts: int = 0
    steps: tuple[StopStep, ...] = ()
    """STOPPING: signals still to be sent."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """All parts, in the order in which they are drained."""

    parts: tuple[Part, ...]
    draining: bool = False
    hurried: bool = False
    finished: bool = False

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.rule.name == name)


# --- events ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A process of this part, left by an earlier supervisor, is running."""

    part: str
    current: bool
    """Same version and configuration as ours."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The part has all it needs to start: its boot file exists, or it needs none."""

    part: str


@dataclass(frozen=True, slots=True)
class Replace:
    """The part's process must not go on as it is: it has privileges that it would not be started with."""

    part: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The part's process is gone, or could not be started at all."""

    part: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Terminate:
    """All shall go down. The second time: now, without waiting for visitors."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """The supervisor shall end and leave every part running, for the next one to adopt."""


Event = Found | Ready | Replace | Exited | Tick | Terminate | HandOver

# --- instructions ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Start the part's process."""

    part: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Watch the running process as if it were our own."""

    part: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send a signal to the part's process."""

    part: str
    signal: signal.Signals


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left to do: the supervisor ends."""


Instruction = Start | Adopt | Send | Finish


def backoff(failures: int) -> float:
    """Seconds to wait before the next start after ``failures`` exits in a row: 0, ¼, ½, 1, 2 … 15."""
    if failures <= 1:
        return 0.0
    return float(min(BACKOFF_FIRST_SECONDS * 2.0 ** min(failures - 2, 30), BACKOFF_MAX_SECONDS))


def next_due(state: Supervision) -> float | None:
    """When the next Tick is needed; None when only events from outside matter."""
    return min((part.due for part in state.parts if part.due is not None), default=None)


def step(state: Supervision, event: Event, now: float) -> tuple[Supervision, tuple[Instruction, ...]]:
    """The state after ``event``, and what to do about it. Events that do not fit the state change nothing."""
    if state.finished:
        return state, ()
    match event:
        case Found():
            return _found(state, event, now)
        case Ready():
            part = state.part(event.part)
            if state.draining or part.phase is not Phase.IDLE:
                return state, ()
            return _with(state, _started(part, now)), (Start(event.part),)
        case Replace():
            part = state.part(event.part)
            if state.draining or part.phase is not Phase.RUNNING:
                return state, ()
            # Waiting for visitors would keep new ones out all the while.
            stopping, instructions = _stopping(part, part.rule.hand_over or part.rule.hurry, now)
            return _with(state, stopping), tuple(instructions)
        case Exited():
            return _exited(state, event, now)
        case Tick():
            return _ticked(state, now)
        case Terminate():
            return _terminated(state, now)
        case HandOver():
            if state.draining:
                return state, ()
            return replace(state, finished=True), (Finish(),)


def _found(state: Supervision, event: Found, now: float) -> tuple[Supervision, tuple[Instruction, ...]]:
    part = state.part(event.part)
    if state.draining or part.phase is not Phase.IDLE:
        return state, ()
    adopted = replace(part, phase=Phase.RUNNING, since=now, starts=part.starts + 1)
    if event.current or not part.rule.replace_outdated:
        return _with(state, adopted), (Adopt(event.part),)
    stopping, instructions = _stopping(adopted, part.rule.hand_over or part.rule.stop, now)
    return _with(state, stopping), (Adopt(event.part), *instructions)


def _exited(state: Supervision, event: Exited, now: float) -> tuple[Supervision, tuple[Instruction, ...]]:
    part = state.part(event.part)
    if part.phase not in (Phase.RUNNING, Phase.STOPPING):
        return state, ()
    if state.draining:
        return _drained(_with(state, _stopped(part, now)), now)
    if part.phase is Phase.STOPPING:
        return _with(state, _started(replace(part, failures=0), now)), (Start(event.part),)
    failures = 1 if now - part.since >= STABLE_SECONDS else part.failures + 1
    part = replace(part, failures=failures)
    wait = backoff(failures)
    if wait == 0.0:
        return _with(state, _started(part, now)), (Start(event.part),)
    return _with(state, replace(part, phase=Phase.WAITING, since=now, due=now + wait)), ()


def _ticked(state: Supervision, now: float) -> tuple[Supervision, tuple[Instruction, ...]]:
    instructions: list[Instruction] = []
    for part in state.parts:
        if part.due is None or part.due > now:
            continue
        if part.phase is Phase.WAITING:
            state = _with(state, _started(part, now))
            instructions.append(Start(part.rule.name))
        else:
            stopping, signals = _stopping(part, part.steps, now)
            state = _with(state, stopping)
            instructions += signals
    return state, tuple(instructions)


def _terminated(state: Supervision, now: float) -> tuple[Supervision, tuple[Instruction, ...]]:
    if not state.draining:
        parts = tuple(
            _stopped(part, now) if part.phase in (Phase.IDLE, Phase.WAITING) else part for part in state.parts
        )
        return _drained(replace(state, parts=parts, draining=True), now)
    if state.hurried:
        return state, ()
    instructions: list[Instruction] = []
    state = replace(state, hurried=True)
    for part in state.parts:
        if part.phase in (Phase.RUNNING, Phase.STOPPING):
            stopping, signals = _stopping(part, part.rule.hurry, now)
            state = _with(state, stopping)
            instructions += signals
    return state, tuple(instructions)


def _drained(state: Supervision, now: float) -> tuple[Supervision, tuple[Instruction, ...]]:
    """One part after the other: the next is stopped when the one before is gone."""
    for part in state.parts:
        if part.phase is Phase.STOPPING:
            return state, ()
        if part.phase is Phase.RUNNING:
            stopping, signals = _stopping(part, part.rule.stop, now)
            return _with(state, stopping), tuple(signals)
    return replace(state, finished=True), (Finish(),)


def _stopping(part: Part, steps: tuple[StopStep, ...], now: float) -> tuple[Part, list[Instruction]]:
    if not steps:
        # Everything was sent already; only the kernel can still be holding it. Say the last word again.
        steps = part.rule.hurry[-1:]
    first, *rest = steps
    since = part.since if part.phase is Phase.STOPPING else now
    stopping = replace(part, phase=Phase.STOPPING, since=since, due=now + first.seconds, steps=tuple(rest))
    return stopping, [Send(part.rule.name, first.signal)]


def _started(part: Part, now: float) -> Part:
    return replace(part, phase=Phase.RUNNING, since=now, due=None, steps=(), starts=part.starts + 1)


def _stopped(part: Part, now: float) -> Part:
    return replace(part, phase=Phase.STOPPED, since=now, due=None, steps=())


def _with(state: Supervision, part: Part) -> Supervision:
    return replace(state, parts=tuple(_replaced(state.parts, part)))


def _replaced(parts: tuple[Part, ...], part: Part) -> Iterator[Part]:
    for other in parts:
        yield part if other.rule.name == part.rule.name else other
