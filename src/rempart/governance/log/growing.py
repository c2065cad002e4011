"""Appending as a pure step: from the tree's right edge and new entries to the files to be written.

The right edge is all that appending needs of a log: the partial tile of every level and the partial bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rempart.governance.log.hashing import HASH_BYTES, leaf_hash, root_of, root_of_peaks
from rempart.governance.log.tiles import (
    ENTRIES,
    WIDTH,
    ReadTile,
    Tile,
    bundle_of,
    entries_in,
    hashes_in,
    levels,
    width_at,
)
from rempart.model.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Edge:
    """A tree's right edge. ``tiles[l]``: the hashes of level l that fill no tile yet."""

    size: int = 0
    entries: tuple[bytes, ...] = ()
    tiles: tuple[tuple[bytes, ...], ...] = ()

    @property
    def root(self) -> bytes:
        """The root of the whole tree."""
        return root_of_peaks([peak for hashes in reversed(self.tiles) for peak in _peaks(hashes)])


@dataclass(frozen=True, slots=True)
class Growth:
    """What appending comes to: the new edge, and every file that is new."""

    edge: Edge
    files: tuple[tuple[Tile, bytes], ...]


def edge_of(size: int, read: ReadTile) -> Edge:
    """The right edge of a log of ``size`` entries, read from its files.

    InvalidInput when a file is not what it must be; whether the tree is the signed one, ``root`` tells.
    """
    tiles = []
    for level in levels(size):
        index, width = divmod(size >> (8 * level), WIDTH)
        content = read(Tile(level, index, width)) if width else b""
        if len(content) != width * HASH_BYTES:
            raise InvalidInput(
                f"{len(content)} bytes, not {width} hashes", field=Tile(level, index, width).path
            )
        tiles.append(tuple(hashes_in(content)))
    entries: tuple[bytes, ...] = ()
    if size % WIDTH:
        bundle = Tile(ENTRIES, size // WIDTH, size % WIDTH)
        entries = tuple(entries_in(read(bundle)))
        if tuple(map(leaf_hash, entries)) != tiles[0]:
            raise InvalidInput("its entries do not hash to the tile of level 0", field=bundle.path)
    return Edge(size, entries, tuple(tiles))


def grow(edge: Edge, entries: Sequence[bytes]) -> Growth:
    """Append ``entries`` (each at most 65,535 octets, else InvalidInput)."""
    size = edge.size + len(entries)
    files: list[tuple[Tile, bytes]] = []
    waiting = [*edge.entries, *entries]
    first = edge.size // WIDTH
    cut = len(waiting) // WIDTH * WIDTH
    for at in range(0, len(waiting), WIDTH):
        part = waiting[at : at + WIDTH]
        files.append((Tile(ENTRIES, first + at // WIDTH, len(part)), bundle_of(part)))
    rest = tuple(waiting[cut:])

    tiles: list[tuple[bytes, ...]] = []
    new = list(map(leaf_hash, entries))
    for level in levels(size):
        before = edge.tiles[level] if level < len(edge.tiles) else ()
        first = (edge.size >> (8 * level)) // WIDTH
        hashes = [*before, *new]
        above: list[bytes] = []
        for at in range(0, len(hashes), WIDTH):
            part = hashes[at : at + WIDTH]
            if new:
                files.append((Tile(level, first + at // WIDTH, len(part)), b"".join(part)))
            if len(part) == WIDTH:
                above.append(root_of(part))
        tiles.append(tuple(hashes[len(hashes) // WIDTH * WIDTH :]))
        new = above
    return Growth(Edge(size, rest, tuple(tiles)), tuple(files))


def superseded(old: int, size: int) -> list[Tile]:
    """The tiles that are full in a log of ``size`` entries and were not in one of ``old``: whatever partial
    files there are of them are no longer needed (tlog-tiles, partial tiles)."""
    found = []
    for level in (ENTRIES, *levels(size)):
        first = (old >> (8 * (level or 0))) // WIDTH
        last = (size >> (8 * (level or 0))) // WIDTH
        found += [Tile(level, index) for index in range(first, last)]
    return found


def belongs(tile: Tile, size: int) -> bool:
    """Whether a tidy log of ``size`` entries has this file: full tiles, partial ones of the right edge."""
    width = width_at(size, tile.level, tile.index)
    return tile.width == width if tile.width == WIDTH else tile.width <= width < WIDTH


def _peaks(hashes: Sequence[bytes]) -> list[bytes]:
    found, at = [], 0
    for bit in reversed(range(len(hashes).bit_length())):
        if len(hashes) >> bit & 1:
            found.append(root_of(hashes[at : at + (1 << bit)]))
            at += 1 << bit
    return found
