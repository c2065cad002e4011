"""The journal of one layer: what stands now in one file, what is over in another. The rim.

``now.json`` is replaced whole, ``history.jsonl`` grows by a line and is cut to its bounds now and then.
Their writer is a part's user that may be compromised, so readers bound what they take.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from rempart.model.attacks import Layer
from rempart.model.base import Value
from rempart.model.configuration import DefenceSection, StatePaths
from rempart.node.defending.entries import (
    Account,
    AttackEntry,
    Entry,
    attack_for_history,
    for_history,
    highest,
)
from rempart.node.state_folders import read_plain

NOW, HISTORY = "now.json", "history.jsonl"
NOW_BYTES_MAX = 8 * 1024 * 1024
HISTORY_BYTES_MAX = 256 * 1024 * 1024
MODE = 0o640
"""Whatever the umask: the node reads it for its metrics."""


class Past(Value):
    """A line of the history: one of the two."""

    mitigation: Entry | None = None
    attack: AttackEntry | None = None

    @property
    def over(self) -> datetime:
        ended = self.mitigation.ended if self.mitigation else self.attack.end if self.attack else None
        return ended or datetime.min.replace(tzinfo=UTC)


def folder_of(paths: StatePaths, layer: Layer) -> Path:
    return paths.packet_journal if layer is Layer.PACKET else paths.request_journal


def read_account(paths: StatePaths, layer: Layer) -> Account | None:
    """What one loop says of now; None when it has never said anything, or nothing that can be read."""
    try:
        return Account.model_validate_json(read_plain(folder_of(paths, layer) / NOW, NOW_BYTES_MAX))
    except (OSError, ValidationError):
        return None


def read_accounts(paths: StatePaths) -> tuple[Account, ...]:
    """Of all layers that have one."""
    return tuple(found for layer in Layer if (found := read_account(paths, layer)) is not None)


def read_history(paths: StatePaths, layer: Layer) -> list[Past]:
    """What is over, oldest first. Lines that cannot be read are left out."""
    try:
        text = read_plain(folder_of(paths, layer) / HISTORY, HISTORY_BYTES_MAX)
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            found.append(Past.model_validate_json(line))
        except ValidationError:
            continue
    return found


class Journal:
    """The writer's side."""

    def __init__(self, paths: StatePaths, layer: Layer, section: DefenceSection) -> None:
        self._paths = paths
        self._folder = folder_of(paths, layer)
        self._layer = layer
        self._section = section
        self._lines = 0

    def opened(self, wall: datetime) -> Account:
        """What was written last, for the process that goes on; history is cut to its bounds. Raises
        OSError."""
        kept = self._within(read_history(self._paths, self._layer), wall)
        self._rewrite(kept)
        before = read_account(self._paths, self._layer) or Account(layer=self._layer, at=wall)
        known = highest(one.mitigation for one in kept if one.mitigation is not None)
        return before.model_copy(update={"next": max(before.next, highest(before.standing) + 1, known + 1)})

    def write(self, account: Account) -> None:
        """Replace what stands now. Raises OSError."""
        path = self._folder / NOW
        fresh = path.with_name(f".{NOW}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
        # No fsync: what a crash of the machine takes is what the machine no longer does, and the disk must
        # not hold the loop up.
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, MODE)
            file.write(account.model_dump_json() + "\n")
        fresh.replace(path)

    def over(self, entries: Iterable[Entry], attacks: Iterable[AttackEntry], wall: datetime) -> None:
        """Add what has ended. Raises OSError."""
        lines = [
            *(Past(mitigation=for_history(one)) for one in entries),
            *(Past(attack=attack_for_history(one)) for one in attacks),
        ]
        if not lines:
            return
        self._append(lines)
        if self._lines > 2 * self._section.history_entries:
            self._rewrite(self._within(read_history(self._paths, self._layer), wall))

    def _within(self, lines: list[Past], wall: datetime) -> list[Past]:
        oldest = wall - timedelta(days=self._section.history_days)
        return [one for one in lines if one.over >= oldest][-self._section.history_entries :]

    def _append(self, lines: list[Past]) -> None:
        descriptor = os.open(
            self._folder / HISTORY, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, MODE
        )
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, MODE)
            file.write(_text(lines))
        self._lines += len(lines)

    def _rewrite(self, lines: list[Past]) -> None:
        fresh = self._folder / f".{HISTORY}.new"
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, MODE)
            file.write(_text(lines))
        fresh.replace(self._folder / HISTORY)
        self._lines = len(lines)


def _text(lines: Iterable[Past]) -> str:
    return "".join(one.model_dump_json(exclude_none=True) + "\n" for one in lines)
