"""A zone's rows as compilations read them (``snapshot.dependencies.ZoneView``): by name, or all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from rempart.controller.store import views
from rempart.controller.store.tables import (
    NoticeRow,
    RecordRow,
    ResolutionRow,
    RestrictionRow,
    SiteRow,
    ZoneRow,
    reversed_name,
)
from rempart.model.cases_remedies import UNRESTRICTED, Announced, Restricted, Standing, restricted
from rempart.model.records import RecordFields, RecordType
from rempart.model.sites import Site
from rempart.model.zones import Zone
from rempart.snapshot.dependencies import Resolution, ancestors

CHUNK = 500
"""Names in one query: well under SQLite's limit on variables in a statement (32,766)."""

_COLUMNS = (
    RecordRow.name,
    RecordRow.type,
    RecordRow.content,
    RecordRow.rdata,
    RecordRow.priority,
    RecordRow.ttl,
    RecordRow.proxied,
    RecordRow.flatten_cname,
)


def chunks(names: Iterable[str], size: int = CHUNK) -> Iterator[list[str]]:
    """``names`` in lists of ``size``."""
    rest = iter(names)
    while chunk := list(islice(rest, size)):
        yield chunk


class Resolutions:
    """Outside names' addresses, each read once in a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, Resolution | None] = {}

    def get(self, name: str) -> Resolution | None:
        if name not in self._known:
            row = self._session.get(ResolutionRow, name)
            asked = row is not None and row.asked
            self._known[name] = (
                Resolution(name=name, addresses=tuple(row.addresses), ttl=row.ttl) if row and asked else None
            )
        return self._known[name]


class StoredZone:
    """One zone's rows as of now in the transaction; what was read is remembered."""

    def __init__(self, session: Session, zone: Zone, resolutions: Resolutions) -> None:
        self._session = session
        self._zone = zone
        self._resolutions = resolutions
        self._records: dict[str, list[RecordFields]] = {}
        self._sites: dict[str, Site | None] = {}
        self._standing: tuple[Standing, ...] | None = None
        self._announced: tuple[Announced, ...] = ()
        self._children: tuple[str, ...] | None = None
        self._existing: frozenset[str] | None = None
        """All names of the zone and those above them, once everything was read."""

    @property
    def zone(self) -> Zone:
        return self._zone

    @property
    def child_zones(self) -> Sequence[str]:
        if self._children is None:
            below = reversed_name(self._zone.name)
            names = select(ZoneRow.name).where(
                ZoneRow.reversed_name > below + ".", ZoneRow.reversed_name < below + "/"
            )
            self._children = tuple(self._session.scalars(names))
        return self._children

    def records(self, name: str) -> Sequence[RecordFields]:
        if name not in self._records:
            self.read([name])
        return self._records.get(name, ())

    def site(self, host: str) -> Site | None:
        if host not in self._records:
            self.read([host])
        return self._sites.get(host)

    def resolution(self, name: str) -> Resolution | None:
        return self._resolutions.get(name)

    def restricted(self, name: str) -> Restricted:
        if self._standing is None:
            self._standing = tuple(
                map(views.standing, _rows_about(self._session, RestrictionRow, self._zone))
            )
            self._announced = tuple(map(views.announced, _rows_about(self._session, NoticeRow, self._zone)))
        if not self._standing and not self._announced:
            return UNRESTRICTED
        return restricted(self._standing, name, self._zone.account_id, self._announced)

    def exists(self, name: str) -> bool:
        if self._existing is not None:
            return name in self._existing
        return self._any_at_or_below(name)

    def read(self, names: Iterable[str]) -> None:
        """Read the rows of ``names`` that were not read yet, many at a time."""
        if self._existing is not None:
            return
        for chunk in chunks(name for name in names if name not in self._records):
            for name in chunk:
                self._records[name] = []
            rows = select(*_COLUMNS).where(RecordRow.zone_id == self._zone.id, RecordRow.name.in_(chunk))
            self._keep_records(self._session.execute(rows))
            hosts = select(SiteRow).where(SiteRow.zone_id == self._zone.id, SiteRow.host.in_(chunk))
            self._keep_sites(self._session.scalars(hosts))

    def read_all(self) -> frozenset[str]:
        """Read everything; the names that have records or a site."""
        self._records.clear()
        self._sites.clear()
        self._keep_records(self._session.execute(select(*_COLUMNS).where(RecordRow.zone_id == self._zone.id)))
        self._keep_sites(self._session.scalars(select(SiteRow).where(SiteRow.zone_id == self._zone.id)))
        owners = frozenset(self._records) | frozenset(self._sites)
        self._existing = frozenset(
            above for owner in owners for above in (*ancestors(owner, self._zone.name), self._zone.name)
        )
        return owners

    def _keep_records(self, rows: Iterable[Row[str, str, str, str, int | None, int, bool, bool]]) -> None:
        for name, type_, content, rdata, priority, ttl, proxied, flatten_cname in rows:
            fields = RecordFields(
                type=RecordType(type_),
                name=name,
                content=content,
                rdata=rdata,
                priority=priority,
                ttl=ttl,
                proxied=proxied,
                flatten_cname=flatten_cname,
            )
            self._records.setdefault(name, []).append(fields)

    def _keep_sites(self, rows: Iterable[SiteRow]) -> None:
        for row in rows:
            self._sites[row.host] = views.site(row)

    def _any_at_or_below(self, name: str) -> bool:
        at = reversed_name(name)
        for row in (RecordRow, SiteRow):
            for condition in (
                (row.reversed_name == at,),
                (row.reversed_name > at + ".", row.reversed_name < at + "/"),
            ):
                found = select(row.id).where(row.zone_id == self._zone.id, *condition).limit(1)
                if self._session.scalars(found).first() is not None:
                    return True
        return False


R = TypeVar("R", RestrictionRow, NoticeRow)


def _rows_about(session: Session, table: type[R], zone: Zone) -> Iterable[R]:
    """The rows about the zone, a zone above it, names in it, and its account; each once."""
    at, labels = reversed_name(zone.name), zone.name.split(".")
    above = [".".join(labels[start:]) for start in range(1, len(labels))]
    found: dict[int, R] = {}
    for condition in (
        (table.host.in_(above), table.whole_zone),
        (table.reversed_name == at,),
        (table.reversed_name > at + ".", table.reversed_name < at + "/"),
        (table.account_id == zone.account_id,),
    ):
        for row in session.scalars(select(table).where(*condition)):
            found[id(row)] = row  # a session has one object of a row
    return found.values()
