"""What the shield must know of the machine's network, as one value. Pure; ``network.py`` looks it up."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as it is now."""

    name: str
    index: int
    mtu: int
    loopback: bool
    program: int | None = None
    """The id of the XDP program that is attached to it; None when none is."""
    kind: str = ""
    """``veth``, ``vlan``, ``bond`` …; empty for a network card."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An address of an interface, with the length of its network's prefix."""

    interface: str
    address: Address
    prefix_length: int

    @property
    def network(self) -> Network:
        return ipaddress.ip_network((self.address, self.prefix_length), strict=False)


@dataclass(frozen=True, slots=True)
class Route:
    """A route to others, or (``local``) to ourselves. ``interface``: empty when it names none."""

    network: Network
    interface: str
    local: bool = False

    @property
    def default(self) -> bool:
        return self.network.prefixlen == 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The network of this machine at one moment."""

    interfaces: tuple[Interface, ...] = ()
    addresses: tuple[Assigned, ...] = ()
    routes: tuple[Route, ...] = ()

    @property
    def by_name(self) -> Mapping[str, Interface]:
        return {one.name: one for one in self.interfaces}
