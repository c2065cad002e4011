"""Records: create, replace, patch, delete, list, batch, import, export."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, select

from rempart.controller.intents.actor import Actor
from rempart.controller.intents.context import Context, Page, check_page, zone_row
from rempart.controller.intents.record_filters import condition_of
from rempart.controller.intents.record_rows import ZoneRecords
from rempart.controller.intents.record_values import (
    Imported,
    RecordBatch,
    RecordFilter,
    RecordPatch,
    RecordsChanged,
    ZoneImported,
)
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.intents.zones import create_zone
from rempart.controller.store import views
from rempart.controller.store.tables import RecordRow, ZoneRow
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.names import shown
from rempart.model.record_parsing import parse_record
from rempart.model.records import Record, RecordDraft, RecordFields
from rempart.model.zones import Zone, ZoneSettings

BATCH_MAX = 10_000
"""Changes in one batch."""
IMPORT_MAX = 200_000
"""Drafts in one import."""


class RecordIntents:
    """What may be decided about a zone's records."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, actor: Actor, zone_id: str, draft: RecordDraft) -> Written[Record]:
        """A new record. Raises InvalidInput or Conflict."""
        with self._context.writing(actor) as write:
            zone, records = _opened(write, zone_id)
            record = records.add(parse_record(zone.name, draft))
            return _settled(write, records, record, "record.create", _shown(record), zone)

    def replace(
        self, actor: Actor, zone_id: str, record_id: str, draft: RecordDraft, *, confirm: str | None = None
    ) -> Written[Record]:
        """Everything about the record but its identity."""
        with self._context.writing(actor) as write:
            zone, records = _opened(write, zone_id)
            record = records.change(records.get(record_id), parse_record(zone.name, draft))
            return _settled(write, records, record, "record.replace", _shown(record), zone, confirm)

    def patch(
        self, actor: Actor, zone_id: str, record_id: str, patch: RecordPatch, *, confirm: str | None = None
    ) -> Written[Record]:
        """The fields that the patch gives."""
        with self._context.writing(actor) as write:
            zone, records = _opened(write, zone_id)
            before = records.get(record_id)
            record = records.change(before, parse_record(zone.name, patch.applied_to(before)))
            return _settled(write, records, record, "record.patch", _shown(record), zone, confirm)

    def delete(
        self, actor: Actor, zone_id: str, record_id: str, *, confirm: str | None = None
    ) -> Written[Record]:
        """The value is the record that went."""
        with self._context.writing(actor) as write:
            zone, records = _opened(write, zone_id)
            record = records.get(record_id)
            records.remove(record)
            return _settled(write, records, record, "record.delete", _shown(record), zone, confirm)

    def batch(
        self, actor: Actor, zone_id: str, batch: RecordBatch, *, confirm: str | None = None
    ) -> Written[RecordsChanged]:
        """All of it, in the order deletes, patches, puts, posts; or none."""
        size = len(batch.deletes) + len(batch.patches) + len(batch.puts) + len(batch.posts)
        if size > BATCH_MAX:
            raise InvalidInput(f"{size} changes; {BATCH_MAX} are allowed at once", field="batch")
        with self._context.writing(actor) as write:
            zone, records = _opened(write, zone_id)
            deleted = []
            for record_id in batch.deletes:
                record = records.get(record_id)
                records.remove(record)
                deleted.append(record)
            patched = []
            for record_id, patch in batch.patches:
                before = records.get(record_id)
                patched.append(records.change(before, parse_record(zone.name, patch.applied_to(before))))
            put = [
                records.change(records.get(record_id), parse_record(zone.name, draft))
                for record_id, draft in batch.puts
            ]
            posted = _added_all(records, [parse_record(zone.name, draft) for draft in batch.posts])
            value = RecordsChanged(tuple(deleted), tuple(patched), tuple(put), tuple(posted))
            return _settled(write, records, value, "record.batch", f"{size} changes", zone, confirm)

    def import_drafts(
        self,
        actor: Actor,
        zone_id: str,
        drafts: Iterable[RecordDraft],
        *,
        replace: bool = False,
        confirm: str | None = None,
    ) -> Written[Imported]:
        """Add the drafts that the zone does not have yet; with ``replace``, make it have exactly these.

        Without ``replace`` a record that is there already keeps its settings; with it, whatever is removed
        must be confirmed. Addresses of names that are sites here become proxied. Raises the first draft's
        error with its number in the field; then nothing was changed.
        """
        parsed = _parsed(self._zone(zone_id).name, drafts)
        with self._context.writing(actor) as write:
            zone = views.zone(zone_row(write.session, zone_id, actor))
            written: Written[Imported] = _import(write, zone, parsed, replace, confirm)
            return written

    def import_zone(
        self,
        actor: Actor,
        name: str,
        drafts: Iterable[RecordDraft],
        *,
        replace: bool = False,
        confirm: str | None = None,
    ) -> Written[ZoneImported]:
        """``import_drafts`` into the zone ``name`` (canonical), which is made in the same write when there is
        none: an import that fails leaves no empty zone."""
        parsed = _parsed(name, drafts)
        with self._context.writing(actor) as write:
            row = write.session.scalars(select(ZoneRow).where(ZoneRow.name == name)).first()
            if row is None:
                zone = create_zone(write, name, None, ZoneSettings())
            else:
                zone = views.zone(zone_row(write.session, row.id, actor))
            written: Written[Imported] = _import(write, zone, parsed, replace, confirm, created=row is None)
            return Written(ZoneImported(zone, row is None, written.value), written.revision, written.plan)

    def get(self, zone_id: str, record_id: str) -> Record:
        """NotFound when the zone has no such record."""
        with self._context.reading() as session:
            row = session.get(RecordRow, record_id)
            if row is None or row.zone_id != zone_id:
                raise NotFound(f"no such record: {shown(record_id)}", field="id", code=81044)
            return views.record(row)

    def list(
        self,
        zone_id: str,
        wanted: RecordFilter | None = None,
        *,
        page: int = 1,
        per_page: int = 100,
    ) -> Page[Record]:
        """NotFound when there is no such zone."""
        check_page(page, per_page)
        wanted = wanted or RecordFilter()
        with self._context.reading() as session:
            zone_row(session, zone_id)
            condition = condition_of(session, zone_id, wanted)
            total = session.scalars(select(func.count()).select_from(RecordRow).where(condition)).one()
            first = getattr(RecordRow, wanted.order)
            order = [first, RecordRow.name, RecordRow.type, RecordRow.id]
            if wanted.descending:
                order = [column.desc() for column in order]
            rows = select(RecordRow).where(condition).order_by(*order)
            found = session.scalars(rows.limit(per_page).offset((page - 1) * per_page))
            return Page(tuple(map(views.record, found)), total, page, per_page)

    def export(self, zone_id: str) -> tuple[Record, ...]:
        """All records of the zone, by name and type. NotFound when there is no such zone."""
        with self._context.reading() as session:
            zone_row(session, zone_id)
            rows = select(RecordRow).where(RecordRow.zone_id == zone_id)
            ordered = rows.order_by(RecordRow.name, RecordRow.type, RecordRow.id)
            return tuple(map(views.record, session.scalars(ordered)))

    def _zone(self, zone_id: str) -> Zone:
        with self._context.reading() as session:
            return views.zone(zone_row(session, zone_id))


def _opened(write: Transaction, zone_id: str) -> tuple[Zone, ZoneRecords]:
    zone = views.zone(zone_row(write.session, zone_id, write.actor))
    return zone, ZoneRecords(write, zone)


def _parsed(zone: str, drafts: Iterable[RecordDraft]) -> list[RecordFields]:
    parsed = []
    for number, draft in enumerate(drafts, start=1):
        if number > IMPORT_MAX:
            raise InvalidInput(f"more than {IMPORT_MAX} records", field="import")
        try:
            parsed.append(parse_record(zone, draft))
        except InvalidInput as error:
            raise InvalidInput(
                error.message, field=f"records[{number}].{error.field}", hint=error.hint, code=error.code
            ) from error
    return parsed


def _import(
    write: Transaction,
    zone: Zone,
    parsed: list[RecordFields],
    replace: bool,
    confirm: str | None,
    *,
    created: bool = False,
) -> Written[Any]:
    records = ZoneRecords(write, zone)
    parsed = records.behind_sites(parsed)
    value = _replace_all(records, parsed) if replace else _add_missing(records, parsed)
    losses: tuple[str, ...] = ()
    if value.removed:
        there = value.removed + value.changed + value.unchanged
        losses = (f"removes {value.removed} of {there} records from {zone.name}",)
    subject = f"{len(parsed)} records" + (", a new zone" if created else "")
    return _settled(
        write, records, value, "record.import", subject, zone, confirm, explicit=False, losses=losses
    )


def _settled(
    write: Transaction,
    records: ZoneRecords,
    value: Any,
    action: str,
    subject: str,
    zone: Zone,
    confirm: str | None = None,
    *,
    explicit: bool = True,
    losses: tuple[str, ...] = (),
) -> Written[Any]:
    dirty = records.dirty
    records.flush()
    return write.settle(
        value,
        action,
        subject,
        zone=zone.name,
        account=zone.account_id,
        confirm=confirm,
        explicit=explicit,
        losses=losses,
        recorded=dirty,
    )


def _added_all(records: ZoneRecords, parsed: list[RecordFields]) -> list[Record]:
    records.read(fields.name for fields in parsed)
    return [records.add(fields) for fields in parsed]


def _add_missing(records: ZoneRecords, parsed: list[RecordFields]) -> Imported:
    records.read(fields.name for fields in parsed)
    added = 0
    for fields in parsed:
        if not any(_same(fields, one) for one in records.at(fields.name)):
            records.add(fields)
            added += 1
    return Imported(added=added, changed=0, unchanged=len(parsed) - added, removed=0)


def _replace_all(records: ZoneRecords, parsed: list[RecordFields]) -> Imported:
    wanted = {(fields.name, fields.type, fields.rdata): fields for fields in parsed}
    held = {(one.name, one.type, one.rdata): one for one in records.read_all()}
    # What goes, goes first: it may be in the way of what comes.
    for identity in held.keys() - wanted.keys():
        records.remove(held[identity])
    changed = 0
    for identity in [one for one in wanted if one in held]:
        changed += records.change(held[identity], wanted[identity]) is not held[identity]
    fresh = [wanted[identity] for identity in wanted if identity not in held]
    _added_all(records, fresh)
    kept = len(wanted) - len(fresh)
    return Imported(added=len(fresh), changed=changed, unchanged=kept - changed, removed=len(held) - kept)


def _same(one: RecordFields, other: RecordFields) -> bool:
    return (one.name, one.type, one.rdata) == (other.name, other.type, other.rdata)


def _shown(record: Record) -> str:
    return f"{record.name} {record.type}"
