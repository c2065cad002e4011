"""The bits that say which lists to ask, against the prefixes they are made of."""

from __future__ import annotations

from ipaddress import IPv4Network

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.engines.shield.layout import WHERE_ANY, WHERE_HOSTS, WHERE_NETS
from rempart.engines.shield.where import SIZE, asked, mark, nothing

_WHERE = nothing()


def _prefix(address: int, length: int) -> tuple[int, int]:
    return address >> (32 - length) << (32 - length), length


# Close together, so that they overlap; and anywhere.
ADDRESSES = st.integers(0xC6336000, 0xC6337FFF) | st.integers(0, 2**32 - 1)
PREFIXES = st.lists(st.builds(_prefix, ADDRESSES, st.integers(8, 32) | st.integers(0, 32)), max_size=12)


def _marked(prefixes: list[tuple[int, int]]) -> None:
    _WHERE[:] = 0
    mark(
        _WHERE,
        np.array([address for address, _ in prefixes], np.uint64),
        np.array([length for _, length in prefixes], np.uint32),
    )


def _needed(prefixes: list[tuple[int, int]], net: int) -> int:
    """For the /24 of this number: asked one by one, in the way the text of docs/shield.md says it."""
    found = 0
    for address, length in prefixes:
        if length >= 24 and address >> 8 == net:
            found |= {32: WHERE_HOSTS, 24: WHERE_NETS}.get(length, WHERE_ANY)
        elif length < 24 and address >> (32 - length) == net >> (24 - length):
            found |= WHERE_ANY
    return found


@settings(max_examples=200, deadline=None)
@given(PREFIXES, st.lists(ADDRESSES, max_size=10))
def test_the_bits_are_those_of_the_prefixes(prefixes: list[tuple[int, int]], others: list[int]) -> None:
    _marked(prefixes)
    for address, length in prefixes:
        end = address + (1 << (32 - length))
        for near in (address, end - 1, address - 1, end, address ^ 0x100, address ^ 0x400):
            source = near % 2**32
            assert asked(_WHERE, source) == _needed(prefixes, source >> 8)
    for source in others:
        assert asked(_WHERE, source) == _needed(prefixes, source >> 8)


@pytest.mark.parametrize("length", range(33))
def test_no_other_network_is_touched(length: int) -> None:
    network = IPv4Network(("198.51.100.7", length), strict=False)
    _marked([(int(network.network_address), length)])
    bits = WHERE_HOSTS if length == 32 else WHERE_NETS if length == 24 else WHERE_ANY
    counted = sum(int(((_WHERE >> shift & 3) == bits).sum()) for shift in (0, 2, 4, 6))
    assert counted == max(1 << 24 >> length, 1)
    assert sum(int(((_WHERE >> shift & 3) != 0).sum()) for shift in (0, 2, 4, 6)) == counted


def test_bits_add_up() -> None:
    _marked([_prefix(0xC6336407, 32)])
    mark(_WHERE, np.array([0xC6336400], np.uint32), np.array([24], np.uint32))
    assert asked(_WHERE, 0xC63364FF) == WHERE_HOSTS | WHERE_NETS == WHERE_ANY


def test_it_is_the_size_of_the_map() -> None:
    assert len(nothing()) == SIZE == 2**24 // 4
