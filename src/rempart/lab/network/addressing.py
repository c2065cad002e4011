"""Who has which address in the small Internet. Pure: the same seed gives the same addresses.

Visitors and bots live in scattered networks of the public Internet, as they do in life: a contender that
groups sources by network must not find all bots under one prefix. A share of the bots' networks has
visitors in its other half, as when a neighbour's camera is part of a botnet. Nothing of this leaves the
namespaces: there is no route out of them.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence

from rempart.model.base import Value

RESERVED = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
)  # fmt: skip
"""Where no client of the public Internet lives (RFC 6890)."""
INFRASTRUCTURE = ipaddress.IPv4Network("45.0.0.0/16")
"""Public addresses of whoever else talks to an edge: the resolver, the ends of uplinks."""


class Prefixes(Value):
    """Networks that are routed to one namespace whole, so that its processes may bind any address of them."""

    v4: tuple[str, ...]
    """IPv4 networks of 128 addresses (/25)."""
    v6: tuple[str, ...]
    """IPv6 networks, a /48 each: a customer with 65,536 networks of its own."""

    @property
    def v4_addresses(self) -> int:
        return sum(ipaddress.IPv4Network(network).num_addresses for network in self.v4)

    def holds(self, address: str) -> bool:
        """Whether an address is one of these; text that is no address is not."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv4Address):
            return str(ipaddress.IPv4Network((parsed, 25), strict=False)) in self.v4
        return str(ipaddress.IPv6Network((parsed, 48), strict=False)) in self.v6


class Addressing(Value):
    """The whole address plan."""

    visitors: Prefixes
    bots: Prefixes


def addressing(seed: int, *, visitor_networks: int, bot_networks: int, neighbours: float) -> Addressing:
    """Addresses of visitors and bots.

    ``neighbours``: share of the visitors' IPv4 networks whose other half belongs to bots.
    """
    chosen = random.Random(f"addressing {seed}")
    shared = round(min(visitor_networks, bot_networks) * neighbours)
    wholes = _scattered_v4(chosen, visitor_networks + bot_networks - shared)
    visitors = [_half(whole, 0) for whole in wholes[:visitor_networks]]
    bots = [_half(whole, 1) for whole in wholes[:shared]]
    bots += [_half(whole, chosen.randrange(2)) for whole in wholes[visitor_networks:]]
    v6 = _scattered_v6(chosen, max(4, visitor_networks // 4) + max(4, bot_networks // 4))
    cut = max(4, visitor_networks // 4)
    return Addressing(
        visitors=Prefixes(v4=tuple(visitors), v6=tuple(v6[:cut])),
        bots=Prefixes(v4=tuple(bots), v6=tuple(v6[cut:])),
    )


def pick_v4(networks: Sequence[str], chosen: random.Random) -> str:
    """Any address of these IPv4 networks except a network's first and last."""
    network = ipaddress.IPv4Network(chosen.choice(networks))
    return str(network[chosen.randrange(1, network.num_addresses - 1)])


def pick_v6(networks: Sequence[str], chosen: random.Random) -> str:
    """Any address of these IPv6 networks, in a /64 of its own."""
    network = ipaddress.IPv6Network(chosen.choice(networks))
    return str(network[(chosen.randrange(1 << 16) << 64) + chosen.randrange(1, 1 << 62)])


def _scattered_v4(chosen: random.Random, count: int) -> list[ipaddress.IPv4Network]:
    """Distinct /24 networks outside the reserved ranges."""
    found: dict[ipaddress.IPv4Network, None] = {}
    while len(found) < count:
        network = ipaddress.IPv4Network((chosen.randrange(1 << 24) << 8, 24))
        if not any(network.overlaps(other) for other in (*RESERVED, INFRASTRUCTURE)):
            found[network] = None
    return list(found)


def _scattered_v6(chosen: random.Random, count: int) -> list[str]:
    """Distinct /48 networks of 2600::/12, the range from which American providers have theirs."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[str(ipaddress.IPv6Network(((0x260 << 116) | (chosen.randrange(1 << 36) << 80), 48)))] = None
    return list(found)


def _half(whole: ipaddress.IPv4Network, which: int) -> str:
    return str(list(whole.subnets(new_prefix=25))[which])
