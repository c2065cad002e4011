"""Appending: whatever the parts, the same tree; and around the borders of tiles."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.governance.log.growing import Edge, belongs, edge_of, grow, superseded
from rempart.governance.log.hashing import leaf_hash, root_of
from rempart.governance.log.tiles import Tile, entries_in, hashes_from, levels, tiles_of
from rempart.governance.log.tree import included, inclusion_path, tree_root
from rempart.model.errors import InvalidInput
from tests.governance.log.logs import files_of

BORDERS = (0, 1, 2, 255, 256, 257, 511, 512, 513)


def entries(size: int) -> list[bytes]:
    return [b"entry %d" % at for at in range(size)]


@given(st.one_of(st.sampled_from(BORDERS), st.integers(0, 1100)), st.lists(st.integers(0, 1100), max_size=6))
@settings(max_examples=60)
def test_the_parts_do_not_matter(size: int, cuts: list[int]) -> None:
    edge, files = files_of(entries(size), cuts)
    whole, at_once = files_of(entries(size))
    assert edge == whole
    assert edge.root == root_of(list(map(leaf_hash, entries(size))))
    for tile, content in at_once.items():
        assert files[tile] == content
    needed = {tile for level in (None, *levels(size)) for tile in tiles_of(size, level)}
    assert set(at_once) == needed
    assert edge_of(size, files.__getitem__) == edge


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 70_000])
def test_around_the_border_of_the_second_level(size: int) -> None:
    """Every hash of every tile by its definition, and what crossing the border one by one comes to."""
    edge, files = files_of(entries(size), [size - 3])
    hashes = list(map(leaf_hash, entries(size)))
    row, level = hashes, 0
    while row:
        for tile in tiles_of(size, level):
            assert files[tile] == b"".join(row[tile.index * 256 : tile.index * 256 + tile.width])
        row = [root_of(row[at : at + 256]) for at in range(0, len(row) // 256 * 256, 256)]
        level += 1
    assert level == len(levels(size))
    read = hashes_from(files.__getitem__, size)
    assert edge.root == root_of(hashes) == tree_root(size, read)
    for index in (0, 255, 256, 65_534, size - 1):
        assert included(index, size, hashes[index], inclusion_path(index, size, read), edge.root)


def test_what_no_longer_is_needed() -> None:
    assert superseded(0, 255) == []
    assert superseded(3, 256) == [Tile(None, 0), Tile(0, 0)]
    assert superseded(256, 300) == []
    assert superseded(65_500, 65_600) == [Tile(None, 255), Tile(0, 255), Tile(1, 0)]
    assert belongs(Tile(0, 0), 256)
    assert not belongs(Tile(0, 0), 255)
    assert belongs(Tile(0, 0, 3), 255)
    assert not belongs(Tile(0, 0, 3), 256)
    assert not belongs(Tile(0, 1, 3), 258)


def test_an_edge_that_does_not_fit_is_refused() -> None:
    _, files = files_of(entries(10))
    with pytest.raises(InvalidInput, match="do not hash"):
        edge_of(10, {**files, Tile(None, 0, 10): files[Tile(None, 0, 10)].replace(b"3", b"4")}.__getitem__)
    with pytest.raises(InvalidInput, match="not 10 hashes"):
        edge_of(10, {**files, Tile(0, 0, 10): bytes(7)}.__getitem__)


def test_an_entry_is_at_most_what_its_length_can_say() -> None:
    edge = grow(Edge(), [bytes(65_535), b""]).edge
    assert edge.size == 2
    with pytest.raises(InvalidInput, match="65536"):
        grow(Edge(), [bytes(65_536)])
    for spoilt in (b"\x00", b"\x00\x02a", b"\x00\x01ab"):
        with pytest.raises(InvalidInput):
            entries_in(spoilt)
