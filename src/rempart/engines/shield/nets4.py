"""Block lists of IPv4 in the layout of today: /24s in their table, and ``blocked4_where`` of all entries.

A shield that was pinned before there was either has its /24s in the trie. Its successor copies them before it
judges its first packet and takes them out of the trie once its own maps are in place: whenever that is cut
off, every entry is in a map that the program of that moment asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from rempart.engines.shield.libbpf import Bytes, Map
from rempart.engines.shield.refusals import BpfFailed
from rempart.engines.shield.where import mark, nothing

TRIE, HOSTS, NETS, WHERE = "blocked4", "blocked4_hosts", "blocked4_nets", "blocked4_where"
_MAPS = frozenset({TRIE, HOSTS, NETS, WHERE})


def take_over(maps: Mapping[str, Map]) -> str:
    """Copy the trie's /24s into their table, and set the bits of all entries; in words when there was
    something to copy. For a map ``blocked4_where`` that is new."""
    if not maps.keys() >= _MAPS:
        return ""
    held = _numbers(maps[NETS])
    moved = left = 0
    for keys, values in _nets_of_trie(maps[TRIE]):
        fresh = ~np.isin(_net_numbers(keys), held)
        try:
            moved += maps[NETS].update_batch(keys[fresh, 4:7], values[fresh])
        except BpfFailed:
            left += int(fresh.sum())
    rebuild(maps)
    if not moved and not left:
        return ""
    stay = f", {left} found no room and stay in the trie" if left else ""
    return f"{NETS}: {moved} entries were moved from {TRIE}{stay}"


def forget(maps: Mapping[str, Map]) -> int:
    """Take out of the trie what stands in the table of /24s; how many there were."""
    if not maps.keys() >= _MAPS or not len(held := _numbers(maps[NETS])):
        return 0
    found = [keys[np.isin(_net_numbers(keys), held)] for keys, _ in _nets_of_trie(maps[TRIE])]
    return sum(maps[TRIE].delete_batch(keys) for keys in found)


def rebuild(maps: Mapping[str, Map]) -> None:
    """Make the bits those of the entries that there are. Nobody may add any meanwhile: the shield's lock is
    held by whoever calls."""
    where = nothing()
    for name, length in ((HOSTS, 32), (NETS, 24), (TRIE, None)):
        for keys, _ in maps[name].lookup_batches():
            if length is None:
                mark(where, _addresses(keys[:, 4:]), keys[:, :4].copy().view("<u4").reshape(-1))
            else:
                mark(where, _addresses(keys), np.full(len(keys), length))
    # A bit that must stay is in both: a packet sees it, whichever it reads.
    maps[WHERE].memory()[:] = where


def _nets_of_trie(trie: Map) -> Iterator[tuple[Bytes, Bytes]]:
    for keys, values in trie.lookup_batches():
        chosen = keys[:, :4].copy().view("<u4").reshape(-1) == 24
        if chosen.any():
            yield keys[chosen], values[chosen]


def _numbers(nets: Map) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    found = [_addresses(keys) for keys, _ in nets.lookup_batches()]
    return np.concatenate(found) if found else np.zeros(0, np.uint32)


def _net_numbers(keys: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    return _addresses(keys[:, 4:7])


def _addresses(octets: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """Of rows of the first three or four bytes of addresses: addresses as numbers."""
    whole = np.zeros((len(octets), 4), np.uint8)
    whole[:, : octets.shape[1]] = octets
    return whole.view(">u4").reshape(-1).astype(np.uint32)
