"""Steady traffic with a memory: how long was a service gone, as those who asked it saw it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rempart.model.base import Value


class Asked(Value):
    """One question: when it began and ended (monotonic seconds), and whether it was answered well."""

    began: float
    ended: float
    ok: bool


class Steady:
    """Asks ``probe`` every ``interval`` seconds from a thread of its own while the block runs.

    ``probe`` returns whether it was answered well; what it raises as OSError counts as not.
    """

    def __init__(self, probe: Callable[[], bool], interval: float = 0.02) -> None:
        self._probe, self._interval = probe, interval
        self._stop = threading.Event()
        self._asked: list[Asked] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                ok = self._probe()
            except OSError:
                ok = False
            self._asked.append(Asked(began=began, ended=time.monotonic(), ok=ok))
            self._stop.wait(self._interval)

    @property
    def asked(self) -> tuple[Asked, ...]:
        return tuple(self._asked)

    @property
    def failed(self) -> int:
        return sum(not question.ok for question in self._asked)

    def longest_gap(self, since: float = 0.0) -> float:
        """The longest time, in seconds, from a first failed question after ``since`` to the next good one.

        Infinite when the service had not come back by the last question.
        """
        longest, down = 0.0, None
        for question in self._asked:
            if question.began < since:
                continue
            if not question.ok and down is None:
                down = question.began
            elif question.ok and down is not None:
                longest, down = max(longest, question.ended - down), None
        return float("inf") if down is not None else longest

    def wait_for(self, answers: int, *, seconds: float = 15.0) -> bool:
        """True once ``answers`` questions in a row, begun from now on, were answered well."""
        now = time.monotonic()
        while time.monotonic() < now + seconds:
            last = [question for question in self._asked[-answers:] if question.began >= now]
            if len(last) == answers and all(question.ok for question in last):
                return True
            time.sleep(0.02)
        return False
