"""The check of a whole log: every file against its neighbours, the tree against the signed checkpoint.

Nothing that is read is believed. Entries must hash to the tile of level 0, the hashes of each full tile to
one hash of the tile above, all of them to the root that is signed; an earlier checkpoint must be the root of
the same tree when it was smaller, which says more than a consistency proof. Each fault names its file.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from rempart.governance.log.checkpoint import Checkpoint
from rempart.governance.log.hashing import EMPTY_ROOT, HASH_BYTES, add_peak, leaf_hash, root_of, root_of_peaks
from rempart.governance.log.step import Step, parse_step
from rempart.governance.log.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    entries_in,
    hashes_in,
    levels,
    tiles_of,
    width_at,
)
from rempart.model.errors import InvalidInput

FAULTS_MAX = 20
"""A log that is wrong in more places is not looked at further."""

FetchAll: TypeAlias = Callable[[Iterable[Tile]], Iterator[bytes | None]]
"""Files in the order in which they are asked for; None for one that is not there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and with which file of the log."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(slots=True)
class Audit:
    """What a check has found; sound when ``faults`` is empty."""

    checkpoint: Checkpoint
    entries: int = 0
    files: int = 0
    octets: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.faults

    def _fault(self, path: str, what: str) -> None:
        self.faults.append(Fault(path, what))
        if len(self.faults) >= FAULTS_MAX:
            raise _EnoughError


class _EnoughError(Exception):
    """There is nothing to be gained from more."""


def audit(
    checkpoint: Checkpoint,
    fetch: FetchAll,
    earlier: Checkpoint | None = None,
    *,
    on_entry: Callable[[int, Step], None] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Audit:
    """Check the log that ``checkpoint``, whose signatures hold, speaks of.

    ``earlier``: a checkpoint of the same log that was seen before. ``on_entry`` is given every step that is
    one, ``progress`` the number of entries that were read.
    """
    found = Audit(checkpoint)
    with contextlib.suppress(_EnoughError):
        _audit(found, fetch, earlier, on_entry, progress)
    return found


def _audit(
    found: Audit,
    fetch: FetchAll,
    earlier: Checkpoint | None,
    on_entry: Callable[[int, Step], None] | None,
    progress: Callable[[int], None],
) -> None:
    size = found.checkpoint.size
    if earlier is not None and earlier.origin != found.checkpoint.origin:
        found._fault("checkpoint", f"it is of another log than {earlier.origin}, which was seen before")
        earlier = None
    if earlier is not None and earlier.size > size:
        found._fault("checkpoint", f"{size} entries, but {earlier.size} were seen before: it was cut short")
        earlier = None
    past = _Past(0 if earlier is None else earlier.size)
    above = _level_0(found, fetch, past, on_entry, progress)
    for level in levels(size)[1:]:
        above = _level(found, fetch, level, above)
    if past.root(size) != found.checkpoint.root:
        found._fault("checkpoint", f"the entries do not come to the root that is signed for {size} of them")
    if earlier is not None and past.kept != earlier.root:
        found._fault(
            "checkpoint",
            f"the first {earlier.size} entries are not those that were seen before: it was rewritten",
        )


class _Past:
    """The tree as it grows leaf by leaf, and the root it had when it was as large as the earlier one."""

    def __init__(self, size: int) -> None:
        self._wanted = size
        self._peaks: list[bytes] = []
        self._size = 0
        self.kept: bytes = EMPTY_ROOT

    def add(self, hashes: list[bytes]) -> None:
        """A tile of leaves; tiles come in order, all but the last of them full."""
        before = self._wanted - self._size
        if 0 < before < len(hashes):
            self.kept = root_of_peaks([*self._peaks, root_of(hashes[:before])])
        if len(hashes) < WIDTH:
            self._peaks.append(root_of(hashes))
        else:
            add_peak(self._peaks, self._size // WIDTH, root_of(hashes))
        self._size += len(hashes)
        if self._size == self._wanted:
            self.kept = root_of_peaks(self._peaks)

    def root(self, size: int) -> bytes | None:
        """The root, or None when not all leaves were there."""
        return root_of_peaks(self._peaks) if self._size == size else None


def _level_0(
    found: Audit,
    fetch: FetchAll,
    past: _Past,
    on_entry: Callable[[int, Step], None] | None,
    progress: Callable[[int], None],
) -> list[bytes]:
    """Check entries and level 0; the hashes that level 1 must have."""
    above: list[bytes] = []
    ids = _Ids()
    # One after the other: who signs a size of 10**18 does not fill this machine's memory with their names.
    size = found.checkpoint.size
    contents = fetch(
        one for tile in tiles_of(size, 0) for one in (Tile(ENTRIES, tile.index, tile.width), tile)
    )
    for tile in tiles_of(size, 0):
        bundle = Tile(ENTRIES, tile.index, tile.width)
        entries = _entries(found, bundle, next(contents))
        hashes = _hashes(found, tile, next(contents))
        leaves = None if entries is None else list(map(leaf_hash, entries))
        if leaves is not None and hashes is not None and leaves != hashes:
            # Which of the two is wrong, the root tells: the tile's hashes are what goes into it.
            first = next(at for at in range(tile.width) if leaves[at] != hashes[at])
            found._fault(
                bundle.path,
                f"entry {tile.index * WIDTH + first} does not hash to what is in {tile.path}",
            )
        for at, entry in enumerate(entries or ()):
            _step(found, bundle, tile.index * WIDTH + at, entry, ids, on_entry)
        trusted = hashes if hashes is not None else leaves
        if trusted is None:
            trusted = [b""] * tile.width
        past.add(trusted)
        if tile.width == WIDTH:
            above.append(root_of(trusted))
        progress(found.entries)
    for index, earlier in ids.again():
        bundle = Tile(ENTRIES, index // WIDTH, width_at(size, ENTRIES, index // WIDTH))
        found._fault(bundle.path, f"entry {index} has the same id as entry {earlier}")
    return above


class _Ids:
    """Which entries have an id that an earlier one has. 8 octets an entry: a log of millions is checked by
    a small machine."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._indices = array("q")
        self._plain = True

    def add(self, index: int, id_: str) -> None:
        """Steps come in the order of their entries; where one is no step, its number is missing."""
        # 64 bits of a keyed hash: no two ids have the same one by chance.
        self._hashes.append(hash(id_))
        if self._plain and index != len(self._hashes) - 1:
            self._plain = False
            self._indices.extend(range(len(self._hashes) - 1))
        if not self._plain:
            self._indices.append(index)

    def again(self) -> Iterator[tuple[int, int]]:
        """Each entry whose id is there before, and the first that has it."""
        hashes = np.frombuffer(self._hashes, dtype=np.int64)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        same = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
        first, last = 0, -1
        for at in same.tolist():
            if at != last + 1:
                first = at - 1
            last = at
            yield self._index(int(order[at])), self._index(int(order[first]))

    def _index(self, place: int) -> int:
        return place if self._plain else self._indices[place]


def _step(
    found: Audit,
    bundle: Tile,
    index: int,
    entry: bytes,
    ids: _Ids,
    on_entry: Callable[[int, Step], None] | None,
) -> None:
    found.entries += 1
    try:
        step = parse_step(entry)
    except InvalidInput as error:
        found._fault(bundle.path, f"entry {index} is no step: {error}")
        return
    ids.add(index, step.id)
    if on_entry is not None:
        on_entry(index, step)


def _level(found: Audit, fetch: FetchAll, level: int, wanted: list[bytes]) -> list[bytes]:
    """Check the tiles of ``level`` against the hashes that the level below comes to."""
    above = []
    size = found.checkpoint.size
    for tile, content in zip(tiles_of(size, level), fetch(tiles_of(size, level)), strict=True):
        part = wanted[tile.index * WIDTH : tile.index * WIDTH + tile.width]
        hashes = _hashes(found, tile, content)
        if hashes is not None and hashes != part:
            first = next(at for at in range(tile.width) if hashes[at] != part[at])
            below = Tile(level - 1, tile.index * WIDTH + first)
            found._fault(tile.path, f"hash {first} is not what {below.path} comes to")
        if tile.width == WIDTH:
            above.append(root_of(part))
    return above


def _entries(found: Audit, tile: Tile, content: bytes | None) -> list[bytes] | None:
    if not _there(found, tile, content):
        return None
    try:
        entries = entries_in(content or b"")
    except InvalidInput as error:
        found._fault(tile.path, error.message)
        return None
    if len(entries) != tile.width:
        found._fault(tile.path, f"{len(entries)} entries instead of {tile.width}")
        return None
    return entries


def _hashes(found: Audit, tile: Tile, content: bytes | None) -> list[bytes] | None:
    if not _there(found, tile, content) or content is None:
        return None
    if len(content) != tile.width * HASH_BYTES:
        found._fault(tile.path, f"{len(content)} bytes instead of {tile.width * HASH_BYTES}")
        return None
    return hashes_in(content)


def _there(found: Audit, tile: Tile, content: bytes | None) -> bool:
    if content is None:
        found._fault(tile.path, "it is not there")
        return False
    found.files += 1
    found.octets += len(content)
    return True


def leftover(tile: Tile, content: bytes, wider: bytes, size: int) -> str | None:
    """What is wrong with a file that a log of ``size`` entries need not have; None when it may be there.

    Partial tiles stay where they are until the full one is there, and for a while after; each must be the
    beginning of the tile as it is now, whose content is ``wider``.
    """
    width = width_at(size, tile.level, tile.index)
    if tile.width > width:
        return f"it is beyond the end of a log of {size} entries"
    if not wider.startswith(content):
        return "it is not the beginning of what the tile is now"
    if tile.level is ENTRIES:
        whole = len(entries_in(content)) if _splits(content) else -1
    else:
        whole = len(content) // HASH_BYTES if len(content) % HASH_BYTES == 0 else -1
    return None if whole == tile.width else f"it does not hold {tile.width} of them"


def _splits(content: bytes) -> bool:
    try:
        entries_in(content)
    except InvalidInput:
        return False
    return True
