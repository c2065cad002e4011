"""What a zone's registrar must be told for DNSSEC: DS records, computed from the keys Knot serves.

Knot makes and rolls the keys by itself; asking it over DNS, as any validator does, needs no access to it
and shows what is really served.
"""

from __future__ import annotations

import ipaddress

import dns.asyncquery
import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from rempart.controller.resolver import dns_resolver
from rempart.model.base import Value
from rempart.model.configuration import DnsSection
from rempart.model.errors import InvalidInput

TIMEOUT_S = 2.0
SEP = 0x0001
"""Secure Entry Point, RFC 4034 section 2.1.1: the keys a parent's DS names."""


class Delegation(Value):
    """The DS RRset for a zone's parent."""

    ds: tuple[str, ...] = ()
    """RFC 4034 section 5.3: key tag, algorithm, digest type (2: SHA-256), digest."""
    keys: tuple[str, ...] = ()
    """The DNSKEYs these are of, in the same order. RFC 4034 section 2.2: flags, protocol, algorithm, key."""
    problem: str = ""
    """Why there are none."""


def loopback_of(address: str) -> str:
    """Where a server that listens on ``address`` is reached from this machine."""
    parsed = ipaddress.ip_address(address)
    if parsed.is_unspecified:
        return "127.0.0.1" if parsed.version == 4 else "::1"
    return address


async def delegation(zone: str, name_server: DnsSection) -> Delegation:
    """Ask our own name server for the keys of ``zone`` (no trailing dot); their DS, sorted. Never raises."""
    name = dns.name.from_text(zone + ".")
    query = dns.message.make_query(name, dns.rdatatype.DNSKEY, use_edns=0, payload=1232)
    query.flags &= ~dns.flags.RD
    try:
        # By TCP: a server that does not run refuses at once, and no rate limit or cookie is in the way.
        answer = await dns.asyncquery.tcp(
            query, loopback_of(name_server.listen[0]), timeout=TIMEOUT_S, port=name_server.port
        )
    except (dns.exception.DNSException, OSError) as error:
        return Delegation(problem=f"the name server does not answer: {error or type(error).__name__}")
    if answer.rcode() != dns.rcode.NOERROR:
        return Delegation(problem=f"the name server answers {dns.rcode.to_text(answer.rcode())}")
    keys = answer.get_rrset(answer.answer, name, dns.rdataclass.IN, dns.rdatatype.DNSKEY)
    found = sorted(
        (dns.dnssec.make_ds(name, key, "SHA256").to_text(), key.to_text(chunksize=0))
        for key in keys or ()
        if isinstance(key, DNSKEY) and key.flags & SEP
    )
    return Delegation(
        ds=tuple(ds for ds, _ in found),
        keys=tuple(key for _, key in found),
        problem="" if found else "the name server has no keys for the zone yet",
    )


async def ask_resolvers(name: str, kind: str, resolvers: tuple[str, ...]) -> tuple[str, ...]:
    """The RRset of ``name`` as the world sees it, in presentation format; empty when there is none, or no
    answer. ``resolvers``: ADDRESS or ADDRESS@PORT; none: the system's. Never raises."""
    try:
        asking = dns_resolver(resolvers)
        asking.lifetime = TIMEOUT_S
        answer = await asking.resolve(dns.name.from_text(name + "."), kind, search=False)
    except (dns.exception.DNSException, OSError, InvalidInput):
        return ()
    return tuple(sorted(one.to_text() for one in answer))
