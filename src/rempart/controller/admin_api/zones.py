"""Zones and their settings."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from rempart.controller.admin_api.answers import (
    Confirm,
    NameServers,
    Wait,
    every,
    made,
    unreachable,
    zone_named,
)
from rempart.controller.admin_api.messages import (
    Dnssec,
    DnssecAnswer,
    Made,
    NameServer,
    NewZone,
    ZoneAnswer,
    ZoneChange,
    Zones,
    ZoneSummary,
)
from rempart.controller.assembly import Controller
from rempart.controller.delegation import delegation
from rempart.controller.intents import OPERATOR, Written
from rempart.model.errors import InvalidInput
from rempart.model.names import is_public_suffix
from rempart.model.zones import Zone


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/zones``."""
    routes = APIRouter(prefix="/v1/zones")
    intents = controller.intents

    async def servers_of(zone: Zone) -> tuple[NameServer, ...]:
        return await run_in_threadpool(lambda: NameServers(controller).of(zone.name))

    @routes.get("")
    def list_zones() -> Zones:
        zones = every(lambda page, per_page: intents.zones.list(page=page, per_page=per_page))
        servers = NameServers(controller)
        return Zones(zones=tuple(ZoneSummary(zone=zone, nameservers=servers.of(zone.name)) for zone in zones))

    @routes.post("", status_code=201)
    async def create_zone(new: NewZone, wait: Wait = None) -> ZoneAnswer:
        def create() -> Written[Zone]:
            account = intents.accounts.get(new.account) if new.account else None
            return intents.zones.create(OPERATOR, new.name, account_id=account.id if account else None)

        written = await run_in_threadpool(create)
        fields = await made(controller, wait, written)
        servers = await servers_of(written.value)
        fields["warnings"] += (*_suffix_warning(written.value.name), *unreachable(servers))
        return ZoneAnswer(**fields, zone=written.value, nameservers=servers)

    @routes.get("/{name}")
    def show_zone(name: str) -> ZoneSummary:
        zone = zone_named(controller, name)
        return ZoneSummary(zone=zone, nameservers=NameServers(controller).of(zone.name))

    @routes.patch("/{name}")
    async def change_zone(
        name: str, change: ZoneChange, wait: Wait = None, confirm: Confirm = None
    ) -> ZoneAnswer:
        written = await run_in_threadpool(_edit, controller, name, change, confirm)
        fields = await made(controller, wait, written)
        return ZoneAnswer(**fields, zone=written.value, nameservers=await servers_of(written.value))

    @routes.delete("/{name}")
    async def remove_zone(name: str, wait: Wait = None, confirm: Confirm = None) -> Made:
        def remove() -> Written[Zone]:
            zone = zone_named(controller, name)
            return intents.zones.delete(OPERATOR, zone.id, confirm=confirm)

        return Made(**await made(controller, wait, await run_in_threadpool(remove)))

    @routes.get("/{name}/dnssec")
    async def show_dnssec(name: str) -> Dnssec:
        zone = await run_in_threadpool(zone_named, controller, name)
        if not zone.settings.dnssec:
            return Dnssec(zone=zone.name, enabled=False)
        found = await delegation(zone.name, controller.configuration.dns)
        return Dnssec(zone=zone.name, enabled=True, ds=found.ds, problem=found.problem)

    @routes.patch("/{name}/dnssec")
    async def change_dnssec(
        name: str, change: ZoneChange, wait: Wait = None, confirm: Confirm = None
    ) -> DnssecAnswer:
        if change.dnssec is None:
            raise InvalidInput("true or false is meant", field="dnssec")
        written = await run_in_threadpool(_edit, controller, name, ZoneChange(dnssec=change.dnssec), confirm)
        fields = await made(controller, wait, written)
        zone = written.value
        if not zone.settings.dnssec:
            return DnssecAnswer(**fields, zone=zone.name, enabled=False)
        found = await delegation(zone.name, controller.configuration.dns)
        return DnssecAnswer(**fields, zone=zone.name, enabled=True, ds=found.ds, problem=found.problem)

    return routes


def _suffix_warning(name: str) -> tuple[str, ...]:
    if not is_public_suffix(name):
        return ()
    return (f"{name} is a public suffix: below it anybody registers domains, and this zone answers for all",)


def _edit(controller: Controller, name: str, change: ZoneChange, confirm: str | None) -> Written[Zone]:
    zone = zone_named(controller, name)
    # Only what is given: what another call sets meanwhile stays.
    return controller.intents.zones.change_settings(
        OPERATOR,
        zone.id,
        dnssec=change.dnssec,
        ssl=change.ssl,
        always_use_https=change.always_use_https,
        flatten_all_cnames=change.flatten_all_cnames,
        security_level=change.security_level,
        paused=change.paused,
        max_ttl=change.max_ttl,
        confirm=confirm,
    )
