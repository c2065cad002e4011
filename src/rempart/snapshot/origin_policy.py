"""Which addresses may stand behind a site. Asked when an owner names one, and again when a name resolves.

Without it a site is a tunnel into the edge's own machine and its neighbours (metadata services, consoles
on loopback), or a loop through the edge itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from rempart.model.configuration import OriginsSection
from rempart.snapshot.surroundings import Surroundings

IP = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))
"""Cloud metadata services outside the link-local networks (AWS over IPv6, Alibaba)."""
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
_ENDING_IN_IPV4 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "64:ff9b::/96",  # NAT64 (RFC 6052)
            "::ffff:0:0:0/96",  # translated (RFC 7915, once RFC 2765)
            "::/96",  # IPv4-compatible (RFC 4291 section 2.5.5.1), less :: and ::1
        ),
    )
)
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215: any of RFC 6052's forms, as the network's operator likes."""


def why_never(address: str, port: int, surroundings: Surroundings) -> str | None:
    """Why nobody may name this origin, in words; None when somebody may."""
    return next((why for ip in _meant(address) if (why := _never(address, ip, port, surroundings))), None)


def why_refused(address: str, port: int, surroundings: Surroundings, policy: OriginsSection) -> str | None:
    """Why ``policy`` does not allow this origin, in words; None when it does."""
    never = why_never(address, port, surroundings)
    if never:
        return never
    return next((why for ip in _meant(address) if (why := _refused(address, ip, surroundings, policy))), None)


def _never(address: str, ip: IP, port: int, surroundings: Surroundings) -> str | None:
    if ip.is_unspecified or ip == _BROADCAST:
        return f"{address} is not the address of a machine"
    if ip.is_multicast:
        return f"{address} is a multicast address"
    ours = ip.is_loopback or str(ip) in surroundings.own_addresses or str(ip) in surroundings.edge_addresses
    for endpoint in surroundings.endpoints:
        at_endpoint = ours if endpoint.address is None else str(ip) == endpoint.address
        if at_endpoint and port == endpoint.port:
            return f"{address} port {port} is the edge itself"
    return None


def _refused(address: str, ip: IP, surroundings: Surroundings, policy: OriginsSection) -> str | None:
    if ip.is_loopback:
        return None if policy.loopback else f"{address} is a loopback address"
    if str(ip) in surroundings.own_addresses:
        # What listens on every address is as near there as on loopback, and has no firewall before it.
        return None if policy.loopback else f"{address} is an address of the edge's own machine"
    if ip.is_link_local or ip in _METADATA:
        return None if policy.link_local else f"{address} is a link-local address"
    if not ip.is_global:
        return None if policy.private else f"{address} is a private address"
    return None


def _meant(address: str) -> tuple[IP, ...]:
    """Where packets to ``address`` may end up: IPv4 addresses written inside IPv6 ones are unwrapped."""
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return (ip,)
    if ip.is_unspecified or ip.is_loopback:
        return (ip,)
    inside = tuple(dict.fromkeys(_inside(ip)))
    # Of several ways to read it, those that lead nowhere do not count.
    return tuple(one for one in inside if not one.is_unspecified) or inside or (ip,)


def _inside(ip: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that may be meant by an IPv6 one."""
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:  # its server, and the client behind it
        yield from ip.teredo
    if any(ip in network for network in _ENDING_IN_IPV4):
        yield ipaddress.IPv4Address(ip.packed[12:])
    if ip in _LOCAL_NAT64:
        # RFC 6052 section 2.2: prefixes of 48, 56, 64 and 96 bits; octet 8 is left out, zeros follow.
        octets = ip.packed
        for prefix in (6, 7, 8):
            room = octets[prefix:8] + octets[9:]
            if not any(room[4:]):
                yield ipaddress.IPv4Address(room[:4])
        yield ipaddress.IPv4Address(octets[12:])
