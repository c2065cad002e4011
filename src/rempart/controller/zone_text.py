"""A zone of the store as a zone file that another name server takes as it is."""

from __future__ import annotations

from rempart.controller.admin_api.answers import every, surroundings_of
from rempart.controller.assembly import Controller
from rempart.controller.exporting import with_sites
from rempart.model.records import TTL_AUTO_SECONDS
from rempart.model.zonefile import Soa, write_zone_file
from rempart.model.zones import Zone


def zone_text(controller: Controller, zone: Zone) -> str:
    """With SOA and NS, a serial that it has not seen, seconds for "automatic", and records for its sites."""
    surroundings = surroundings_of(controller)
    servers = surroundings.nameservers_of(zone.name)
    sites = every(
        lambda page, per_page: controller.intents.sites.list(zone_id=zone.id, page=page, per_page=per_page)
    )
    return write_zone_file(
        zone.name,
        with_sites(zone.name, controller.intents.records.export(zone.id), sites),
        soa=Soa(
            mname=servers[0],
            rname=surroundings.responsible_of(zone.name),
            serial=int(controller.clock().timestamp()) % 2**32,
        ),
        name_servers=servers,
        auto_ttl=TTL_AUTO_SECONDS,
    )
