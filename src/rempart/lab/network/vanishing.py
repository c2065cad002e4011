"""What an edge sends to addresses that nobody has vanishes at the router's end of its cable.

The router would drop it all the same, for want of a route. But over veth the one who sends does the work of
the one who receives, and half a microsecond of routing for each answer to a spoofed source would be the
edge's. In life a network card sends it and forgets it.

The program is also what lets an edge answer from a packet program at all: a veth takes frames that an XDP
program sends back only if there is a program at the other end too. Every contender gets it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from rempart.engines.shield.libbpf import Kind, Link, Map, Mode
from rempart.lab import bpf
from rempart.lab.bpf import Helper, Instructions
from rempart.lab.network.world import World

_ETHERNET_TYPE, _IP4_DESTINATION, _IP4_END = 12, 30, 34
_IP4 = 0x0008
"""The type 0x0800 as it is read on a machine whose numbers begin with the low octet."""


def attach(interface: str, known: Iterable[ipaddress.IPv4Network]) -> Link:
    """Attach to an interface of this thread's namespace; the program is there while the link is open.

    ``known``: where packets may go. IPv6 and what is not IP passes.
    """
    trie = bpf.prefixes("known", [(network.network_address.packed, network.prefixlen) for network in known])
    with trie, bpf.load(Kind.XDP, "vanishing", passing(trie)) as program:
        return Link.attach(program, socket.if_nametoindex(interface), Mode.NATIVE)


def known_in(plan: World) -> list[ipaddress.IPv4Network]:
    """Every IPv4 network that somebody in a world lives in."""
    ends = (address for link in plan.links for end in (link.a, link.b) for address in end.addresses)
    found = {ipaddress.ip_interface(address).network for address in ends}
    found |= {ipaddress.ip_network(network) for networks in plan.local.values() for network in networks}
    return sorted(network for network in found if isinstance(network, ipaddress.IPv4Network))


def passing(trie: Map) -> Instructions:
    """Pass what is no IPv4, and IPv4 to an address that the trie knows; drop the rest."""
    program = Instructions().load32(2, 1, 0).load32(3, 1, 4)
    program.copy(4, 2).add(4, _IP4_END).skip_if_greater(4, 3, 13)
    program.load16(5, 2, _ETHERNET_TYPE).skip_unless_equal(5, _IP4, 11)
    program.load32(5, 2, _IP4_DESTINATION).store32(10, -4, 5)
    # Two instructions wide each: the constant and the map.
    program.constant(5, 32).store32(10, -8, 5)
    program.map(1, trie).copy(2, 10).add(2, -8).call(Helper.MAP_LOOKUP)
    program.skip_if_equal(0, 0, 3)
    program.constant(0, bpf.XDP_PASS).exit()
    return program.constant(0, bpf.XDP_DROP).exit()
