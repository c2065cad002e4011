"""Who has which address: scattered, disjoint, the same for the same seed."""

from __future__ import annotations

import ipaddress
import random

from rempart.lab.network.addressing import RESERVED, Addressing, addressing, pick_v4, pick_v6


def plan(seed: int = 1) -> Addressing:
    return addressing(seed, visitor_networks=32, bot_networks=256, neighbours=0.25)


def test_the_same_seed_gives_the_same_addresses_and_another_gives_others() -> None:
    assert plan() == plan()
    assert plan(2) != plan()


def test_tens_of_thousands_of_bots_that_are_no_visitors() -> None:
    found = plan()
    assert found.bots.v4_addresses > 30_000
    assert found.visitors.v4_addresses > 4_000
    assert not set(found.visitors.v4) & set(found.bots.v4)
    assert not set(found.visitors.v6) & set(found.bots.v6)
    # Scattered over the Internet: no short prefix holds a botnet.
    assert len({network.split(".")[0] for network in found.bots.v4}) > 100


def test_no_client_lives_where_nobody_does() -> None:
    found = plan()
    for network in (*found.visitors.v4, *found.bots.v4):
        assert not any(ipaddress.IPv4Network(network).overlaps(other) for other in RESERVED)


def test_some_bots_are_neighbours_of_visitors() -> None:
    found = plan()
    wholes = {str(ipaddress.IPv4Network(network).supernet()) for network in found.visitors.v4}
    beside = [net for net in found.bots.v4 if str(ipaddress.IPv4Network(net).supernet()) in wholes]
    assert len(beside) == 8


def test_what_is_picked_is_held_and_nothing_else() -> None:
    found, chosen = plan(), random.Random(1)
    for _ in range(200):
        for address in (pick_v4(found.bots.v4, chosen), pick_v6(found.bots.v6, chosen)):
            assert found.bots.holds(address)
            assert not found.visitors.holds(address)
    assert not found.bots.holds("203.0.113.10")
    assert not found.bots.holds("-")
