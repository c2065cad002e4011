"""DNS records, one by one and in batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rempart.controller.cloudflare_v4.calls import Call, Endpoint, Reply
from rempart.controller.cloudflare_v4.envelope import PageInfo
from rempart.controller.cloudflare_v4.record_bodies import (
    BatchBody,
    RecordBody,
    RecordChange,
    RecordQuery,
    filter_of,
)
from rempart.controller.cloudflare_v4.record_views import view
from rempart.controller.completion import look_up_first
from rempart.controller.intents.record_values import RecordBatch
from rempart.controller.intents.records import BATCH_MAX
from rempart.model.errors import InvalidInput
from rempart.model.permissions import Permission
from rempart.model.records import Record, RecordDraft, RecordType

_RECORDS = "/zones/{zone_id}/dns_records"
_RECORD = _RECORDS + "/{record_id}"


def list_records(call: Call) -> Reply:
    query: RecordQuery = call.query
    page = call.controller.intents.records.list(
        call.zone.id, filter_of(query, call.zone.name), page=query.page, per_page=query.size
    )
    return Reply([view(one, call.zone) for one in page.items], PageInfo.of(page))


def get_record(call: Call) -> Reply:
    return Reply(view(_record(call), call.zone))


async def create_record(call: Call) -> Reply:
    body: RecordBody = call.body
    draft = body.draft()
    unknown = await _look_up(call, [draft])

    def create() -> Reply:
        written = call.controller.intents.records.create(call.actor, call.zone.id, draft)
        return Reply(view(written.value, call.zone), written=(written,), messages=unknown)

    return await call.threaded(create)


async def replace_record(call: Call) -> Reply:
    body: RecordBody = call.body
    draft = body.draft(await call.threaded(lambda: _record(call)))
    unknown = await _look_up(call, [draft])

    def replace() -> Reply:
        written = call.controller.intents.records.replace(
            call.actor, call.zone.id, call.path["record_id"], draft, confirm=call.confirm
        )
        return Reply(view(written.value, call.zone), written=(written,), messages=unknown)

    return await call.threaded(replace)


async def edit_record(call: Call) -> Reply:
    body: RecordChange = call.body
    patch = body.patch()
    unknown = await _look_up(call, [patch.applied_to(await call.threaded(lambda: _record(call)))])

    def edit() -> Reply:
        written = call.controller.intents.records.patch(
            call.actor, call.zone.id, call.path["record_id"], patch, confirm=call.confirm
        )
        return Reply(view(written.value, call.zone), written=(written,), messages=unknown)

    return await call.threaded(edit)


def delete_record(call: Call) -> Reply:
    written = call.controller.intents.records.delete(
        call.actor, call.zone.id, call.path["record_id"], confirm=call.confirm
    )
    return Reply({"id": written.value.id}, written=(written,))


async def batch_records(call: Call) -> Reply:
    body: BatchBody = call.body
    records = call.controller.intents.records
    size = sum(map(len, (body.deletes, body.patches, body.puts, body.posts)))
    if size > BATCH_MAX:
        raise InvalidInput(f"{size} changes; {BATCH_MAX} are allowed at once")

    def prepare() -> RecordBatch:
        return RecordBatch(
            deletes=tuple(one.id for one in body.deletes),
            patches=tuple((one.id, one.patch()) for one in body.patches),
            puts=tuple(
                (one.id, one.draft(None if one.complete else records.get(call.zone.id, one.id)))
                for one in body.puts
            ),
            posts=tuple(one.draft() for one in body.posts),
        )

    batch = await call.threaded(prepare)
    unknown = await _look_up(call, [*(draft for _, draft in batch.puts), *batch.posts])

    def carry_out() -> Reply:
        written = records.batch(call.actor, call.zone.id, batch, confirm=call.confirm)
        lists = {
            name: [view(one, call.zone) for one in getattr(written.value, name)] or None
            for name in ("deletes", "patches", "puts", "posts")
        }
        return Reply(lists, written=(written,), messages=unknown)

    return await call.threaded(carry_out)


def usage(call: Call) -> Reply:
    """How many records there are; only a name's own are limited."""
    page = call.controller.intents.records.list(call.zone.id, per_page=1)
    return Reply({"record_quota": None, "record_usage": page.total})


def _record(call: Call) -> Record:
    return call.controller.intents.records.get(call.zone.id, call.path["record_id"])


async def _look_up(call: Call, drafts: Iterable[RecordDraft]) -> tuple[str, ...]:
    """Look up the outside names that these will need, so that no moment is without their addresses."""
    names: list[Any] = [
        draft.content
        for draft in drafts
        if draft.type is RecordType.CNAME and draft.content and (draft.proxied or draft.flatten_cname)
    ]
    return await look_up_first(call.controller, names[:50])


ENDPOINTS = (
    Endpoint("GET", _RECORDS, Permission.DNS_READ, list_records, "List DNS records", query=RecordQuery),
    Endpoint("POST", _RECORDS, Permission.DNS_EDIT, create_record, "Create a DNS record", body=RecordBody),
    Endpoint(
        "POST",
        _RECORDS + "/batch",
        Permission.DNS_EDIT,
        batch_records,
        "Delete, patch, put and post DNS records together, or not at all",
        body=BatchBody,
    ),
    Endpoint("GET", _RECORDS + "/usage", Permission.DNS_READ, usage, "How many DNS records there are"),
    Endpoint("GET", _RECORD, Permission.DNS_READ, get_record, "DNS record details"),
    Endpoint("PUT", _RECORD, Permission.DNS_EDIT, replace_record, "Replace a DNS record", body=RecordBody),
    Endpoint("PATCH", _RECORD, Permission.DNS_EDIT, edit_record, "Edit a DNS record", body=RecordChange),
    Endpoint("DELETE", _RECORD, Permission.DNS_EDIT, delete_record, "Delete a DNS record"),
)
