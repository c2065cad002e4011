"""Follows a name to addresses: what DNS would answer for it, and what stands behind it.

The two differ for proxied names: visitors are answered with the edge's addresses, while an origin reached
through the same name means the server behind. Used for flattened CNAMEs (RFC 1034 section 3.6.2 forbids a
CNAME beside other data, so at an apex its target's addresses are served instead) and for origins given
as names. Pure: outside names come from resolutions that were made beforehand.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from rempart.model.records import PROXIABLE, TTL_AUTO, TTL_AUTO_SECONDS, RecordFields, RecordType
from rempart.snapshot.dependencies import ZoneView, ancestors, is_under
from rempart.snapshot.surroundings import EDGE_TTL, Surroundings

CHAIN_MAX = 16
"""CNAMEs followed before giving up; resolvers stop at about as many."""
ADDRESSES_MAX = 64


@dataclass(frozen=True, slots=True)
class Found:
    """Addresses of a name."""

    addresses: tuple[str, ...] = ()
    ttl: int = TTL_AUTO_SECONDS
    asked: bool = True
    """False: the name is outside and nobody has asked for it yet."""


NOTHING = Found()


def seconds(ttl: int) -> int:
    """A record's TTL in seconds."""
    return TTL_AUTO_SECONDS if ttl == TTL_AUTO else ttl


def target_of(record: RecordFields) -> str:
    """The name that a CNAME points to: lower case, no trailing dot."""
    return record.rdata.rstrip(".").lower()


def address_records(records: Iterable[RecordFields]) -> tuple[RecordFields, ...]:
    """The A, AAAA and CNAME records among ``records``."""
    return tuple(record for record in records if record.type in PROXIABLE)


def is_foreign(view: ZoneView, name: str) -> bool:
    """True when the zone's own records do not answer for ``name``: outside, in a child zone, or delegated."""
    if not is_under(name, view.zone.name) or in_child_zone(view, name):
        return True
    return any(
        record.type is RecordType.NS
        for above in ancestors(name, view.zone.name)
        for record in view.records(above)
    )


def in_child_zone(view: ZoneView, name: str) -> bool:
    """True when a hosted zone below this one answers for ``name``."""
    return any(is_under(name, child) for child in view.child_zones)


def at_edge(view: ZoneView, name: str, surroundings: Surroundings) -> bool:
    """True when the zone answers ``name`` with the edge's addresses."""
    if name == surroundings.default_nameserver(view.zone.name):
        return True
    if view.restricted(name).proxy_dropped:
        return False
    records = address_records(view.records(name))
    if view.zone.paused and records:
        return False
    return view.site(name) is not None or any(record.proxied for record in records)


def answer(view: ZoneView, name: str, surroundings: Surroundings) -> Found:
    """The addresses that DNS answers for ``name``."""
    return _follow(view, name, surroundings, behind=False, seen=frozenset())


def behind(view: ZoneView, name: str, surroundings: Surroundings) -> Found:
    """The addresses of the servers that ``name`` stands for, the edge looked through."""
    return _follow(view, name, surroundings, behind=True, seen=frozenset())


def behind_cname(view: ZoneView, owner: str, record: RecordFields, surroundings: Surroundings) -> Found:
    """As ``behind`` for the target of ``owner``'s CNAME."""
    found = _follow(view, target_of(record), surroundings, behind=True, seen=frozenset({owner}))
    return Found(found.addresses, min(seconds(record.ttl), found.ttl), found.asked)


def answer_cname(view: ZoneView, owner: str, record: RecordFields, surroundings: Surroundings) -> Found:
    """As ``answer`` for the target of ``owner``'s CNAME."""
    found = _follow(view, target_of(record), surroundings, behind=False, seen=frozenset({owner}))
    return Found(found.addresses, min(seconds(record.ttl), found.ttl), found.asked)


def owner_for(view: ZoneView, name: str, surroundings: Surroundings) -> str | None:
    """Whose data answers for ``name`` inside the zone: its own, a wildcard's (RFC 4592), or nobody's."""
    zone = view.zone.name
    default = surroundings.default_nameserver(zone)
    if name in (zone, default) or view.records(name) or view.site(name) is not None:
        return name
    if view.exists(name):
        return None  # an empty non-terminal: the name exists, without data
    encloser = name.partition(".")[2]
    while encloser != zone and encloser != default and not view.exists(encloser):
        encloser = encloser.partition(".")[2]
    wildcard = f"*.{encloser}"
    return wildcard if view.records(wildcard) or view.site(wildcard) is not None else None


def _follow(
    view: ZoneView, name: str, surroundings: Surroundings, *, behind: bool, seen: frozenset[str]
) -> Found:
    if name in seen or len(seen) > CHAIN_MAX:
        return NOTHING
    if is_foreign(view, name):
        resolution = view.resolution(name)
        if resolution is None:
            return Found(asked=False)
        return Found(resolution.addresses, resolution.ttl)
    owner = owner_for(view, name, surroundings)
    if owner is None or (owner != name and owner in seen):
        return NOTHING
    seen |= {name, owner}
    site = view.site(owner)
    if not behind and view.restricted(owner).dns_dropped:
        return NOTHING
    if not behind and site is not None and view.restricted(owner).proxy_dropped:
        return _follow(view, owner, surroundings, behind=True, seen=seen - {owner, name})
    if not behind and at_edge(view, owner, surroundings):
        return Found(surroundings.edge_addresses, EDGE_TTL)
    if behind and site is not None:
        return joined(
            Found((origin.host,))
            if is_address(origin.host)
            else _follow(view, origin.host, surroundings, behind=True, seen=seen)
            for origin in site.origins
        )
    records = address_records(view.records(owner))
    literal = tuple(record for record in records if record.type is not RecordType.CNAME)
    if literal:
        addresses = tuple(sorted({record.content for record in literal}))
        return Found(addresses, min(seconds(record.ttl) for record in literal))
    return joined(
        Found(found.addresses, min(seconds(record.ttl), found.ttl), found.asked)
        for record in records
        for found in (_follow(view, target_of(record), surroundings, behind=behind, seen=seen),)
    )


def joined(found: Iterable[Found]) -> Found:
    """All addresses of ``found`` with the smallest TTL."""
    parts = tuple(found)
    if not parts:
        return NOTHING
    addresses = tuple(sorted({address for part in parts for address in part.addresses}))
    return Found(
        addresses[:ADDRESSES_MAX],
        min(part.ttl for part in parts),
        any(part.asked for part in parts),
    )


def is_address(text: str) -> bool:
    """True for an IPv4 or IPv6 address in text form, without a zone index (``%eth0``): that means something
    on one machine only, and Python lets any characters at all stand in it."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
