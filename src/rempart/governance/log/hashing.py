"""Hashes of the Merkle tree (RFC 6962 section 2.1, SHA-256).

A tree is also kept as its peaks: the roots of its largest complete subtrees from left to right, one for each
bit that is set in its size. Leaves are added to peaks in constant time, and their fold is the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry as a leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children."""
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two smaller than ``size`` (2 or more): how many leaves the left subtree has."""
    return 1 << ((size - 1).bit_length() - 1)


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root of the tree over these subtree roots of equal height (or leaf hashes)."""
    if not hashes:
        return EMPTY_ROOT
    layer = list(hashes)
    while len(layer) > 1:
        # What has no right neighbour goes up as it is: the same tree as RFC 6962's recursion.
        odd = layer[-1:] if len(layer) % 2 else []
        layer = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(layer[::2], layer[1::2], strict=False)
        ] + odd
    return layer[0]


def add_peak(peaks: list[bytes], size: int, root: bytes) -> None:
    """Append a subtree's root to the peaks of a tree of ``size`` such subtrees, in place."""
    peaks.append(root)
    while size & 1:
        right = peaks.pop()
        peaks[-1] = node_hash(peaks[-1], right)
        size >>= 1


def root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    """The root of the tree that has these peaks, highest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root
