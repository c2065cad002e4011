"""Compiles what owners decided into items: one name of one zone at a time.

Store rows (through a ``ZoneView``) and the operator's surroundings go in; the items under one name come
out, together with the keys of what else was looked at (``snapshot.dependencies``). Compiling a whole zone is
compiling each of its names: there is no second way, so a change of one name costs one name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rempart.model.challenges import Exemptions, SecurityLevel
from rempart.model.records import PROXIABLE, RecordFields, RecordType, RRset
from rempart.model.sites import Origin, OriginTls, Site, SiteLimits
from rempart.model.zones import SslMode, Zone
from rempart.snapshot.dependencies import RecordingView, ZoneView
from rempart.snapshot.following import (
    Found,
    address_records,
    answer_cname,
    at_edge,
    behind,
    behind_cname,
    in_child_zone,
    is_address,
    is_foreign,
    owner_for,
    seconds,
    target_of,
)
from rempart.snapshot.items import EdgeOrigin, Item, RRsetItem, SiteItem, ZoneItem
from rempart.snapshot.origin_policy import why_never, why_refused
from rempart.snapshot.remedies import edge_remedies
from rempart.snapshot.surroundings import EDGE_TTL, Surroundings

BUILD_VERSION = 4
"""Raise it when the same rows compile to other items: the next start then compiles everything again."""
NS_TTL = 3_600
LEAVING_TTL = 300
"""Seconds for which a name is remembered at the most that is about to be found elsewhere."""
EDGE_ORIGINS_MAX = 64
_IMPLIED_PORT = {OriginTls.OFF: 80, OriginTls.FULL: 443, OriginTls.STRICT: 443}
_IMPLIED_TLS = {
    SslMode.OFF: OriginTls.OFF,
    SslMode.FLEXIBLE: OriginTls.OFF,
    SslMode.FULL: OriginTls.FULL,
    SslMode.STRICT: OriginTls.STRICT,
}


@dataclass(frozen=True, slots=True)
class Compiled:
    """The items under one name, and the keys of everything beyond that name that they were made from."""

    items: tuple[Item, ...]
    keys: frozenset[str]


def compile_zone(zone: Zone, surroundings: Surroundings) -> ZoneItem:
    """The zone itself; its RRsets are made name by name."""
    made = ZoneItem(
        name=zone.name,
        dnssec=zone.settings.dnssec,
        soa_mname=surroundings.nameservers_of(zone.name)[0],
        soa_rname=surroundings.responsible_of(zone.name),
    )
    most = zone.settings.max_ttl
    if most is None:
        return made
    # RFC 2308 section 5: how long it is remembered that there is no such name.
    return made.model_copy(update={"soa_minimum": min(most, made.soa_minimum)})


def standing_names(zone: str, surroundings: Surroundings) -> tuple[str, ...]:
    """Names of the zone that have items even without a record or site of their owner."""
    default = surroundings.default_nameserver(zone)
    return (zone,) if default is None else (zone, default)


def standing_keys(zone: str, surroundings: Surroundings) -> frozenset[str]:
    """Keys of the RRsets that a zone has without its owner's doing: its NS RRset and their glue."""
    default = surroundings.default_nameserver(zone)
    glue = () if default is None else (f"rrset/{zone}/{default}/A", f"rrset/{zone}/{default}/AAAA")
    return frozenset((apex_ns_key(zone), *glue))


def apex_ns_key(zone: str) -> str:
    return f"rrset/{zone}/{zone}/NS"


def compile_name(view: ZoneView, name: str, surroundings: Surroundings) -> Compiled:
    """The RRsets and the site of ``name``. A name without rows (and not a standing one) has none."""
    looking = RecordingView(view, name)
    rrsets = _remembered(looking, name, _rrsets(looking, name, surroundings))
    site = _site(looking, name, surroundings)
    items: list[Item] = [RRsetItem(zone=view.zone.name, rrset=rrset) for rrset in rrsets]
    if site is not None:
        items.append(site)
    return Compiled(tuple(items), looking.keys)


def _rrsets(view: ZoneView, name: str, surroundings: Surroundings) -> list[RRset]:
    zone = view.zone.name
    records = view.records(name)
    addressed = address_records(records)
    plain: dict[str, list[RecordFields]] = {}
    restricted = view.restricted(name)
    if restricted.dns_dropped:
        # The zone stays ours, signed as before, and has no such name: its keys are kept, and the delegation.
        records, addressed = (), ()
    for record in records:
        if record.type not in PROXIABLE and not (name == zone and record.type is RecordType.NS):
            plain.setdefault(record.type.value, []).append(record)
    rrsets = [_rrset(name, type_, found) for type_, found in plain.items()]
    if name == zone:
        servers = sorted(f"{server}." for server in surroundings.nameservers_of(zone))
        rrsets.append(RRset(name=name, type="NS", ttl=NS_TTL, rdata=tuple(servers)))
    if restricted.dns_dropped and name != surroundings.default_nameserver(zone):
        return rrsets
    if at_edge(view, name, surroundings):
        return rrsets + _addresses(name, Found(surroundings.edge_addresses, EDGE_TTL))
    if restricted.proxy_dropped and view.site(name) is not None:
        # Whom the site's owner named as its origin answers now; what records say beside it was never served.
        return rrsets + _addresses(name, behind(view, name, surroundings))
    literal = [record for record in addressed if record.type is not RecordType.CNAME]
    for type_ in (RecordType.A, RecordType.AAAA):
        same = [record for record in literal if record.type is type_]
        if same:
            rrsets.append(_rrset(name, type_.value, same))
    aliases = [record for record in addressed if record.type is RecordType.CNAME]
    if aliases and not literal:
        rrsets += _alias(view, name, aliases[0], surroundings, alone=not rrsets)
    return rrsets


def _remembered(view: ZoneView, name: str, rrsets: list[RRset]) -> list[RRset]:
    """``rrsets`` with TTLs no longer than the owner wishes, or than a name may have that must soon be found
    elsewhere."""
    wishes = (view.zone.settings.max_ttl, LEAVING_TTL if view.restricted(name).short_lived else None)
    most = min((one for one in wishes if one is not None), default=None)
    if most is None:
        return rrsets
    return [one.model_copy(update={"ttl": min(most, one.ttl)}) for one in rrsets]


def _alias(
    view: ZoneView, name: str, record: RecordFields, surroundings: Surroundings, *, alone: bool
) -> list[RRset]:
    """What a CNAME becomes: itself, or its target's addresses."""
    flatten = not alone or record.flatten_cname or view.zone.settings.flatten_all_cnames
    if flatten:
        found = answer_cname(view, name, record, surroundings)
        if found.asked or not alone:
            return _addresses(name, found)
        # Nobody has looked the target up yet: until then the CNAME itself is the right answer.
    return [_rrset(name, RecordType.CNAME.value, [record])]


def _rrset(name: str, type_: str, records: Sequence[RecordFields]) -> RRset:
    # RFC 2181 section 5.2: one TTL for all; the smallest keeps every promise.
    return RRset(
        name=name,
        type=type_,
        ttl=min(seconds(record.ttl) for record in records),
        rdata=tuple(sorted({record.rdata for record in records})),
    )


def _addresses(name: str, found: Found) -> list[RRset]:
    families: dict[str, list[str]] = {}
    for address in found.addresses:
        type_ = "A" if ipaddress.ip_address(address).version == 4 else "AAAA"
        families.setdefault(type_, []).append(address)
    return [
        RRset(name=name, type=type_, ttl=found.ttl, rdata=tuple(sorted(set(addresses))))
        for type_, addresses in sorted(families.items())
    ]


def _site(view: ZoneView, name: str, surroundings: Surroundings) -> SiteItem | None:
    restricted = view.restricted(name)
    if in_child_zone(view, name) or restricted.proxy_dropped or restricted.dns_dropped:
        return None
    site = view.site(name)
    if site is not None:
        return SiteItem(
            host=name,
            origins=_origins(view, site, name, surroundings),
            https_redirect=site.https_redirect,
            limits=site.limits,
            challenge=restricted.challenge
            or (site.security_level or view.zone.settings.security_level) is SecurityLevel.UNDER_ATTACK,
            exemptions=Exemptions() if restricted.challenge else site.exemptions,
            remedies=edge_remedies(restricted, surroundings),
        )
    records = address_records(view.records(name))
    if not any(record.proxied for record in records):
        return None
    # A paused zone keeps its sites at the edge for visitors whose resolvers still remember it.
    settings = view.zone.settings
    return SiteItem(
        host=name,
        origins=_implied_origins(view, name, records, surroundings),
        https_redirect=settings.always_use_https and settings.ssl is not SslMode.OFF,
        limits=SiteLimits(),
        challenge=restricted.challenge or settings.security_level is SecurityLevel.UNDER_ATTACK,
        remedies=edge_remedies(restricted, surroundings),
    )


def _origins(view: ZoneView, site: Site, sni: str, surroundings: Surroundings) -> tuple[EdgeOrigin, ...]:
    """The origins an explicit site names. Addresses were checked against their owner's rights on entry;
    what names resolve to is checked against the operator's policy here."""
    origins: list[EdgeOrigin] = []
    for origin in site.origins:
        if is_address(origin.host):
            if why_never(origin.host, origin.port, surroundings) is None:
                origins.append(_edge_origin(origin, origin.host, sni))
            continue
        found = behind(view, origin.host, surroundings)
        origins += (
            _edge_origin(origin, address, sni)
            for address in found.addresses
            if why_refused(address, origin.port, surroundings, surroundings.origins) is None
        )
    return _distinct(origins)


def _implied_origins(
    view: ZoneView, name: str, records: Sequence[RecordFields], surroundings: Surroundings
) -> tuple[EdgeOrigin, ...]:
    """The origins of a proxied name without a site of its own: what its records point to."""
    tls = _IMPLIED_TLS[view.zone.settings.ssl]
    port = _IMPLIED_PORT[tls]
    literal = {record.content for record in records if record.type is not RecordType.CNAME}
    addresses = [one for one in sorted(literal) if why_never(one, port, surroundings) is None]
    if not literal:
        for record in records:
            site = _site_at_end(view, name, record, surroundings)
            if site is not None:
                return _origins(view, site, site.host, surroundings)
            addresses += (
                one
                for one in behind_cname(view, name, record, surroundings).addresses
                if why_refused(one, port, surroundings, surroundings.origins) is None
            )
    return _distinct(
        _edge_origin(Origin(host=address, port=port, tls=tls), address, name) for address in addresses
    )


def _site_at_end(view: ZoneView, owner: str, record: RecordFields, surroundings: Surroundings) -> Site | None:
    """The explicit site, in the same zone, that a proxied CNAME leads to: its origins serve both names."""
    seen = {owner}
    target = target_of(record)
    while target not in seen and not is_foreign(view, target):
        seen.add(target)
        answering = owner_for(view, target, surroundings)
        if answering is None:
            return None
        site = view.site(answering)
        if site is not None:
            return site
        alias = [one for one in view.records(answering) if one.type is RecordType.CNAME]
        if not alias:
            return None
        target = target_of(alias[0])
    return None


def _edge_origin(origin: Origin, address: str, sni: str) -> EdgeOrigin:
    # A wildcard has no one name to ask the origin for: None leaves it to the visitor's own SNI.
    named = origin.tls is not OriginTls.OFF and not sni.startswith("*.")
    return EdgeOrigin(
        address=address,
        port=origin.port,
        tls=origin.tls,
        sni=sni if named else None,
        weight=origin.weight,
        backup=origin.backup,
        max_connections=origin.max_connections,
    )


def _distinct(origins: Iterable[EdgeOrigin]) -> tuple[EdgeOrigin, ...]:
    """The first origin at each address and port: an engine has one server there."""
    distinct: dict[tuple[str, int], EdgeOrigin] = {}
    for origin in origins:
        distinct.setdefault((origin.address, origin.port), origin)
    return tuple(distinct.values())[:EDGE_ORIGINS_MAX]
