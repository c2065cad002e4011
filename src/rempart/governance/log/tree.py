"""Inclusion and consistency proofs: how they are made (RFC 6962 sections 2.1.1, 2.1.2) and checked (RFC 9162
sections 2.1.3.2, 2.1.4.2, which say the same of the same tree).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from rempart.governance.log.hashing import EMPTY_ROOT, node_hash, split
from rempart.model.errors import InvalidInput

ReadHash: TypeAlias = Callable[[int, int], bytes]
"""(height, index) → the root of the complete subtree over leaves ``index * 2**height`` up to the next one's
first. Height 0 is a leaf hash."""


def range_root(start: int, end: int, read: ReadHash) -> bytes:
    """The root over leaves ``start`` to ``end`` (exclusive), a subtree of the tree of ``end`` leaves."""
    size = end - start
    if size & (size - 1) == 0:
        height = size.bit_length() - 1
        return read(height, start >> height)
    middle = start + split(size)
    return node_hash(range_root(start, middle, read), range_root(middle, end, read))


def tree_root(size: int, read: ReadHash) -> bytes:
    """The root of the tree's first ``size`` leaves."""
    return range_root(0, size, read) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, read: ReadHash) -> tuple[bytes, ...]:
    """Proof that leaf ``index`` is in the tree of ``size`` leaves: from the leaf's sibling up."""
    if not 0 <= index < size:
        raise InvalidInput(f"a log of {size} entries has no entry {index}", field="index")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            path.append(range_root(middle, end, read))
            end = middle
        else:
            path.append(range_root(start, middle, read))
            start = middle
    return tuple(reversed(path))


def consistency_path(old: int, size: int, read: ReadHash) -> tuple[bytes, ...]:
    """Proof that the tree of ``size`` leaves begins with the one of ``old``; empty for nothing new."""
    if not 0 <= old <= size:
        raise InvalidInput(f"a log of {size} entries cannot be compared with one of {old}", field="old size")
    if old in (0, size):
        return ()
    path: list[bytes] = []
    start, end = 0, size
    while old != end:
        middle = start + split(end - start)
        if old <= middle:
            path.append(range_root(middle, end, read))
            end = middle
        else:
            path.append(range_root(start, middle, read))
            start = middle
    if start:
        path.append(range_root(start, end, read))
    return tuple(reversed(path))


def included(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether ``path`` proves that ``leaf`` is entry ``index`` of the ``size`` leaves under ``root``."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for hash_ in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(hash_, found)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            found = node_hash(found, hash_)
        position >>= 1
        last >>= 1
    return last == 0 and found == root


def consistent(old: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that the ``size`` leaves under ``root`` begin with the ``old`` ones."""
    if not 0 <= old <= size:
        return False
    if old == size:
        return not path and old_root == root
    if old == 0:
        # Everything begins with nothing.
        return not path and old_root == EMPTY_ROOT
    hashes = list(path)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    position, last = old - 1, size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    found_old = found = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            found_old = node_hash(hash_, found_old)
            found = node_hash(hash_, found)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            found = node_hash(found, hash_)
        position >>= 1
        last >>= 1
    return last == 0 and found_old == old_root and found == root
