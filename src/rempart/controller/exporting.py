"""What leaves with a zone: its records, and records that stand for the sites that have none. Pure.

A site answers with the edge's addresses without a record of its own. Another operator knows nothing of sites,
so in the zone file its name points at the origins, proxied, as Cloudflare would write it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from rempart.model.record_parsing import parse_record
from rempart.model.records import PROXIABLE, RecordDraft, RecordFields, RecordType
from rempart.model.sites import Origin, Site


def with_sites(zone: str, records: Iterable[RecordFields], sites: Iterable[Site]) -> tuple[RecordFields, ...]:
    """``records``, and proxied ones for every site at whose name none of an address or alias stands."""
    present = tuple(records)
    taken = {record.name for record in present if record.type in PROXIABLE}
    standing = [
        parse_record(zone, draft) for site in sites if site.host not in taken for draft in _drafts(site)
    ]
    return (*present, *standing)


def _drafts(site: Site) -> tuple[RecordDraft, ...]:
    """One record for each origin address; a host name is an alias, and an alias stands alone."""
    first = [origin for origin in site.origins if not origin.backup] or list(site.origins)
    kinds = {origin.host: _kind(origin) for origin in first}
    aliases = [host for host, kind in kinds.items() if kind is RecordType.CNAME]
    chosen = aliases[:1] or list(kinds)
    return tuple(
        RecordDraft(type=kinds[host], name=f"{site.host}.", content=host, proxied=True) for host in chosen
    )


def _kind(origin: Origin) -> RecordType:
    try:
        address = ipaddress.ip_address(origin.host)
    except ValueError:
        return RecordType.CNAME
    return RecordType.A if address.version == 4 else RecordType.AAAA
