"""Prefixes as people give them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.model.errors import InvalidInput
from rempart.node.shield.prefix_files import duration, one_prefix, read_prefixes


def test_lists_that_others_publish_are_taken_as_they_are() -> None:
    lines = [
        "; Spamhaus DROP List",
        "1.10.16.0/20 ; SBL256894",
        "# FireHOL",
        "203.0.113.7",
        "203.0.113.8/32",
        "203.0.113.7",
        "",
        "2001:db8::/32,AS64500",
        "2001:db8:1::1\tscanner",
    ]
    found = read_prefixes(lines, "list.txt")
    assert [str(ipaddress.ip_address(int(one))) for one in found.hosts4] == ["203.0.113.7", "203.0.113.8"]
    assert [str(one) for one in found.networks] == ["1.10.16.0/20", "2001:db8::/32", "2001:db8:1::1/128"]
    assert len(found) == 5


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("203.0.113.1/24", ("list.txt, line 2", "the prefix is 203.0.113.0/24")),
        ("203.0.113.300", ("list.txt, line 2", "no address and no prefix")),
        ("1.2.3", ("list.txt, line 2", "no address")),
        ("example.org", ("list.txt, line 2", "no address")),
        ("fe80::1%eth0/64", ("list.txt, line 2", "leave %… out")),
    ],
)
def test_a_line_that_is_none_is_named(line: str, words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_prefixes(["203.0.113.7", line], "list.txt")
    assert all(word in str(caught.value) for word in words)


def test_a_file_without_a_prefix_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="there is no prefix in it"):
        read_prefixes(["# nothing"], "list.txt")


_networks = st.one_of(
    st.ip_addresses(v=4).flatmap(lambda one: st.integers(0, 32).map(lambda length: (one, length))),
    st.ip_addresses(v=6).flatmap(lambda one: st.integers(0, 128).map(lambda length: (one, length))),
).map(lambda pair: ipaddress.ip_network(pair, strict=False))


@given(st.lists(_networks, min_size=1, max_size=50))
def test_what_goes_in_comes_out_each_once(
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> None:
    found = read_prefixes([str(one) for one in networks], "list")
    batch = {one for one, _, _ in found.batch(until=0, tag=1)}
    assert batch == set(networks)
    assert len(found) == len(set(networks))
    for one in networks:
        around = found.those_with(one.network_address)
        assert around is not None
        assert one.network_address in around
        assert around.prefixlen <= one.prefixlen


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("7D", 604_800)])
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0s", "1.5h", "1h30m", "tomorrow"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidInput, match="like 90s"):
        duration(text)


def test_an_address_is_the_prefix_of_it_alone() -> None:
    assert str(one_prefix("203.0.113.7")) == "203.0.113.7/32"
    assert str(one_prefix("2001:DB8::")) == "2001:db8::/128"
