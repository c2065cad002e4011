"""What happened in the story, in the order of time: who did what, what was then seen from outside, and which
entry of the first operator's public log says so. Nothing here looks; ``story_outside`` does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from rempart.lab.drills.contract import DrillResult
from rempart.model.base import Value
from rempart.model.cases_events import Event as CaseEvent
from rempart.model.cases_events import Lifted, TookEffect, Verified
from rempart.model.cases_kept import CaseStep


class Event(Value):
    """One line of the story."""

    at_s: float
    """Seconds after the story's beginning."""
    who: str
    what: str
    seen: str = ""
    """From outside, by a visitor who asks the resolver and fetches the page; empty: nobody looked."""
    entry: int | None = None
    """Index in the first operator's public log; None: it is no step of the process."""


class StoryResult(DrillResult):
    """A drill's outcome with what happened: the document that ``--json`` prints."""

    timeline: tuple[Event, ...]


class Account:
    """Takes down what happens. Which entry of the log a step became is filled in at the end."""

    def __init__(self) -> None:
        self._began, self._began_utc = time.monotonic(), datetime.now(UTC)
        self._noted: list[tuple[Event, str | None]] = []
        self._taken: Counter[str] = Counter()

    def note(self, who: str, what: str, *, seen: str = "", step: str | None = None) -> None:
        """Something happened just now. ``step``: the id of its step in the log."""
        self._noted.append((Event(at_s=self._now(), who=who, what=what, seen=seen), step))

    def took(self, kind: str, who: str, what: str) -> None:
        """Somebody took a step of the case: the next one of this kind."""
        self._taken[kind] += 1
        self.note(who, what, step=f"{kind} {self._taken[kind]}")

    def events(self, steps: Iterable[CaseStep], others: Mapping[str, int]) -> tuple[Event, ...]:
        """Everything, by time, with what the controller did by itself. ``others``: id of a step that is no
        step of the case → its entry."""
        entries = dict(others)
        found = [(event.at_s, float(place), event, step) for place, (event, step) in enumerate(self._noted)]
        noted = {step: (at, place) for at, place, _, step in found if step is not None}
        count: Counter[str] = Counter()
        last = (0.0, -1.0)
        for one in steps:
            count[one.event.kind] += 1
            step = f"{one.event.kind} {count[one.event.kind]}"
            if one.log_index is not None:
                entries[step] = one.log_index
            if step not in noted:
                # The process has whole seconds; nothing in it is earlier than what it follows.
                at = max(last[0], round((one.at - self._began_utc).total_seconds(), 1))
                who, what, seen = by_itself(one.event)
                noted[step] = (at, last[1] + 0.01)
                found.append((*noted[step], Event(at_s=at, who=who, what=what, seen=seen), step))
            last = noted[step]
        return tuple(
            event if step is None else event.model_copy(update={"entry": entries.get(step)})
            for _, _, event, step in sorted(found, key=lambda one: one[:2])
        )

    def since(self, moment: datetime, now: float) -> float:
        """Seconds from a time of the process to ``now`` (CLOCK_MONOTONIC); negative before it."""
        return now - self._began - (moment - self._began_utc).total_seconds()

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 1)


def by_itself(event: CaseEvent) -> tuple[str, str, str]:
    """(who, what, seen) of a step that nobody took by hand."""
    match event:
        case TookEffect():
            return "controller", "the remedy takes effect: the edge no longer stands before the site", ""
        case Lifted():
            return "controller", "the remedy is lifted", ""
        case Verified(in_force=wanted, seen=seen, observations=words):
            found = "in force" if wanted else "gone"
            verdict = "is" if seen else "IS NOT"
            return "controller", f"looks from outside: the remedy {verdict} {found}", "; ".join(words)
        case _:
            return "controller", event.kind, ""
