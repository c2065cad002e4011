"""Checking a log from outside, and keeping a mirror of it: fetch, audit, and only then believe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

from rempart.controller.transparency.folder import Folder
from rempart.controller.transparency.sources import FolderSource, Source, with_fallback
from rempart.controller.transparency.writer import CHECKPOINT
from rempart.governance.log.auditing import Fault, audit, leftover
from rempart.governance.log.checkpoint import Checkpoint, Signed, opened
from rempart.governance.log.growing import superseded
from rempart.governance.log.note import NOTE_BYTES_MAX, VerifierKey
from rempart.governance.log.rotation import Lineage, claimed
from rempart.governance.log.step import Step
from rempart.governance.log.tiles import WIDTH, Tile, tile_at, width_at
from rempart.model.errors import EnvironmentLacks, InvalidInput

INCOMING = ".incoming"


@dataclass(frozen=True, slots=True)
class Trust:
    """What a log must show: signatures by its key, and by so many of its witnesses (None: all)."""

    key: VerifierKey
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int | None = None

    def opened(self, content: bytes) -> Signed:
        """InvalidInput when something of it is missing."""
        return opened(content, self.key, self.witnesses, self.quorum)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check came to. ``signed`` is None when the checkpoint itself cannot be believed."""

    signed: Signed | None
    faults: tuple[Fault, ...]
    entries: int = 0
    files: int = 0
    octets: int = 0

    @property
    def sound(self) -> bool:
        return self.signed is not None and not self.faults


def check(
    source: Source,
    trust: Trust,
    earlier: bytes | None = None,
    *,
    whole: bool = False,
    on_entry: Callable[[int, Step], None] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Checked:
    """Check all of a log. ``earlier``: the signed note that it had at an earlier check; InvalidInput when
    that is none. ``whole``: a folder that nobody writes to now must hold nothing else than a log.
    """
    reading = _Reading(source.checkpoint(), trust, earlier)
    if reading.refused is not None:
        return Checked(None, (reading.refused,))
    found = audit(
        reading.checkpoint, source.fetch, reading.seen, on_entry=reading.passing(on_entry), progress=progress
    )
    signed, more = reading.believed()
    strangers: Iterable[Fault] = ()
    if whole and signed is not None and isinstance(source, FolderSource):
        strangers = _strangers(source, reading.checkpoint)
    faults = (*more, *(found.faults if signed is not None else ()), *strangers)
    return Checked(signed, faults, found.entries, found.files, found.octets)


class _Reading:
    """A checkpoint, and an earlier one, that are believed once the log was read: only then is it known by
    which keys they may be signed, because the log says itself to which key its signature has passed."""

    def __init__(self, content: bytes, trust: Trust, earlier: bytes | None) -> None:
        """InvalidInput when ``earlier`` is no checkpoint of this log."""
        self._content, self._trust, self._earlier = content, trust, earlier
        self.lineage = Lineage(trust.key)
        self.seen = None if earlier is None else claimed(earlier, trust.key.name)
        self.refused: Fault | None = None
        self._doubt: InvalidInput | None = None
        try:
            self.checkpoint = trust.opened(content).checkpoint
        except InvalidInput as error:
            self._doubt = error
            try:
                self.checkpoint = claimed(content, trust.key.name)
            except InvalidInput:
                self.refused = _of_checkpoint(error)
                return
            if _signed_by(content, trust.key):
                self.refused = _of_checkpoint(error)  # the key is right, and something else is wrong

    def passing(self, on_entry: Callable[[int, Step], None] | None) -> Callable[[int, Step], None]:
        """What is to be told of every entry."""

        def seen(index: int, step: Step) -> None:
            self.lineage.note(index, step)
            if on_entry is not None:
                on_entry(index, step)

        return seen

    def believed(self) -> tuple[Signed | None, tuple[Fault, ...]]:
        """The checkpoint, now that all entries were seen, or why it is not believed. InvalidInput when the
        earlier one is not signed by any of the log's keys."""
        if self._earlier is not None and not any(_signed_by(self._earlier, key) for key in self.lineage.keys):
            opened(self._earlier, self._trust.key)  # says what is wrong with it
        newest = self.lineage.newest
        try:
            return opened(self._content, newest, self._trust.witnesses, self._trust.quorum), ()
        except InvalidInput as error:
            handed = newest != self._trust.key
            return None, (_of_checkpoint(error if handed or self._doubt is None else self._doubt),)


def _signed_by(content: bytes, key: VerifierKey) -> bool:
    try:
        opened(content, key)
    except InvalidInput:
        return False
    return True


def _of_checkpoint(error: InvalidInput) -> Fault:
    hint = f" ({error.hint})" if error.hint else ""
    return Fault(CHECKPOINT, f"{error.message}{hint}")


def _strangers(source: FolderSource, checkpoint: Checkpoint) -> Iterator[Fault]:
    """Files that the audit did not look at, and that should not be there or are not what they say."""
    size = checkpoint.size
    for path in source.folder.paths():
        if path == CHECKPOINT:
            continue
        tile = tile_at(path)
        if tile is None:
            yield Fault(path, "it is no file of a log")
            continue
        width = width_at(size, tile.level, tile.index)
        if tile.width == width:
            continue
        content = source.folder.read(path, tile.bytes_max)
        wider = next(source.fetch((Tile(tile.level, tile.index, width),))) if width else b""
        what = leftover(tile, content or b"", wider or b"", size)
        if what is not None:
            yield Fault(path, what)


def mirror(
    source: Source,
    folder: Path,
    trust: Trust,
    *,
    on_entry: Callable[[int, Step], None] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Checked:
    """Bring a mirror up to date: what is new is fetched, everything is checked, and only a sound log taken.

    The mirror is a log of the same form, to be served as it is. What it had is compared with what the source
    says now; when that does not fit, the mirror stays as it was, and is the evidence.
    """
    own = Folder(folder)
    incoming = Folder(folder / INCOMING)
    incoming.remove("")
    try:
        content = own.read(CHECKPOINT, NOTE_BYTES_MAX)
    except OSError as error:
        raise EnvironmentLacks(str(folder), f"{folder} cannot be read: {error.strerror}") from error
    if content is None and folder.is_dir() and any(folder.iterdir()):
        raise InvalidInput(f"{folder} has files in it, and is no mirror", field="folder")
    new = source.checkpoint()
    reading = _Reading(new, trust, content)
    if reading.refused is not None:
        return Checked(None, (reading.refused,))
    through = _Through(source, own, incoming)
    earlier, checkpoint = reading.seen, reading.checkpoint
    passing = reading.passing(on_entry)
    found = audit(checkpoint, through.fetch, earlier, on_entry=passing, progress=progress)
    signed, more = reading.believed()
    if found.sound and signed is not None:
        incoming.settle()
        for path in list(incoming.paths()):
            incoming.move(path, own)
        own.settle()
        own.write(CHECKPOINT, new)
        own.settle()
        for tile in superseded(0 if earlier is None else earlier.size, checkpoint.size):
            own.remove(f"{tile.folder}.p")
    incoming.remove("")
    faults = (*more, *(found.faults if signed is not None else ()))
    return Checked(signed, faults, found.entries, found.files, found.octets)


class _Through:
    """A source whose full tiles are taken from the mirror where it has them; the rest comes in."""

    def __init__(self, source: Source, own: Folder, incoming: Folder) -> None:
        self._source = source
        self._own = own
        self._incoming = incoming

    def fetch(self, tiles: Iterable[Tile]) -> Iterator[bytes | None]:
        asked, answered = tee((tile, self._has(tile)) for tile in tiles)
        coming = self._source.fetch(tile for tile, there in asked if not there)
        for tile, there in answered:
            if there:
                yield with_fallback(lambda one: self._own.read(one.path, one.bytes_max), tile)
                continue
            content = next(coming)
            if content is not None:
                self._incoming.write(tile.path, content)
            yield content

    def _has(self, tile: Tile) -> bool:
        return tile.width == WIDTH and (self._own.root / tile.path).is_file()
