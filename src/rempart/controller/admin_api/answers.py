"""What the routers share: finishing a write, waiting until it is live, reading names from paths."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, TypeVar

from fastapi import Query
from fastapi.concurrency import run_in_threadpool

from rempart.controller.admin_api.messages import CertificateView, NameServer
from rempart.controller.assembly import Controller
from rempart.controller.completion import Completed, complete
from rempart.controller.intents import Written
from rempart.controller.intents.context import PER_PAGE_MAX, Page
from rempart.model.certificates import Certificate
from rempart.model.names import parse_hostname, parse_zone_name, within
from rempart.model.reachability import glue_warnings
from rempart.model.zones import Zone
from rempart.snapshot.surroundings import Surroundings

T = TypeVar("T")
WAIT_MAX_S = 120.0

Wait = Annotated[
    float | None,
    Query(ge=0, le=WAIT_MAX_S, description="Seconds to wait until every connected node has followed."),
]
Confirm = Annotated[str | None, Query(max_length=64, description="Digest of the plan to be carried out.")]


async def made(controller: Controller, wait: float | None, *writes: Written[Any]) -> dict[str, Any]:
    """The fields of `Made` for writes and what must follow them."""
    return await outcome(controller, wait, await complete(controller, *writes))


async def outcome(controller: Controller, wait: float | None, done: Completed) -> dict[str, Any]:
    """The fields of `Made`, once it is live or ``wait`` is over (None: do not wait)."""
    reach = None
    if wait is not None:
        epoch, _ = await run_in_threadpool(controller.intents.published.place)
        reach = await controller.reports.until(done.revision, done.keys, wait, time.monotonic, epoch=epoch)
    return {
        "revision": done.revision,
        "changed": done.changed,
        "summary": done.summary,
        "warnings": done.warnings,
        "reach": reach,
    }


def zone_named(controller: Controller, text: str) -> Zone:
    """The zone with this name (as a person writes it) or id. NotFound when there is none."""
    return controller.intents.zones.get(parse_zone_name(text) if "." in text else text)


def host_named(text: str) -> str:
    """The host name in its canonical form; InvalidInput when it is none."""
    return parse_hostname(text, wildcard=True, field="host")


def surroundings_of(controller: Controller) -> Surroundings:
    """What zones are compiled with now, for showing it."""
    names = (one.ns_name for one in controller.intents.secondaries.list())
    return Surroundings.of(controller.configuration, secondary_names=tuple(name for name in names if name))


class NameServers:
    """What zones' delegations must name, as of when it was made."""

    def __init__(self, controller: Controller) -> None:
        secondaries = controller.intents.secondaries.list()
        self._theirs = {one.ns_name: (one.address,) for one in secondaries if one.ns_name}
        self._ours = controller.configuration.edge.addresses
        self._surroundings = surroundings_of(controller)

    def of(self, zone: str) -> tuple[NameServer, ...]:
        """The name servers of ``zone``; glue for names inside the zone (RFC 1034 section 4.2.1)."""
        return tuple(
            NameServer(name=name, glue=self._theirs.get(name, self._ours) if within(name, zone) else ())
            for name in self._surroundings.nameservers_of(zone)
        )


def unreachable(servers: Iterable[NameServer]) -> tuple[str, ...]:
    """Warnings about name servers that the zone's resolvers could not reach."""
    return glue_warnings((server.name, address) for server in servers for address in server.glue)


def certificate_view(certificate: Certificate) -> CertificateView:
    return CertificateView.model_validate(certificate.model_dump(include=set(CertificateView.model_fields)))


def every(page_of: Callable[[int, int], Page[T]]) -> Iterator[T]:
    """All items of a paged list. ``page_of`` takes page and items per page."""
    number = 1
    while True:
        page = page_of(number, PER_PAGE_MAX)
        yield from page.items
        if number * PER_PAGE_MAX >= page.total:
            return
        number += 1
