"""From the disk to the kernel: lists that a kernel has forgotten, after a restart of the machine."""

from __future__ import annotations

import time

from rempart.engines.shield.lists import PrefixList
from rempart.engines.shield.store import ListStore, SpoiltList


def compact(store: ListStore) -> str:
    """Forget what has expired; words when the files were damaged, and "" otherwise.

    A damaged list protects nobody, and must keep nobody from being protected by everything else: it is moved
    aside, and the list begins empty. For who may move files in the folder. Raises EnvironmentLacks when files
    may not be read.
    """
    if not (store.list_path.exists() or store.journal_path.exists()):
        return ""
    now = time.time_ns()
    try:
        store.compact(now)
    except SpoiltList as error:
        aside = store.set_aside(now)
        return f"{error.message}; it was moved to {aside}, and the list begins empty"
    return ""


def restore(target: PrefixList, store: ListStore) -> int:
    """Put what is on disk and has not expired into the kernel; how many entries.

    Raises SpoiltList when the files are damaged, EnvironmentLacks when they may not be read, BpfFailed when
    the list is full.
    """
    living = store.load().living(time.time_ns())
    return target.add(living) if len(living) else 0
