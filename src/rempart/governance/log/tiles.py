"""The tree and its entries as static files (c2sp.org/tlog-tiles): their names and what is in them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rempart.governance.log.hashing import HASH_BYTES, root_of
from rempart.governance.log.tree import ReadHash
from rempart.model.errors import InvalidInput

WIDTH = 256
HEIGHT = 8
ENTRY_BYTES_MAX = 65_535
BUNDLE_BYTES_MAX = WIDTH * (ENTRY_BYTES_MAX + 2)
LEVEL_MAX = 63
ENTRIES: None = None
"""The level of entry bundles, which lie beside the tiles of level 0."""
_PATH = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One file: ``width`` (1 to 256) hashes of tile ``index`` at ``level``, or entries (level None)."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies below the log's prefix: ``tile/0/x001/x234/067.p/3``."""
        return f"{self.folder}.p/{self.width}" if self.width < WIDTH else self.folder

    @property
    def folder(self) -> str:
        """The path of the full tile; with ``.p``, the folder of its partial ones."""
        digits = f"{self.index:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        level = "entries" if self.level is None else str(self.level)
        return "/".join(("tile", level, *(f"x{group}" for group in groups[:-1]), groups[-1]))

    @property
    def full(self) -> Tile:
        return Tile(self.level, self.index)

    @property
    def bytes_max(self) -> int:
        """How long the file may be."""
        return self.width * (ENTRY_BYTES_MAX + 2 if self.level is None else HASH_BYTES)


def tile_at(path: str) -> Tile | None:
    """The tile that lies at ``path``; None when no tile is called that."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level, digits, width = found.groups()
    index = int(digits.replace("x", "").replace("/", ""))
    tile = Tile(ENTRIES if level == "entries" else int(level), index, WIDTH if width is None else int(width))
    # Leading groups of zeros and a width of 256 or more would be second names of the same thing.
    return tile if tile.path == path else None


def width_at(size: int, level: int | None, index: int) -> int:
    """How much of tile ``index`` a tree of ``size`` leaves has: 0 to 256."""
    return min(max((size >> (HEIGHT * (level or 0))) - index * WIDTH, 0), WIDTH)


def exists_at(tile: Tile, size: int) -> bool:
    """Whether a log that has ``size`` entries may have this file: full, or as wide as the tree once was."""
    return tile.width <= width_at(size, tile.level, tile.index)


def levels(size: int) -> range:
    """The levels that have a tile in a tree of ``size`` leaves."""
    return range(-(-size.bit_length() // HEIGHT))


def tiles_of(size: int, level: int | None) -> Iterator[Tile]:
    """The tiles of one level that make up the tree of ``size`` leaves, in order."""
    total = size >> (HEIGHT * (level or 0))
    for index in range(-(-total // WIDTH)):
        yield Tile(level, index, width_at(size, level, index))


def hashes_in(content: bytes) -> list[bytes]:
    """The hashes of a tile, one by one."""
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


def bundle_of(entries: Sequence[bytes]) -> bytes:
    """An entry bundle."""
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise InvalidInput(f"{len(entry)} bytes, more than {ENTRY_BYTES_MAX}", field="entry")
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def entries_in(bundle: bytes) -> list[bytes]:
    """The entries of a bundle; InvalidInput when it ends within one."""
    entries, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        at += 2 + length
        if at > len(bundle):
            raise InvalidInput("it ends within an entry", field="bundle")
        entries.append(bundle[at - length : at])
    return entries


def narrowed(tile: Tile, full: bytes) -> bytes:
    """What partial ``tile`` holds, taken from the content of a wider one."""
    if tile.level is None:
        return bundle_of(entries_in(full)[: tile.width])
    return full[: tile.width * HASH_BYTES]


ReadTile: TypeAlias = Callable[[Tile], bytes]
"""The content of a file of the log."""


def hashes_from(read: ReadTile, size: int) -> ReadHash:
    """Hashes of the tree of ``size`` leaves, computed from its tiles, each of which is read once."""
    held: dict[Tile, bytes] = {}

    def hash_at(height: int, index: int) -> bytes:
        level, within = divmod(height, HEIGHT)
        first = index << within
        tile = Tile(level, first // WIDTH, width_at(size, level, first // WIDTH))
        at = first % WIDTH
        if at + (1 << within) > tile.width:
            raise InvalidInput(f"a tree of {size} leaves has no node {height}/{index}", field="node")
        if tile not in held:
            held[tile] = _checked(tile, read(tile))
        content = held[tile][at * HASH_BYTES : (at + (1 << within)) * HASH_BYTES]
        return root_of(hashes_in(content))

    return hash_at


def _checked(tile: Tile, content: bytes) -> bytes:
    if len(content) != tile.width * HASH_BYTES:
        raise InvalidInput(f"{len(content)} bytes instead of {tile.width * HASH_BYTES}", field=tile.path)
    return content
