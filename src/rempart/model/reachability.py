"""Addresses that the Internet cannot reach. Pure.

Where it stands: a record may well hold one (a split network, a test), so this makes warnings, never errors.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from rempart.model.records import RecordFields, RecordType

_WORDS = (
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("link-local", ("169.254.0.0/16", "fe80::/10")),
    ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),  # RFC 1918, RFC 4193
    ("shared", ("100.64.0.0/10",)),  # RFC 6598
    ("unspecified", ("0.0.0.0/8", "::/128")),
    ("multicast", ("224.0.0.0/4", "ff00::/8")),
)
_NETWORKS = tuple((word, ipaddress.ip_network(text)) for word, texts in _WORDS for text in texts)


def why_unreachable(address: str) -> str | None:
    """``a loopback address`` and the like; None for what may be reached from anywhere.

    Networks for documentation count as reachable: examples are made of them.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    for word, network in _NETWORKS:
        if ip in network:
            return f"{'an' if word[0] in 'aeiou' else 'a'} {word} address"
    return None


def record_warnings(records: Iterable[RecordFields]) -> tuple[str, ...]:
    """One warning for the address records that answer, to everybody, what not everybody can reach."""
    found = [
        (record, why)
        for record in records
        if record.type in (RecordType.A, RecordType.AAAA) and not record.proxied
        if (why := why_unreachable(record.rdata)) is not None
    ]
    if not found:
        return ()
    record, why = found[0]
    more = f", and {len(found) - 1} more are such" if len(found) > 1 else ""
    return (f"{record.name} {record.type} {record.rdata} is {why}{more}: visitors cannot reach that",)


def glue_warnings(glue: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Of name servers' (name, address) those that resolvers cannot reach."""
    return tuple(
        f"the name server {name} would have {address}, {why}: resolvers cannot reach that; "
        "set [edge] addresses in rempart.toml"
        for name, address in glue
        if (why := why_unreachable(address)) is not None
    )
