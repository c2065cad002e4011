"""Secondaries: other name servers that transfer our zones."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from rempart.controller.admin_api.answers import Confirm, Wait, made
from rempart.controller.admin_api.messages import (
    Made,
    NewSecondary,
    Secondaries,
    SecondaryAnswer,
    SecondaryView,
)
from rempart.controller.assembly import Controller
from rempart.controller.intents import OPERATOR, Written
from rempart.controller.intents.secondaries import SecondaryKey
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.names import shown
from rempart.model.zones import Secondary


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/secondaries``."""
    routes = APIRouter(prefix="/v1/secondaries")
    secondaries = controller.intents.secondaries

    @routes.get("")
    def list_secondaries(secret: bool = False) -> Secondaries:
        return Secondaries(
            secondaries=tuple(
                SecondaryView(
                    secondary=one, tsig_secret=secondaries.key(one.id).tsig_secret if secret else None
                )
                for one in secondaries.list()
            )
        )

    @routes.post("", status_code=201)
    async def add_secondary(new: NewSecondary, wait: Wait = None, confirm: Confirm = None) -> SecondaryAnswer:
        def add() -> Written[SecondaryKey]:
            return secondaries.add(OPERATOR, new.address, port=new.port, ns_name=new.ns_name, confirm=confirm)

        written = await run_in_threadpool(add)
        fields = await made(controller, wait, written)
        return SecondaryAnswer(
            **fields, secondary=written.value.secondary, tsig_secret=written.value.tsig_secret
        )

    @routes.delete("/{text}")
    async def remove_secondary(text: str, wait: Wait = None, confirm: Confirm = None) -> Made:
        def remove() -> Written[Secondary]:
            return secondaries.remove(OPERATOR, _named(secondaries.list(), text).id, confirm=confirm)

        return Made(**await made(controller, wait, await run_in_threadpool(remove)))

    return routes


def _named(secondaries: tuple[Secondary, ...], text: str) -> Secondary:
    """The secondary with this id or address; InvalidInput when several have the address."""
    try:
        wanted = str(ipaddress.ip_address(text))
    except ValueError:
        wanted = text
    found = [one for one in secondaries if wanted in (one.id, one.address)]
    if not found:
        raise NotFound(f"no such secondary: {shown(text)}", field="secondary")
    if len(found) > 1:
        raise InvalidInput(
            f"{len(found)} secondaries have this address: name one by its id", field="secondary"
        )
    return found[0]
