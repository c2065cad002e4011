"""Which addresses may stand behind a site. Asked when an owner names one, and again when a name resolves.

Without it a site is a tunnel into the edge's own machine and its neighbours (metadata services, consoles
on loopback), or a loop through the edge itself.
"""

from __future__ import annotations

import ipaddress

from rempart.model.configuration import OriginsSection
from rempart.snapshot.surroundings import Surroundings

_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))
"""Cloud metadata services outside the link-local networks (AWS over IPv6, Alibaba)."""
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def why_never(address: str, port: int, surroundings: Surroundings) -> str | None:
    """Why nobody may name this origin, in words; None when somebody may."""
    ip = _meant(address)
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


def why_refused(address: str, port: int, surroundings: Surroundings, policy: OriginsSection) -> str | None:
    """Why ``policy`` does not allow this origin, in words; None when it does."""
    never = why_never(address, port, surroundings)
    if never:
        return never
    ip = _meant(address)
    if ip.is_loopback:
        return None if policy.loopback else f"{address} is a loopback address"
    if ip.is_link_local or ip in _METADATA:
        return None if policy.link_local else f"{address} is a link-local address"
    if not ip.is_global:
        return None if policy.private else f"{address} is a private address"
    return None


def _meant(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that packets would go to: IPv4 addresses written inside IPv6 ones are unwrapped."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip
