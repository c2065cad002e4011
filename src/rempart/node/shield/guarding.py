"""Keeping the program on its interfaces: ``(guards, event, now) → (guards, instructions)``. Pure.

Where it stands: the part looks every two seconds at what is attached where and carries out what is decided
here. What must not happen is that protection is off and nobody is told: every change is an instruction to say
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

RETRY_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Guard:
    """One interface that shall have the program, and what is known of it."""

    name: str
    index: int | None = None
    mode: str = ""
    """How it is attached: native, generic; empty when it is not."""
    since: datetime | None = None
    reason: str = "not tried yet"
    """Why it is not attached; empty when it is."""
    failures: int = 0
    due: float = 0.0
    """When it is tried again."""
    lost: int = 0
    """How often somebody else has taken it off."""

    @property
    def attached(self) -> bool:
        return bool(self.mode)


Guards = tuple[Guard, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """These interfaces shall be guarded from now on."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """What is there: interface -> its index, and the id of the program on it (None: none). ``ours``: the id
    of our program."""

    found: Mapping[str, tuple[int, int | None]]
    ours: int


@dataclass(frozen=True, slots=True)
class Attached:
    """It was attached, or was found attached (``since`` when then)."""

    name: str
    index: int
    mode: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """It could not be attached."""

    name: str
    reason: str


Event = Wanted | Looked | Attached | Refused


@dataclass(frozen=True, slots=True)
class Attach:
    """Attach the program to this interface."""

    name: str
    index: int


@dataclass(frozen=True, slots=True)
class Detach:
    """Take the program off this interface."""

    name: str


@dataclass(frozen=True, slots=True)
class Say:
    """A line for the log: ``alarm`` when protection is off that should be on."""

    words: str
    interface: str
    alarm: bool
    reason: str = ""


Instruction = Attach | Detach | Say


def retry_seconds(failures: int) -> float:
    """2, 4, 8 … 60."""
    return min(2.0 * 2.0 ** min(failures - 1, 10), RETRY_SECONDS_MAX) if failures > 0 else 0.0


def step(guards: Guards, event: Event, now: float) -> tuple[Guards, tuple[Instruction, ...]]:
    """The guards after ``event``, and what to do about it."""
    match event:
        case Wanted():
            known = {guard.name: guard for guard in guards}
            gone = [name for name in known if name not in event.names]
            return tuple(known.get(name, Guard(name)) for name in event.names), tuple(map(Detach, gone))
        case Looked():
            changed = [_looked(guard, event, now) for guard in guards]
            return tuple(guard for guard, _ in changed), tuple(one for _, ones in changed for one in ones)
        case Attached():
            said = Say("attached", event.name, alarm=False, reason=event.mode)
            return _with(
                guards,
                event.name,
                lambda guard: replace(
                    guard, index=event.index, mode=event.mode, since=event.since, reason="", failures=0
                ),
            ), (said,)
        case Refused():
            before = next((guard for guard in guards if guard.name == event.name), None)
            again = before is not None and before.reason == event.reason
            after = _with(guards, event.name, lambda guard: _failed(guard, event.reason, now))
            return after, () if again else (
                Say("cannot attach", event.name, alarm=True, reason=event.reason),
            )


def _looked(guard: Guard, event: Looked, now: float) -> tuple[Guard, tuple[Instruction, ...]]:
    if guard.name not in event.found:
        reason = "there is no such interface"
        if guard.reason == reason:
            return guard, ()
        said = Say("cannot attach", guard.name, alarm=True, reason=reason)
        return replace(guard, index=None, mode="", since=None, reason=reason, failures=0, due=now), (said,)
    index, program = event.found[guard.name]
    if guard.attached and guard.index == index and program == event.ours:
        return guard, ()
    instructions: tuple[Instruction, ...] = ()
    if guard.attached:
        # Taken off by somebody, or another interface has the name now.
        reason = "another program is attached" if program is not None else "the program was taken off"
        guard = replace(guard, mode="", since=None, reason=reason, failures=0, due=now, lost=guard.lost + 1)
        instructions = (Say("lost", guard.name, alarm=True, reason=reason),)
    if guard.due > now:
        return guard, instructions
    return guard, (*instructions, Attach(guard.name, index))


def _failed(guard: Guard, reason: str, now: float) -> Guard:
    failures = guard.failures + 1
    return replace(
        guard, mode="", since=None, reason=reason, failures=failures, due=now + retry_seconds(failures)
    )


def _with(guards: Guards, name: str, change: Callable[[Guard], Guard]) -> Guards:
    return tuple(change(guard) if guard.name == name else guard for guard in guards)
