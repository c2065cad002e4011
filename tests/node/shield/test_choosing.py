"""Which interfaces are guarded, and what the program is told about the machine."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from rempart.model.configuration import Configuration
from rempart.model.shield_settings import ShieldSection
from rempart.node.shield import choosing
from rempart.node.shield.surroundings import Assigned, Interface, Route, Surroundings

LO = Interface("lo", 1, 65536, loopback=True)
ETH0 = Interface("eth0", 2, 1500, loopback=False)
ETH1 = Interface("eth1", 3, 1500, loopback=False)


def assigned(interface: str, text: str) -> Assigned:
    found = ipaddress.ip_interface(text)
    return Assigned(interface, found.ip, found.network.prefixlen)


def route(text: str, interface: str, *, local: bool = False) -> Route:
    return Route(ipaddress.ip_network(text), interface, local)


SERVER = Surroundings(
    (LO, ETH0, ETH1),
    (
        assigned("lo", "127.0.0.1/8"),
        assigned("eth0", "45.33.32.7/24"),
        assigned("eth0", "2a01:7e00::7/64"),
        assigned("eth0", "fe80::7/64"),
        assigned("eth1", "10.20.0.7/24"),
    ),
    (
        route("0.0.0.0/0", "eth0"),
        route("::/0", "eth0"),
        route("45.33.32.0/24", "eth0"),
        route("10.20.0.0/24", "eth1"),
        route("127.0.0.0/8", "lo", local=True),
        route("45.33.32.7/32", "eth0", local=True),
    ),
)


def configuration(**sections: Any) -> Configuration:
    return Configuration(state=Path("/srv/r"), **sections)


def listening(*addresses: str, **shield: Any) -> Configuration:
    return configuration(edge={"listen": addresses}, dns={"listen": addresses}, shield=shield)


def martian(found: Surroundings, source: str, interfaces: tuple[str, ...] = ("eth0",)) -> bool:
    """What the longest prefix says, as the program asks."""
    address = ipaddress.ip_address(source)
    table = choosing.martians(found, interfaces)
    matching = [one for one in table if one.version == address.version and address in one]
    return table[max(matching, key=lambda one: one.prefixlen)] if matching else False


@pytest.mark.parametrize(
    ("chosen", "interfaces"),
    [
        (configuration(), ("eth0",)),
        (listening("45.33.32.7"), ("eth0",)),
        (listening("10.20.0.7"), ("eth1",)),
        (listening("10.20.0.7", "45.33.32.7"), ("eth0", "eth1")),
        (listening("127.0.0.1"), ()),
        (listening("127.0.0.1", interfaces=["lo"]), ("lo",)),
        (listening("192.0.2.1"), ()),
        (configuration(shield={"interfaces": ["eth7", "eth1"]}), ("eth7", "eth1")),
    ],
)
def test_interfaces_that_are_guarded(chosen: Configuration, interfaces: tuple[str, ...]) -> None:
    assert choosing.guarded(chosen, SERVER) == interfaces


@pytest.mark.parametrize(
    ("chosen", "found", "words"),
    [
        (configuration(), Surroundings((LO,)), "no interface has a default route"),
        (listening("127.0.0.1"), SERVER, "only loopback"),
        (listening("192.0.2.1"), SERVER, "no interface has 192.0.2.1"),
    ],
)
def test_why_there_is_nothing_to_guard(chosen: Configuration, found: Surroundings, words: str) -> None:
    assert choosing.guarded(chosen, found) == ()
    assert words in choosing.nothing_to_guard(chosen)


def test_what_is_guarded_stays_guarded_while_it_is_there() -> None:
    assert choosing.guarded_on((), ("eth0",), SERVER) == ("eth0",)
    assert choosing.guarded_on(("eth0",), (), SERVER) == ("eth0",), "its default route is gone for a moment"
    assert choosing.guarded_on(("eth0",), ("eth1",), SERVER) == ("eth1", "eth0")
    assert choosing.guarded_on(("tun0",), ("eth0",), SERVER) == ("eth0",), "it is gone altogether"


def test_over_veth_answers_need_generic_mode() -> None:
    veth = Interface("eth0", 2, 1500, loopback=False, kind="veth")
    assert choosing.mode(ShieldSection(), veth) == "generic"
    assert choosing.mode(ShieldSection(), ETH0) == "auto"
    assert choosing.mode(ShieldSection(mode="native"), veth) == "native"


def test_what_is_served_is_edge_dns_ssh_and_what_is_not_on_loopback() -> None:
    usual = choosing.services(configuration())
    assert {80: 1, 443: 1, 53: 1, 65536 + 53: 3, 22: 1}.items() <= usual.items()
    assert 9180 not in usual
    assert 9181 not in usual
    opened = choosing.services(
        configuration(
            admin={"listen": "45.33.32.7"}, shield={"also_serves": ["udp/51820", "protocol/50", "tcp/53"]}
        )
    )
    assert {9180: 1, 65536 + 51820: 1, 131072 + 50: 1}.items() <= opened.items()
    assert 22 not in opened, "who says what is served says it all"
    assert opened[65536 + 53] == 3


def test_own_addresses_are_those_of_interfaces_and_of_small_local_routes() -> None:
    anycast = Surroundings(
        (LO, ETH0),
        (assigned("eth0", "45.33.32.7/24"),),
        (route("203.0.113.0/30", "lo", local=True), route("198.51.0.0/16", "lo", local=True)),
    )
    own = [str(one) for one in choosing.own_addresses(anycast)]
    assert own == ["45.33.32.7", "203.0.113.0", "203.0.113.1", "203.0.113.2", "203.0.113.3"]
    assert [str(one) for one in choosing.not_expanded(anycast)] == ["198.51.0.0/16"]
    assert choosing.unfiltered(anycast) == ("198.51.0.0/16 (65,536 addresses, 1,024 of a local route fit)",)
    assert "127.0.0.1" in [str(one) for one in choosing.own_addresses(SERVER)]
    assert choosing.unfiltered(SERVER) == ()


def test_addresses_that_are_too_many_are_said() -> None:
    routes = tuple(route(f"203.0.{part}.0/24", "lo", local=True) for part in range(17))
    many = Surroundings((LO, ETH0), (assigned("eth0", "45.33.32.7/24"),), routes)
    assert choosing.unfiltered(many) == ("257 addresses more than 4,096",)


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("10.1.2.3", True),
        ("10.20.0.9", False),  # a route leads there
        ("192.168.1.1", True),
        ("127.0.0.5", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("255.255.255.255", True),
        ("8.8.8.8", False),
        ("45.33.32.9", False),
        ("45.33.32.7", True),  # our own
        ("169.254.169.254", False),  # a cloud's answers
        ("2a01:7e00::7", True),
        ("2a01:7e00::8", False),
        ("fe80::1", False),
        ("::1", True),
        ("64:ff9b::808:808", False),
        ("fd00::1", True),
        ("ff02::1", True),
    ],
)
def test_sources_that_cannot_be(source: str, answer: bool) -> None:
    assert martian(SERVER, source) is answer


def test_behind_a_translated_address_private_networks_are_real() -> None:
    """As in most clouds: the machine has a private address, an origin may be any router away."""
    cloud = Surroundings(
        (LO, ETH0),
        (assigned("eth0", "10.0.0.5/24"),),
        (route("0.0.0.0/0", "eth0"), route("10.0.0.0/24", "eth0")),
    )
    assert not martian(cloud, "10.77.0.1")
    assert not martian(cloud, "172.16.9.9")
    assert martian(cloud, "10.0.0.5")
    assert martian(cloud, "127.0.0.1")
    assert martian(cloud, "198.18.0.1")


def test_on_loopback_our_own_addresses_are_nobodys_but_ours() -> None:
    assert not martian(SERVER, "45.33.32.7", ("lo",))
