"""Exit kits in and out."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from rempart.controller.admin_api.answers import (
    Confirm,
    NameServers,
    Wait,
    made,
    unreachable,
    zone_named,
)
from rempart.controller.admin_api.messages import BundleAnswer, BundleView
from rempart.controller.assembly import Controller
from rempart.controller.bundles.archive import PACKED_MAX, read_archive
from rempart.controller.bundles.contents import belongings_of
from rempart.controller.bundles.gathering import make, served_keys
from rempart.controller.completion import look_up_first
from rempart.controller.intents import OPERATOR
from rempart.model.bundle import Belongings, Manifest
from rempart.model.errors import InvalidInput

Partial = Annotated[bool, Query(description="Make it even when DNSSEC keys are not at hand.")]


def router(controller: Controller) -> APIRouter:
    """``/v1/zones/{name}/bundle`` and ``/v1/bundle-imports``."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/zones/{name}/bundle")
    async def export_bundle(name: str, partial: Partial = False) -> BundleView:
        zone = await run_in_threadpool(zone_named, controller, name)
        served = await served_keys(controller, zone)
        kit = await run_in_threadpool(
            lambda: make(controller, OPERATOR, zone, served, partial=partial)
        )  # fmt: skip
        return BundleView(zone=kit.zone, content=base64.b64encode(kit.octets).decode(), warnings=kit.warnings)

    @routes.post("/bundle-imports", status_code=201)
    async def import_bundle(request: Request, wait: Wait = None, confirm: Confirm = None) -> BundleAnswer:
        octets = await _octets(request)
        manifest, belongings = await run_in_threadpool(_read, octets)
        hosts = [origin.host for site in belongings.sites for origin in site.origins]
        warnings = await look_up_first(controller, hosts)
        written = await run_in_threadpool(
            lambda: controller.intents.bundles.bring(OPERATOR, belongings, confirm=confirm)
        )
        fields = await made(controller, wait, written)
        brought = written.value
        servers = await run_in_threadpool(NameServers(controller).of, brought.zone.name)
        fields["warnings"] += (*warnings, *brought.notes, *unreachable(servers))
        return BundleAnswer(
            **fields,
            zone=brought.zone,
            zone_created=brought.created,
            made_at=manifest.made_at,
            made_by=manifest.made_by,
            records=brought.records,
            sites=brought.sites,
            certificates=brought.certificates,
            ds=belongings.keys.ds if belongings.keys is not None and brought.signed else (),
            nameservers=servers,
            absent=manifest.absent,
        )

    return routes


def _read(octets: bytes) -> tuple[Manifest, Belongings]:
    archive = read_archive(octets)
    return archive.manifest, belongings_of(archive)


async def _octets(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > PACKED_MAX:
            raise InvalidInput(f"larger than {PACKED_MAX >> 20} MiB", field="bundle")
    return bytes(body)
