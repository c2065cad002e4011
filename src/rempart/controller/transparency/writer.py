"""The one writer of a log: appends so that a crash between any two writes leaves a log that is whole.

Order of writing: tiles and bundles; then, once those are on the disk, ``signed``, the log's own checkpoint,
in a folder that nobody else reads; and last the ``checkpoint`` that everybody reads, with whatever witnesses
have added. ``signed`` is the log: what lies beyond it was never said to anybody and is removed at the next
opening; what it covers is published then if that was missed. Two checkpoints of different histories can
thus never be signed: the second one could only come after the first was on the disk, and begins with it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rempart.controller.transparency.folder import FRESH, Folder
from rempart.controller.transparency.keys import key_in, make_key
from rempart.governance.log.checkpoint import Checkpoint, Signed, opened
from rempart.governance.log.growing import Edge, belongs, edge_of, grow, superseded
from rempart.governance.log.note import NOTE_BYTES_MAX, KeyKind, Note, SigningKey
from rempart.governance.log.tiles import ENTRIES, WIDTH, Tile, entries_in, hashes_from, tile_at, width_at
from rempart.governance.log.tree import ReadHash
from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput, NotFound

CHECKPOINT = "checkpoint"
SIGNED = "signed"
KEY = "log.key"
NEXT = "log.key.next"
LOCK = "lock"


class LogWriter:
    """An open log. Use it from one thread at a time; reading tiles is safe from any."""

    def __init__(self, public: Path, keeping: Path, origin: str | None = None) -> None:
        """Open the log whose files are in ``public``, or begin one called ``origin`` there.

        Conflict when another process has it open; EnvironmentLacks when it is damaged, or cannot be written.
        """
        self._public = Folder(public)
        self._keeping = Folder(keeping, mode=0o600)
        self._lock = _locked(keeping)
        self._edge = Edge()
        self._signed: Signed
        self._published: Signed | None = None
        self._sound = False
        try:
            self.key: SigningKey = self._key(origin)
            self.next_key = key_in(self._keeping.root / NEXT, KeyKind.NOTE, self.key.name)
            """The key that takes its place; while there is one, both sign."""
            self._recover()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._lock)

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """How many entries there are, each of them for ever."""
        return self._edge.size

    @property
    def signed(self) -> Signed:
        """The log's newest checkpoint, signed by the log alone."""
        return self._signed

    @property
    def published(self) -> Signed | None:
        """The checkpoint that everybody reads; None before the first."""
        return self._published

    # --- writing -------------------------------------------------------------------------------

    def append(self, entries: Sequence[bytes]) -> int:
        """Append; the index of the first one. When this returns they are in the log, on the disk and signed.

        After an error nobody knows whether they are: the next call finds out before it does anything.
        """
        if not self._sound:
            self._recover()
        first = self._edge.size
        growth = grow(self._edge, entries)
        self._sound = False
        for tile, content in growth.files:
            self._public.write(tile.path, content)
        self._public.settle()
        self._sign(growth.edge)
        self._sound = True
        return first

    def publish(self, note: Note) -> None:
        """Let everybody read this: the newest checkpoint, with the cosignatures that were got for it."""
        signed = opened(note.encode(), self.key.verifier)
        if signed.checkpoint != self._signed.checkpoint:
            raise Conflict("the log has grown since this checkpoint", field="checkpoint")
        before = 0 if self._published is None else self._published.checkpoint.size
        self._public.write(CHECKPOINT, note.encode())
        self._public.settle()
        self._published = signed
        for tile in superseded(before, signed.checkpoint.size):
            self._public.remove(f"{tile.folder}.p")

    def begin_rotation(self) -> SigningKey:
        """From the next checkpoint on a new key signs, too; the one that there is, if it was begun before."""
        if self.next_key is None:
            self.next_key = make_key(self._keeping.root / NEXT, KeyKind.NOTE, self.key.name)
        return self.next_key

    def end_rotation(self) -> None:
        """The new key takes the old one's place, which is gone for ever. Conflict when there is none, or when
        it has not signed what there is."""
        new = self.next_key
        if new is None:
            raise Conflict("no new key was made", field="key", hint="rempart log rotate-key")
        try:
            for signed in (self._signed, self._published or self._signed):
                opened(signed.note.encode(), new.verifier)
        except InvalidInput as error:
            raise Conflict("the new key has not signed the log yet", field="key") from error
        self._keeping.take_place(NEXT, KEY)
        self.key, self.next_key = new, None

    def _sign(self, edge: Edge) -> None:
        checkpoint = Checkpoint(self.key.name, edge.size, edge.root)
        keys = (self.key,) if self.next_key is None else (self.key, self.next_key)
        note = Note(checkpoint.text, tuple(key.sign(checkpoint.text) for key in keys))
        self._keeping.write(SIGNED, note.encode())
        self._keeping.settle()
        self._edge, self._signed = edge, Signed(checkpoint, note)

    # --- reading -------------------------------------------------------------------------------

    def read(self, tile: Tile) -> bytes:
        """A file of the log. NotFound when it has none such."""
        content = self._public.read(tile.path, tile.bytes_max)
        if content is None:
            raise NotFound(f"the log has no {tile.path}")
        return content

    def entry(self, index: int) -> bytes:
        """One entry. NotFound when there is none of that number."""
        return self.entries(index // WIDTH)[index % WIDTH] if 0 <= index < self.size else _no_entry(index)

    def entries(self, bundle: int) -> list[bytes]:
        """The entries ``bundle * 256`` and following, at most 256."""
        return entries_in(self.read(Tile(ENTRIES, bundle, width_at(self.size, ENTRIES, bundle))))

    def hashes(self) -> ReadHash:
        """The hashes of the tree as it is now."""
        return hashes_from(self.read, self.size)

    # --- opening -------------------------------------------------------------------------------

    def _key(self, origin: str | None) -> SigningKey:
        path = self._keeping.root / KEY
        key = key_in(path, KeyKind.NOTE, origin)
        if key is not None:
            return key
        if (self._public.root / CHECKPOINT).exists() or (self._keeping.root / SIGNED).exists():
            raise EnvironmentLacks(
                str(path), f"there is a log in {self._public.root}, but its key {path} is missing",
                hint="put the key back from a copy; a log cannot go on under another one",
            )  # fmt: skip
        return make_key(path, KeyKind.NOTE, origin or f"log-{secrets.token_hex(8)}.internal")

    def _recover(self) -> None:
        """Find the log as the disk has it, and remove what is beyond it."""
        self._public.forget()
        self._keeping.forget()
        content = self._keeping.read(SIGNED, NOTE_BYTES_MAX)
        if content is None:
            if (self._public.root / CHECKPOINT).exists():
                raise self._damaged(f"{self._keeping.root / SIGNED} is missing")
            self._sign(Edge())
        else:
            try:
                self._signed = opened(content, self.key.verifier)
                self._edge = edge_of(self._signed.checkpoint.size, self.read)
            except (InvalidInput, NotFound, OSError) as error:
                raise self._damaged(str(error)) from error
        if self._edge.root != self._signed.checkpoint.root:
            raise self._damaged("its tiles do not come to the root that it has signed")
        self._published = self._read_published()
        if self._published is not None and self._published.checkpoint.size > self.size:
            raise self._damaged(
                f"{self._published.checkpoint.size} entries are published, {self.size} are kept"
            )
        self._tidy()
        self._sound = True

    def _read_published(self) -> Signed | None:
        try:
            content = self._public.read(CHECKPOINT, NOTE_BYTES_MAX)
            return None if content is None else opened(content, self.key.verifier)
        except (InvalidInput, OSError):
            return None  # whatever it is, the next publishing takes its place

    def _tidy(self) -> None:
        size = self.size
        for path in list(self._public.paths()):
            tile = tile_at(path)
            unfinished = Path(path).name.startswith(".") and path.endswith(FRESH)
            if unfinished or (tile is not None and not belongs(tile, size)):
                self._public.remove(path)
                with suppress(OSError):
                    (self._public.root / path).parent.rmdir()

    def _damaged(self, reason: str) -> EnvironmentLacks:
        return EnvironmentLacks(
            "public log",
            f"the public log in {self._public.root} is damaged: {reason}",
            hint="nothing more is appended; put it back as it was, from a mirror for example",
        )


def _no_entry(index: int) -> bytes:
    raise NotFound(f"the log has no entry {index}")


def _locked(folder: Path) -> int:
    """A lock that the kernel drops with its holder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EnvironmentLacks(str(folder), f"{folder} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Conflict(
            f"another process writes the log kept in {folder}", hint="a log has one writer: ask that one"
        ) from error
    return descriptor
