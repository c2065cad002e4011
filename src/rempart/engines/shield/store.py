"""A list on disk: what the kernel forgets when the machine restarts.

Two files. ``NAME.list`` holds all entries as they are in memory (``entries``: a million in one read), with a
header and a checksum. ``NAME.journal`` holds what has changed since, in records with a checksum each; when it
has grown long both are written anew as one. Whoever changes them holds ``NAME.lock``, which ends with its
holder. Every change is on the disk when the call returns.

Records that a crash has spoilt at the journal's end are what was never acknowledged, and are passed over.
Anything else that does not add up is damage: ``SpoiltList``.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield.entries import ENTRY4, ENTRY6, Batch, Network, Rows
from rempart.engines.shield.locking import LOCK_SECONDS, lock
from rempart.model.errors import EnvironmentLacks, RempartError

MAGIC = b"RPLIST1\n"
JOURNAL_MAX = 20_000
"""Records after which list and journal are made one."""
HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("generation", "<u8"),
        ("count4", "<u8"),
        ("count6", "<u8"),
        ("crc", "<u4"),
        ("own", "<u4"),
    ]
)
RECORD = np.dtype(
    [
        ("generation", "<u4"),
        ("is_added", "u1"),
        ("family", "u1"),
        ("length", "u1"),
        ("reserved", "u1"),
        ("bytes", "u1", 16),
        ("tag", "<u4"),
        ("until", "<u8"),
        ("crc", "<u4"),
    ]
)
_GENERATIONS = 2**32
_CHECKED = RECORD.itemsize - 4


class SpoiltList(RempartError):
    """A list on disk is damaged. It was not used, and nothing was written to it."""

    slug = "spoilt-list"

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"the list {path} is damaged: {what}",
            hint="put back a copy of it and of its journal, or move both away: the list then begins empty",
        )
        self.path = path


class ListStore:
    """One list's files in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.list_path = folder / f"{name}.list"
        self.journal_path = folder / f"{name}.journal"
        self._lock_path = folder / f"{name}.lock"

    def load(self) -> Batch:
        """All entries, expired ones too; empty when there is no list yet.

        Raises SpoiltList, EnvironmentLacks when the files may not be read.
        """
        with self._locked():
            return self._load()

    def add(self, batch: Batch) -> None:
        """Put entries on the list, in the place of those of equal prefixes. Raises as ``load`` does."""
        with self._locked():
            if len(batch) > JOURNAL_MAX // 2:
                self._write(self._load().joined(batch))
                return
            self._append(_records(batch, is_added=True))

    def remove(self, networks: Iterable[Network]) -> None:
        """Take exactly these prefixes off. Raises as ``load`` does."""
        gone = Batch.of(networks)
        with self._locked():
            if len(gone) > JOURNAL_MAX // 2:
                self._write(self._load().without(one for one, _, _ in gone))
                return
            self._append(_records(gone, is_added=False))

    def compact(self, now: int) -> int:
        """Forget what has expired at ``now`` (Unix nanoseconds); how many entries are left."""
        with self._locked():
            kept = self._load().living(now)
            self._write(kept)
        return len(kept)

    def set_aside(self, now: int) -> Path:
        """Move damaged files out of the way, so that the list begins anew; the list's new name."""
        with self._locked():
            suffix = f".spoilt-{now}"
            for path in (self.list_path, self.journal_path):
                with contextlib.suppress(FileNotFoundError):
                    path.rename(path.with_name(path.name + suffix))
            return self.list_path.with_name(self.list_path.name + suffix)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            descriptor = os.open(self._lock_path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        except OSError as error:
            raise _unreachable(self._lock_path, error) from None
        try:
            lock(descriptor, f"works on {self.list_path}", LOCK_SECONDS)
            yield
        except OSError as error:
            raise _unreachable(self.list_path, error) from None
        finally:
            os.close(descriptor)

    def _load(self) -> Batch:
        batch, generation = self._read_list()
        records = self._read_journal(generation)
        for is_added, run in _runs(records):
            changes = _batch(run)
            batch = batch.joined(changes) if is_added else batch.without(one for one, _, _ in changes)
        return batch

    def _read_list(self) -> tuple[Batch, int]:
        try:
            raw = np.fromfile(self.list_path, np.uint8)
        except FileNotFoundError:
            return Batch(), 0
        if len(raw) < HEADER.itemsize:
            raise SpoiltList(self.list_path, "it is shorter than its header")
        head = raw[: HEADER.itemsize].view(HEADER)[0]
        if raw[: len(MAGIC)].tobytes() != MAGIC:
            raise SpoiltList(self.list_path, "it is no list of the packet shield")
        if zlib.crc32(raw[: HEADER.itemsize - 4].tobytes()) != int(head["own"]):
            raise SpoiltList(self.list_path, "its header does not match its checksum")
        count4, count6 = int(head["count4"]), int(head["count6"])
        middle = HEADER.itemsize + count4 * ENTRY4.itemsize
        end = middle + count6 * ENTRY6.itemsize
        if len(raw) != end:
            raise SpoiltList(self.list_path, f"{len(raw):,} bytes long where {end:,} are meant")
        if zlib.crc32(raw[HEADER.itemsize :].data) != int(head["crc"]):
            raise SpoiltList(self.list_path, "its entries do not match their checksum")
        batch = Batch(raw[HEADER.itemsize : middle].view(ENTRY4), raw[middle:].view(ENTRY6))
        if (batch.v4["length"] > 32).any() or (batch.v6["length"] > 128).any():
            raise SpoiltList(self.list_path, "it has prefixes that cannot be")
        return batch, int(head["generation"])

    def _read_journal(self, generation: int) -> Rows:
        """Records that belong to the list; those of an earlier one are in it already."""
        try:
            raw = np.fromfile(self.journal_path, np.uint8)
        except FileNotFoundError:
            return np.zeros(0, RECORD)
        whole = len(raw) // RECORD.itemsize
        records = raw[: whole * RECORD.itemsize].view(RECORD)
        end = self._sound(records)
        found: Rows = records[:end][records["generation"][:end] == generation % _GENERATIONS]
        return found

    def _sound(self, records: Rows) -> int:
        """How many records there are before what a crash has left at the end."""
        sound = np.array([_crc(one) == int(one["crc"]) for one in records], bool)
        wrong = np.flatnonzero(~sound)
        if not len(wrong):
            return len(records)
        first = int(wrong[0])
        if sound[first:].any():
            where = f"record {first} of {len(records)} does not match its checksum"
            raise SpoiltList(self.journal_path, where)
        return first

    def _append(self, records: NDArray[Any]) -> None:
        _, generation = self._read_head()
        records["generation"] = generation % _GENERATIONS
        records["crc"] = [_crc(one) for one in records]
        descriptor = os.open(self.journal_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            os.fchmod(descriptor, 0o660)
            at = self._end(descriptor)
            os.ftruncate(descriptor, at)
            _write_all(descriptor, records.tobytes(), at)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if at == 0:
            _sync_folder(self.journal_path.parent)
        if at // RECORD.itemsize + len(records) > JOURNAL_MAX:
            self._write(self._load())

    def _end(self, descriptor: int) -> int:
        """Where the next record goes: what a crash has left behind the last sound one is written over."""
        size = os.fstat(descriptor).st_size // RECORD.itemsize * RECORD.itemsize
        last = np.frombuffer(os.pread(descriptor, RECORD.itemsize, max(0, size - RECORD.itemsize)), np.uint8)
        if size and _crc(last.view(RECORD)[0]) != int(last.view(RECORD)[0]["crc"]):
            records = np.frombuffer(os.pread(descriptor, size, 0), RECORD)
            return self._sound(records) * RECORD.itemsize
        return size

    def _read_head(self) -> tuple[bool, int]:
        """Whether there is a list, and its generation."""
        try:
            raw = np.fromfile(self.list_path, np.uint8, HEADER.itemsize)
        except FileNotFoundError:
            return False, 0
        if len(raw) < HEADER.itemsize or raw[: len(MAGIC)].tobytes() != MAGIC:
            raise SpoiltList(self.list_path, "it is no list of the packet shield")
        return True, int(raw.view(HEADER)[0]["generation"])

    def _write(self, batch: Batch) -> None:
        """The list anew. A crash in between leaves the old list and its journal, or the new list and a
        journal of which nothing belongs to it."""
        _, generation = self._read_head()
        head = np.zeros(1, HEADER)
        head["magic"] = MAGIC
        head["generation"] = generation + 1
        head["count4"], head["count6"] = len(batch.v4), len(batch.v6)
        parts = [rows.tobytes() for rows in (batch.v4, batch.v6)]
        head["crc"] = zlib.crc32(parts[1], zlib.crc32(parts[0]))
        head["own"] = zlib.crc32(head.tobytes()[:-4])
        fresh = self.list_path.with_name(f".{self.list_path.name}.new")
        descriptor = os.open(
            fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640
        )
        try:
            at = 0
            os.fchmod(descriptor, 0o660)
            for part in (head.tobytes(), *parts):
                _write_all(descriptor, part, at)
                at += len(part)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.rename(self.list_path)
        _sync_folder(self.list_path.parent)
        self.journal_path.unlink(missing_ok=True)


def _crc(record: Any) -> int:
    return zlib.crc32(record.tobytes()[:_CHECKED])


def _records(batch: Batch, *, is_added: bool) -> NDArray[Any]:
    found = []
    for family, rows in ((4, batch.v4), (6, batch.v6)):
        records = np.zeros(len(rows), RECORD)
        records["is_added"], records["family"] = is_added, family
        for name in ("length", "tag", "until"):
            records[name] = rows[name]
        records["bytes"][:, : rows["bytes"].shape[1]] = rows["bytes"]
        found.append(records)
    return np.concatenate(found)


def _batch(records: Rows) -> Batch:
    found = []
    for family, dtype in ((4, ENTRY4), (6, ENTRY6)):
        mine = records[records["family"] == family]
        rows = np.zeros(len(mine), dtype)
        for name in ("length", "tag", "until"):
            rows[name] = mine[name]
        rows["bytes"] = mine["bytes"][:, : rows["bytes"].shape[1]]
        found.append(rows)
    return Batch(*found)


def _runs(records: Rows) -> Iterator[tuple[bool, Rows]]:
    """Records in order, those of one kind that follow each other at once."""
    edges = np.flatnonzero(np.diff(records["is_added"].astype(np.int8))) + 1
    for run in np.split(records, edges):
        if len(run):
            yield bool(run[0]["is_added"]), run


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreachable(path: Path, error: OSError) -> EnvironmentLacks:
    return EnvironmentLacks(
        str(path.parent),
        f"{path} cannot be used: {error.strerror}",
        hint="run this as the user that Rempart was set up with, or as root",
    )
