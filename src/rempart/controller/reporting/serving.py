"""Whose site a host name is of: a report about one that is not served here helps nobody."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from rempart.controller.intents.zones import enclosing_row
from rempart.controller.store import views
from rempart.controller.store.tables import RecordRow, ResolutionRow, SiteRow, ZoneRow
from rempart.model.errors import InvalidInput
from rempart.model.names import to_unicode
from rempart.snapshot.following import is_address

_LEADS_THERE = ("A", "AAAA", "CNAME", "HTTPS")


@dataclass(frozen=True, slots=True)
class Served:
    """How a name is served here."""

    site: str
    """The site's host, which may be a wildcard; the name itself when only its DNS is here."""
    zone: str
    account_id: str
    origins: tuple[str, ...]
    """Addresses of its origins, as far as they are known; a name that is not resolved stands as itself."""


def served(session: Session, host: str) -> Served:
    """How ``host`` is served. InvalidInput when it is not."""
    home = enclosing_row(session, host)
    if home is not None:
        # The edge looks for the name, then for the wildcard one label up.
        for name in (host, f"*.{host.partition('.')[2]}"):
            site = session.scalars(select(SiteRow).where(SiteRow.host == name)).first()
            if site is not None:
                zone = session.get_one(ZoneRow, site.zone_id)
                origins = [one.host for one in views.site(site).origins]
                return Served(name, zone.name, zone.account_id, _addresses(session, origins))
        found = _records(session, home, host)
        if found:
            values = [row.content for row in found if row.type != "HTTPS"]
            return Served(host, home.name, home.account_id, _addresses(session, values))
    raise InvalidInput(
        f"{to_unicode(host)} is not served here, so nothing can be done about it here",
        field="urls",
        hint="who serves it, the address behind the name tells: https://client.rdap.org",
    )


def _records(session: Session, home: ZoneRow, host: str) -> list[RecordRow]:
    for name in (host, *(f"*.{host.split('.', number)[number]}" for number in range(1, host.count(".")))):
        rows = session.scalars(
            select(RecordRow).where(
                RecordRow.zone_id == home.id, RecordRow.name == name, RecordRow.type.in_(_LEADS_THERE)
            )
        ).all()
        if rows:
            return list(rows)
    return []


def _addresses(session: Session, hosts: list[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for host in hosts:
        known = None if is_address(host) else session.get(ResolutionRow, host.rstrip("."))
        for one in known.addresses if known is not None and known.addresses else [host]:
            found[one] = None
    return tuple(found)
