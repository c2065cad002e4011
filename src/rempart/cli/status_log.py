"""The public log in ``rempart status``."""

from __future__ import annotations

from collections.abc import Iterator

from rempart.cli.output import counted
from rempart.controller.admin_api.messages import LogStatus

PATIENCE_S = 30
"""Steps are a moment on their way into the log; whoever waits longer waits for something."""


def line(log: LogStatus) -> str:
    """How it is, in one line."""
    health = log.health
    if health.size is None:
        return "public log: not opened yet"
    parts = [_counted(health.size, "entry", "entries")]
    if log.age_s is not None:
        parts.append(f"checkpoint {age(log.age_s)} old")
    if health.witnesses:
        parts.append(
            f"cosigned by {health.cosigned} of {_counted(len(health.witnesses), 'witness', 'witnesses')}"
        )
    if log.waiting:
        parts.append(f"{_waiting(log)}")
    return f"public log: {', '.join(parts)}"


def problems(log: LogStatus) -> Iterator[str]:
    """What is wrong with it, and what that means."""
    health = log.health
    waits = f"; {_waiting(log)}" if log.waiting else ""
    if health.problem is not None:
        since = "" if health.since is None else f" since {health.since:%Y-%m-%d %H:%M} UTC"
        yield f"PUBLIC LOG OUT OF REACH{since}, no step of a case has an effect{waits}: {health.problem}"
    elif log.waiting and (log.waiting_s or 0) > PATIENCE_S:
        yield f"the public log is behind: {_waiting(log)}, the oldest for {age(log.waiting_s or 0)}"
    for one in health.witnesses:
        if one.problem is not None:
            yield f"the witness {one.name} {one.problem}"


def age(seconds: int) -> str:
    """Seconds in words."""
    for length, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * length:
            return counted(seconds // length, name)
    return counted(seconds, "second")


def _waiting(log: LogStatus) -> str:
    return _counted(log.waiting, "step waits", "steps wait")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
