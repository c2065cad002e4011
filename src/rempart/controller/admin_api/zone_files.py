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
    every,
    made,
    surroundings_of,
    unreachable,
    zone_named,
)
from rempart.controller.admin_api.messages import ImportAnswer
from rempart.controller.assembly import Controller
from rempart.controller.exporting import with_sites
from rempart.controller.importing import ZoneImport, carry_out, zone_named_in
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_zone_name
from rempart.model.records import TTL_AUTO_SECONDS
from rempart.model.zonefile import SIZE_MAX, Soa, write_zone_file


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
        zone = zone_named(controller, name)
        surroundings = surroundings_of(controller)
        servers = surroundings.nameservers_of(zone.name)
        sites = every(
            lambda page, per_page: controller.intents.sites.list(
                zone_id=zone.id, page=page, per_page=per_page
            )
        )
        return write_zone_file(
            zone.name,
            with_sites(zone.name, controller.intents.records.export(zone.id), sites),
            # Another name server takes it as it is: a serial it has not seen, and seconds for "automatic".
            soa=Soa(
                mname=servers[0],
                rname=surroundings.responsible_of(zone.name),
                serial=int(controller.clock().timestamp()) % 2**32,
            ),
            name_servers=servers,
            auto_ttl=TTL_AUTO_SECONDS,
        )

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
