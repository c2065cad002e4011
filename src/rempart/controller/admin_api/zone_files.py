"""Whole zones in and out, as zone files (RFC 1035 section 5)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse

from rempart.controller.admin_api.answers import (
    Confirm,
    NameServers,
    Wait,
    made,
    unreachable,
    zone_named,
)
from rempart.controller.admin_api.messages import ImportAnswer
from rempart.controller.assembly import Controller
from rempart.controller.importing import ZoneImport, carry_out, zone_named_in
from rempart.controller.zone_text import zone_text
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_zone_name
from rempart.model.zonefile import SIZE_MAX


def router(controller: Controller) -> APIRouter:
    """``/v1/zone-imports`` and ``/v1/zones/{name}/export``."""
    routes = APIRouter(prefix="/v1")

    @routes.post("/zone-imports")
    async def import_zone(
        request: Request,
        zone: Annotated[str | None, Query(max_length=300)] = None,
        replace: bool = False,
        wait: Wait = None,
        confirm: Confirm = None,
    ) -> ImportAnswer:
        text = await _text(request)
        name = parse_zone_name(zone) if zone else await run_in_threadpool(zone_named_in, text)
        wanted = ZoneImport(zone=name, text=text, replace=replace, confirm=confirm)
        done = await run_in_threadpool(carry_out, controller, wanted)
        fields = await made(controller, wait, done.written)
        value = done.written.value
        servers = await run_in_threadpool(NameServers(controller).of, value.zone.name)
        fields["warnings"] += done.warnings + (unreachable(servers) if value.created else ())
        return ImportAnswer(
            **fields,
            zone=value.zone,
            zone_created=value.created,
            added=value.records.added,
            modified=value.records.changed,
            unchanged=value.records.unchanged,
            removed=value.records.removed,
            nameservers=servers,
        )

    @routes.get("/zones/{name}/export", response_class=PlainTextResponse)
    def export_zone(name: str) -> str:
        return zone_text(controller, zone_named(controller, name))

    return routes


async def _text(request: Request) -> str:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > SIZE_MAX:
            raise InvalidInput(f"longer than {SIZE_MAX} bytes", field="file")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("no UTF-8 text", field="file") from error
