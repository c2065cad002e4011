"""Checking a log from outside, and keeping a mirror of it: fetch, audit, and only then believe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rempart.controller.transparency.folder import Folder
from rempart.controller.transparency.sources import FolderSource, Source, with_fallback
from rempart.controller.transparency.writer import CHECKPOINT
from rempart.governance.log.auditing import Fault, audit, leftover
from rempart.governance.log.checkpoint import Checkpoint, Signed, opened
from rempart.governance.log.growing import superseded
from rempart.governance.log.note import NOTE_BYTES_MAX, VerifierKey
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
    seen = None if earlier is None else opened(earlier, trust.key).checkpoint
    try:
        signed = trust.opened(source.checkpoint())
    except InvalidInput as error:
        return Checked(None, (_of_checkpoint(error),))
    found = audit(signed.checkpoint, source.fetch, seen, on_entry=on_entry, progress=progress)
    strangers = _strangers(source, signed.checkpoint) if whole and isinstance(source, FolderSource) else ()
    return Checked(signed, (*found.faults, *strangers), found.entries, found.files, found.octets)


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
    earlier = None if content is None else opened(content, trust.key).checkpoint
    new = source.checkpoint()
    try:
        signed = trust.opened(new)
    except InvalidInput as error:
        return Checked(None, (_of_checkpoint(error),))
    through = _Through(source, own, incoming)
    found = audit(signed.checkpoint, through.fetch, earlier, on_entry=on_entry, progress=progress)
    if found.sound:
        incoming.settle()
        for path in list(incoming.paths()):
            incoming.move(path, own)
        own.settle()
        own.write(CHECKPOINT, new)
        own.settle()
        for tile in superseded(0 if earlier is None else earlier.size, signed.checkpoint.size):
            own.remove(f"{tile.folder}.p")
    incoming.remove("")
    return Checked(signed, tuple(found.faults), found.entries, found.files, found.octets)


class _Through:
    """A source whose full tiles are taken from the mirror where it has them; the rest comes in."""

    def __init__(self, source: Source, own: Folder, incoming: Folder) -> None:
        self._source = source
        self._own = own
        self._incoming = incoming

    def fetch(self, tiles: Iterable[Tile]) -> Iterator[bytes | None]:
        wanted: Sequence[Tile] = list(tiles)
        here = [tile.width == WIDTH and (self._own.root / tile.path).is_file() for tile in wanted]
        coming = self._source.fetch(tile for tile, there in zip(wanted, here, strict=True) if not there)
        for tile, there in zip(wanted, here, strict=True):
            if there:
                yield with_fallback(lambda one: self._own.read(one.path, one.bytes_max), tile)
                continue
            content = next(coming)
            if content is not None:
                self._incoming.write(tile.path, content)
            yield content
