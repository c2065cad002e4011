"""Proofs against their definitions in RFC 6962, for every shape of tree and every way to spoil them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.governance.log.hashing import root_of
from rempart.governance.log.tiles import Tile, hashes_from
from rempart.governance.log.tree import (
    consistency_path,
    consistent,
    included,
    inclusion_path,
    tree_root,
)
from rempart.model.errors import InvalidInput
from tests.governance.log import independent
from tests.governance.log.logs import files_of, leaves, reader


@pytest.mark.parametrize("size", range(1, 34))
def test_every_proof_of_a_small_tree_is_its_definition(size: int) -> None:
    hashes = leaves(size)
    read = reader(hashes)
    root = independent.mth(hashes)
    assert tree_root(size, read) == root_of(hashes) == root
    for index in range(size):
        path = inclusion_path(index, size, read)
        assert list(path) == independent.path(index, hashes)
        assert included(index, size, hashes[index], path, root)
        assert independent.root_by_path(index, size, hashes[index], list(path)) == root
    for old in range(1, size):
        path = consistency_path(old, size, read)
        assert list(path) == independent.consistency(old, hashes)
        assert consistent(old, size, independent.mth(hashes[:old]), root, path)
    assert consistent(size, size, root, root, ())
    assert consistent(0, size, root_of([]), root, ())


SIZES = st.one_of(st.integers(1, 700), st.sampled_from([255, 256, 257, 511, 512, 513]))


@given(SIZES, st.data())
def test_proofs_of_larger_trees_hold_and_nothing_else_does(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    read = reader(hashes)
    root = root_of(hashes)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    inclusion = inclusion_path(index, size, read)
    growth = consistency_path(old, size, read)
    old_root = root_of(hashes[:old])
    assert included(index, size, hashes[index], inclusion, root)
    assert consistent(old, size, old_root, root, growth)

    other_index = data.draw(st.integers(-2, size + 2).filter(lambda one: one != index))
    assert not included(other_index, size, hashes[index], inclusion, root)
    assert not included(index, size, bytes(32), inclusion, root)
    assert not included(index, size, hashes[index], inclusion, bytes(32))
    assert not included(index, size, hashes[index], (*inclusion, bytes(32)), root)
    if old < size:
        assert not consistent(old, size, bytes(32), root, growth)
        assert not consistent(old, size, old_root, bytes(32), growth)
        assert not consistent(old, size, old_root, root, (*growth, bytes(32)))
        assert not consistent(old, size, old_root, root, growth[:-1])

    def inclusion_holds(path: Sequence[bytes]) -> bool:
        return included(index, size, hashes[index], path, root)

    def growth_holds(path: Sequence[bytes]) -> bool:
        return consistent(old, size, old_root, root, path)

    for path, holds in ((inclusion, inclusion_holds), (growth, growth_holds)):
        if path:
            at = data.draw(st.integers(0, len(path) - 1))
            spoilt = bytearray(path[at])
            spoilt[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
            assert not holds((*path[:at], bytes(spoilt), *path[at + 1 :]))
            assert not holds((*path[:at], *path[at + 1 :]))


def test_a_log_that_was_rewritten_has_no_proof() -> None:
    hashes = leaves(100)
    other = [*hashes[:40], bytes(32), *hashes[41:]]
    for old in range(41, 100):
        path = consistency_path(old, 100, reader(other))
        assert not consistent(old, 100, root_of(hashes[:old]), root_of(other), path)


@given(st.sampled_from([1, 2, 255, 256, 257, 300, 512, 513]), st.data())
def test_proofs_from_tiles_are_proofs_from_hashes(size: int, data: st.DataObject) -> None:
    entries = [at.to_bytes(4, "big") for at in range(size)]
    hashes = leaves(size)
    _, files = files_of(entries)
    read = hashes_from(files.__getitem__, size)
    index = data.draw(st.integers(0, size - 1))
    assert inclusion_path(index, size, read) == inclusion_path(index, size, reader(hashes))
    assert consistency_path(index + 1, size, read) == consistency_path(index + 1, size, reader(hashes))


def test_questions_that_have_no_answer() -> None:
    read = hashes_from({Tile(0, 0, 3): bytes(96)}.__getitem__, 3)
    for question in (lambda: inclusion_path(3, 3, read), lambda: inclusion_path(-1, 3, read),
                     lambda: consistency_path(4, 3, read), lambda: read(2, 0)):  # fmt: skip
        with pytest.raises(InvalidInput):
            question()
    assert not consistent(4, 3, bytes(32), bytes(32), ())
    assert not included(0, 0, bytes(32), (), bytes(32))
