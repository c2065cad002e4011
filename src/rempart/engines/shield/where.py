"""Where in the kernel something may stand that holds for an IPv4 address: ``blocked4_where``. Pure.

Two bits for each of the 2^24 /24 networks (``struct where`` in bpf/tables.h), as one array of 2^22 bytes,
which is the map's own memory or a copy of it. The packet program asks no map that the bits do not name, so
they may say too much (that costs time) and never too little: bits are set before entries are written, and
cleared only by putting in place what was made from all entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield import layout

Bits = NDArray[np.uint8]
SIZE = layout.WHERE_NETWORKS * layout.WHERE.itemsize
_QUADS = 22
"""A byte is of four /24s: a /22."""


def nothing() -> Bits:
    """Of a list with no entries."""
    return np.zeros(SIZE, np.uint8)


def mark(where: Bits, addresses: NDArray[Any], lengths: NDArray[Any]) -> None:
    """Set the bits of IPv4 prefixes: addresses as numbers, with nothing behind the length, and lengths."""
    numbers, lengths = addresses.astype(np.uint64), np.asarray(lengths)
    nets = numbers >> np.uint64(8)
    _set(where, nets[lengths == 32], layout.WHERE_HOSTS)
    _set(where, nets[lengths == 24], layout.WHERE_NETS)
    _set(where, nets[(lengths > 24) & (lengths < 32)], layout.WHERE_ANY)
    pairs = nets[lengths == 23] | np.uint64(1)
    _set(where, pairs, layout.WHERE_ANY)
    _set(where, pairs - np.uint64(1), layout.WHERE_ANY)
    for length in np.unique(lengths[lengths <= _QUADS]).tolist():
        # One row for each prefix of this length that there can be.
        rows = where.reshape(1 << length, -1)
        rows[numbers[lengths == length] >> np.uint64(32 - length)] = 0xFF


def asked(where: Bits, address: int) -> int:
    """What the program reads for a source: ``layout.WHERE_…``."""
    net = address >> 8
    return int(where[net >> 2]) >> (net & 3) * 2 & layout.WHERE_ANY


def _set(where: Bits, nets: NDArray[np.uint64], bits: int) -> None:
    for place in range(4):
        at = nets[nets & np.uint64(3) == place] >> np.uint64(2)
        # An address that comes twice gets the same bits twice: buffered assignment is right.
        where[at] |= np.uint8(bits << place * 2)
