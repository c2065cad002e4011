"""From the disk to the kernel: lists that a kernel has forgotten, after a restart of the machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rempart.engines.shield.lists import PrefixList
from rempart.engines.shield.store import ListStore, SpoiltList


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of one list."""

    entries: int
    fault: str
    """In words, when the files were damaged: they were moved aside, and the list begins empty."""


def restore(target: PrefixList, store: ListStore) -> Restored:
    """Put what is on disk and has not expired into the kernel.

    A damaged list protects nobody, and must keep nobody from being protected by everything else: it is moved
    aside and told. Raises EnvironmentLacks when files may not be read, BpfFailed when the list is full.
    """
    now = time.time_ns()
    try:
        living = store.load().living(now)
    except SpoiltList as error:
        aside = store.set_aside(now)
        return Restored(0, f"{error.message}; it was moved to {aside}, and the list begins empty")
    return Restored(target.add(living) if len(living) else 0, "")
