"""What an owner may spare from challenges, and what the edge compares it with."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.engines.haproxy.state import exemption_keys
from rempart.model.challenges import Exemptions, parse_exempt_network, parse_exempt_path


@pytest.mark.parametrize("path", ["/", "/api/", "/a%20b", "/~user;x=1", "/" + "a" * 199])
def test_paths(path: str) -> None:
    assert parse_exempt_path(path) == path


@pytest.mark.parametrize(
    "path", ["", "api", "/a b", "/a?b", "/a#b", "/ä", "/a/../b", "/a%2E./b", "/" + "a" * 200, "/a\n", "/a|b"]
)
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        parse_exempt_path(path)


@pytest.mark.parametrize(
    "network", ["", "0.0.0.0/0", "10.0.0.0/7", "::/15", "x", "1.2.3.4/33", "fe80::1%eth0/64"]
)
def test_networks_that_are_none(network: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        parse_exempt_network(network)


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(addresses, st.integers(0, 128), addresses)
def test_an_address_is_found_exactly_when_it_is_in_the_network(
    base: ipaddress.IPv4Address | ipaddress.IPv6Address,
    length: int,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    length = max(8 if base.version == 4 else 16, length % (base.max_prefixlen + 1))
    network = ipaddress.ip_network(f"{base}/{length}", strict=False)
    keys = exemption_keys(Exemptions(networks=(str(network),)))
    assert len(keys) <= 8
    for address in (base, other, network.network_address, network.broadcast_address):
        text = f"@{address.max_prefixlen // 8}.{address.packed.hex().upper()}"
        assert any(text.startswith(key) for key in keys) is (address in network)
