"""Record rows of one zone within a write: checked against their neighbours, added, changed, removed.

Rows of the names concerned are read once and kept in step, so that ten thousand records in one write cost
a query per few hundred names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from rempart.controller.intents.context import fresh_id
from rempart.controller.intents.reading import chunks
from rempart.controller.intents.transaction import Transaction
from rempart.controller.store import views
from rempart.controller.store.tables import RecordRow, SiteRow
from rempart.model.coexistence import check_coexistence
from rempart.model.errors import Conflict, InvalidInput, NotFound
from rempart.model.names import shown
from rempart.model.records import PROXIABLE, TTL_AUTO, Record, RecordFields, RecordType
from rempart.model.zones import SslMode, Zone

RECORDS_PER_NAME_MAX = 500
"""More would not fit into one DNS answer (65,535 octets) for most types."""


class ZoneRecords:
    """The records of ``zone`` as this write leaves them."""

    def __init__(self, write: Transaction, zone: Zone) -> None:
        self._write = write
        self._zone = zone
        self._at: dict[str, dict[str, Record]] = {}
        self._sites: set[str] = set()
        self._added: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, dict[str, Any]] = {}
        self._removed: set[str] = set()

    def read(self, names: Iterable[str]) -> None:
        """Read the rows of ``names`` ahead."""
        for chunk in chunks(name for name in dict.fromkeys(names) if name not in self._at):
            for name in chunk:
                self._at[name] = {}
            rows = select(RecordRow).where(RecordRow.zone_id == self._zone.id, RecordRow.name.in_(chunk))
            for row in self._write.session.scalars(rows):
                self._at[row.name][row.id] = views.record(row)
            hosts = select(SiteRow.host).where(SiteRow.zone_id == self._zone.id, SiteRow.host.in_(chunk))
            self._sites.update(self._write.session.scalars(hosts))

    def read_all(self) -> Sequence[Record]:
        """Read everything; all records."""
        rows = self._write.session.scalars(select(RecordRow).where(RecordRow.zone_id == self._zone.id))
        for row in rows:
            self._at.setdefault(row.name, {})[row.id] = views.record(row)
        hosts = select(SiteRow.host).where(SiteRow.zone_id == self._zone.id)
        self._sites.update(self._write.session.scalars(hosts))
        return [record for here in self._at.values() for record in here.values()]

    def at(self, name: str) -> Sequence[Record]:
        """The records of ``name``."""
        self.read([name])
        return tuple(self._at[name].values())

    def get(self, record_id: str) -> Record:
        """NotFound when the zone has no such record."""
        row = self._write.session.get(RecordRow, record_id)
        if row is None or row.zone_id != self._zone.id or record_id in self._removed:
            raise NotFound(f"no such record: {shown(record_id)}", field="id", code=81044)
        self.read([row.name])
        for here in self._at.values():
            if record_id in here:
                return here[record_id]
        raise NotFound(f"no such record: {shown(record_id)}", field="id", code=81044)

    def add(self, fields: RecordFields) -> Record:
        """A new record. Raises Conflict or InvalidInput."""
        self._check(fields, None)
        record = Record(
            **_values(fields),
            id=fresh_id(),
            zone_id=self._zone.id,
            created_on=self._write.now,
            modified_on=self._write.now,
        )
        self._at[record.name][record.id] = record
        self._added[record.id] = {
            **views.record_columns(fields),
            "id": record.id,
            "zone_id": self._zone.id,
            "created_on": record.created_on,
            "modified_on": record.modified_on,
        }
        self._write.touch(self._zone, record.name)
        return record

    def change(self, before: Record, fields: RecordFields) -> Record:
        """``before`` with other fields; the same value when they are the same."""
        if views.fields_of(before) == fields:
            return before
        self._check(fields, before)
        after = Record(
            **_values(fields),
            id=before.id,
            zone_id=before.zone_id,
            created_on=before.created_on,
            modified_on=self._write.now,
        )
        del self._at[before.name][before.id]
        self._at[after.name][after.id] = after
        columns = {**views.record_columns(fields), "id": after.id, "modified_on": after.modified_on}
        if after.id in self._added:
            self._added[after.id].update(columns)
        else:
            self._changed[after.id] = columns
        self._write.touch(self._zone, before.name)
        self._write.touch(self._zone, after.name)
        return after

    def behind_sites(self, parsed: Iterable[RecordFields]) -> list[RecordFields]:
        """``parsed`` as a whole zone is taken in: addresses of names that are sites here become proxied.

        An export from elsewhere names each site's old address; refusing it would refuse the zone.
        """
        taken = list(parsed)
        self.read(fields.name for fields in taken)
        return [
            fields.model_copy(update={"proxied": True, "ttl": TTL_AUTO})
            if fields.name in self._sites and fields.type in PROXIABLE
            else fields
            for fields in taken
        ]

    def remove(self, record: Record) -> None:
        del self._at[record.name][record.id]
        self._removed.add(record.id)
        self._write.touch(self._zone, record.name)

    @property
    def dirty(self) -> bool:
        return bool(self._added or self._changed or self._removed)

    def flush(self) -> None:
        """Write the rows."""
        session = self._write.session
        for chunk in chunks(sorted(self._removed)):
            session.execute(
                delete(RecordRow).where(RecordRow.id.in_(chunk)).execution_options(synchronize_session=False)
            )
        added = [columns for id_, columns in self._added.items() if id_ not in self._removed]
        changed = [columns for id_, columns in self._changed.items() if id_ not in self._removed]
        if added:
            session.execute(insert(RecordRow), added)
        if changed:
            session.execute(update(RecordRow), changed)
        session.expire_all()

    def _check(self, fields: RecordFields, before: Record | None) -> None:
        neighbours = [one for one in self.at(fields.name) if before is None or one.id != before.id]
        check_coexistence(
            neighbours,
            fields,
            zone=self._zone.name,
            flatten_all_cnames=self._zone.settings.flatten_all_cnames,
        )
        if len(neighbours) >= RECORDS_PER_NAME_MAX:
            raise InvalidInput(
                f"{fields.name} has {len(neighbours)} records already; {RECORDS_PER_NAME_MAX} are allowed",
                field="name",
            )
        if fields.name in self._sites and fields.type in PROXIABLE and not fields.proxied:
            raise Conflict(
                f"{fields.name} is a site: its addresses are the edge's",
                field="proxied",
                hint="make the record proxied, or remove the site first",
            )
        self._check_origin(fields, before)

    def _check_origin(self, fields: RecordFields, before: Record | None) -> None:
        """A proxied address is an origin; whoever writes it must be allowed to name it."""
        if not fields.proxied or fields.type not in (RecordType.A, RecordType.AAAA):
            return
        if fields.name in self._sites:
            return  # The site's own origins are used; a compilation without the site checks again.
        if before is not None and before.proxied and before.content == fields.content:
            return
        port = 443 if self._zone.settings.ssl in (SslMode.FULL, SslMode.STRICT) else 80
        self._write.actor.check_origin(fields.content, port, self._write.surroundings, field="content")


def _values(fields: RecordFields) -> dict[str, Any]:
    return {name: getattr(fields, name) for name in RecordFields.model_fields}
