"""The records of a zone."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from rempart.controller.admin_api.answers import Confirm, Wait, every, made, zone_named
from rempart.controller.admin_api.messages import Made, RecordAnswer, Records
from rempart.controller.assembly import Controller
from rempart.controller.completion import look_up_first
from rempart.controller.intents import OPERATOR, Written
from rempart.controller.intents.record_values import RecordFilter
from rempart.model.coexistence import coexistence_warnings
from rempart.model.names import parse_owner
from rempart.model.reachability import record_warnings
from rempart.model.records import Record, RecordDraft, RecordType


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/zones/{zone}/records``."""
    routes = APIRouter(prefix="/v1/zones/{name}/records")
    records = controller.intents.records

    @routes.get("")
    def list_records(name: str, type: RecordType | None = None, of: str | None = None) -> Records:
        zone = zone_named(controller, name)
        wanted = RecordFilter(type=type, name=None if of is None else parse_owner(of, zone.name))
        found = every(lambda page, per_page: records.list(zone.id, wanted, page=page, per_page=per_page))
        return Records(zone=zone.name, records=tuple(found))

    @routes.post("", status_code=201)
    async def create_record(name: str, draft: RecordDraft, wait: Wait = None) -> RecordAnswer:
        zone = await run_in_threadpool(zone_named, controller, name)
        warnings: tuple[str, ...] = ()
        if draft.type is RecordType.CNAME and draft.content and (draft.proxied or draft.flatten_cname):
            warnings = await look_up_first(controller, [draft.content])
        written = await run_in_threadpool(records.create, OPERATOR, zone.id, draft)
        fields = await made(controller, wait, written)
        record: Record = written.value
        beside = await run_in_threadpool(_beside, zone.id, record)
        fields["warnings"] += (*warnings, *coexistence_warnings(beside, record), *record_warnings((record,)))
        return RecordAnswer(**fields, record=record)

    @routes.delete("/{record_id}")
    async def remove_record(name: str, record_id: str, wait: Wait = None, confirm: Confirm = None) -> Made:
        def remove() -> Written[Record]:
            zone = zone_named(controller, name)
            return records.delete(OPERATOR, zone.id, record_id, confirm=confirm)

        return Made(**await made(controller, wait, await run_in_threadpool(remove)))

    def _beside(zone_id: str, record: Record) -> tuple[Record, ...]:
        found = records.list(zone_id, RecordFilter(name=record.name))
        return tuple(one for one in found.items if one.id != record.id)

    return routes
