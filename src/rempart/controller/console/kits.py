"""The exit kit of a zone, for its owner, at any time and without asking anybody.

It holds private keys, so it is asked for by a form of the owner's own session, never by a link.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool

from rempart.controller.bundles.gathering import make, served_keys
from rempart.controller.console.frame import Frame
from rempart.controller.console.owner import zones_of
from rempart.controller.intents.actor import Actor, ActorKind
from rempart.model.errors import NotFound
from rempart.model.permissions import Permission
from rempart.model.zones import Zone


def router(frame: Frame) -> APIRouter:
    """``/kits``."""
    routes = APIRouter(prefix="/kits")
    controller = frame.controller

    @routes.post("/{zone_id}")
    async def kit(
        request: Request,
        zone_id: str,
        guard: Annotated[str, Form()],
        partial: Annotated[str, Form()] = "",
    ) -> Response:
        zone, actor = await run_in_threadpool(_owned, frame, request, zone_id, guard)
        served = await served_keys(controller, zone)
        found = await run_in_threadpool(
            lambda: make(controller, actor, zone, served, partial=partial == "yes")
        )
        name = f"{zone.name}.rempart.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Response(found.octets, media_type="application/zip", headers=headers)

    return routes


def _owned(frame: Frame, request: Request, zone_id: str, guard: str) -> tuple[Zone, Actor]:
    """The zone, whose kit the token may have; NotFound for any other."""
    token = frame.owner(request)
    frame.check_form(request, guard)
    for zone in zones_of(frame, token, Permission.BUNDLE_READ):
        if zone.id == zone_id:
            return zone, Actor(kind=ActorKind.TOKEN, id=token.id, account_id=token.account_id)
    raise NotFound("there is no such zone, or the token may not have its exit kit", field="zone")
