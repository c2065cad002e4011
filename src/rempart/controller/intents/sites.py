"""Sites: host names whose visitors come through the edge."""

from __future__ import annotations

import ipaddress
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rempart.controller.intents.actor import Actor
from rempart.controller.intents.context import Context, Page, check_page, fresh_id, zone_row
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.intents.zones import create_zone, enclosing_row
from rempart.controller.store import views
from rempart.controller.store.tables import RecordRow, SiteRow, ZoneRow, reversed_name
from rempart.model.challenges import Exemptions, SecurityLevel
from rempart.model.errors import Conflict, InvalidInput, NotFound
from rempart.model.names import parse_hostname, parse_zone_name, registrable_domain, shown, within
from rempart.model.records import PROXIABLE, TTL_AUTO
from rempart.model.sites import Origin, Site, SiteLimits
from rempart.model.zones import Zone, ZoneSettings
from rempart.snapshot.following import is_address


class SiteIntents:
    """What may be decided about sites."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def add(
        self,
        actor: Actor,
        host: str,
        origins: tuple[Origin, ...],
        *,
        https_redirect: bool = True,
        limits: SiteLimits | None = None,
        security_level: SecurityLevel | None = None,
        exemptions: Exemptions | None = None,
        zone: str | None = None,
        account_id: str | None = None,
        confirm: str | None = None,
    ) -> Written[Site]:
        """A new site. Its zone is the one named, or the longest one that encloses the host, or a new one of
        the host's registrable domain.

        Adding the same site again changes nothing; address records that the host has become proxied. Raises
        Conflict when the site is there with other settings.
        """
        host = parse_hostname(host, wildcard=True, field="host")
        with self._context.writing(actor) as write:
            there = write.session.scalars(select(SiteRow).where(SiteRow.host == host)).first()
            home = _zone_for(write, host, zone, account_id)
            checked = checked_origins(write, host, origins)
            wanted = (
                checked, https_redirect, limits or SiteLimits(), security_level, exemptions or Exemptions()
            )  # fmt: skip
            if there is not None:
                site = views.site(there)
                found = (
                    site.origins, site.https_redirect, site.limits, site.security_level, site.exemptions
                )  # fmt: skip
                if found == wanted and site.zone_id == home.id:
                    return write.settle(site, "site.add", host, zone=home.name, recorded=False)
                raise Conflict(
                    f"the site {host} exists with other settings", field="host", hint="change it instead"
                )
            _proxy_records(write, home, host)
            site = add_site(write, home, host, *wanted)
            return write.settle(site, "site.add", host, zone=home.name, confirm=confirm, explicit=True)

    def change(
        self,
        actor: Actor,
        host: str,
        *,
        origins: tuple[Origin, ...] | None = None,
        https_redirect: bool | None = None,
        limits: SiteLimits | None = None,
        security_level: SecurityLevel | Literal["zone"] | None = None,
        exemptions: Exemptions | None = None,
        confirm: str | None = None,
    ) -> Written[Site]:
        """Change what is given; None leaves it. ``host`` may be the site's id. Raises NotFound.

        The security level ``"zone"`` ends the site's own one.
        """
        with self._context.writing(actor) as write:
            row = _row(write.session, host)
            zone = views.zone(zone_row(write.session, row.zone_id, actor))
            before = views.site(row)
            given = {
                "origins": None if origins is None else checked_origins(write, row.host, origins),
                "https_redirect": https_redirect,
                "limits": limits,
                "exemptions": exemptions,
            }
            update: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
            if security_level is not None:
                update["security_level"] = None if security_level == "zone" else security_level
            after = before.model_copy(update=update)
            if after != before:
                after = after.model_copy(update={"modified_on": write.now})
                row.origins = [origin.model_dump(mode="json") for origin in after.origins]
                row.https_redirect = after.https_redirect
                row.limits = after.limits.model_dump(mode="json")
                row.security_level = after.security_level
                row.exemptions = after.exemptions.model_dump(mode="json")
                row.modified_on = write.now
                write.touch(zone, row.host)
            return write.settle(
                after, "site.change", row.host, zone=zone.name, confirm=confirm, recorded=after != before
            )

    def remove(self, actor: Actor, host: str, *, confirm: str | None = None) -> Written[Site]:
        """Remove the site; its zone and records stay. ``host`` may be the site's id."""
        with self._context.writing(actor) as write:
            row = _row(write.session, host)
            zone = views.zone(zone_row(write.session, row.zone_id, actor))
            site = views.site(row)
            write.session.delete(row)
            write.touch(zone, site.host)
            return write.settle(
                site, "site.remove", site.host, zone=zone.name, confirm=confirm, explicit=True
            )

    def get(self, host: str) -> Site:
        """By host name or id; NotFound when there is none."""
        with self._context.reading() as session:
            return views.site(_row(session, host))

    def list(self, *, zone_id: str | None = None, page: int = 1, per_page: int = 100) -> Page[Site]:
        """By host."""
        check_page(page, per_page)
        with self._context.reading() as session:
            rows = select(SiteRow)
            if zone_id is not None:
                rows = rows.where(SiteRow.zone_id == zone_id)
            total = session.scalars(select(func.count()).select_from(rows.subquery())).one()
            found = session.scalars(rows.order_by(SiteRow.host).limit(per_page).offset((page - 1) * per_page))
            return Page(tuple(map(views.site, found)), total, page, per_page)


def add_site(
    write: Transaction,
    home: Zone,
    host: str,
    origins: tuple[Origin, ...],
    https_redirect: bool,
    limits: SiteLimits,
    security_level: SecurityLevel | None,
    exemptions: Exemptions,
) -> Site:
    """Add the row of a new site to the write. ``host`` is canonical, ``origins`` are checked."""
    row = SiteRow(
        id=fresh_id(),
        zone_id=home.id,
        host=host,
        reversed_name=reversed_name(host),
        origins=[origin.model_dump(mode="json") for origin in origins],
        https_redirect=https_redirect,
        limits=limits.model_dump(mode="json"),
        security_level=security_level,
        exemptions=exemptions.model_dump(mode="json"),
        created_on=write.now,
        modified_on=write.now,
    )
    write.session.add(row)
    write.touch(home, host)
    return views.site(row)


def _row(session: Session, host: str) -> SiteRow:
    row = session.get(SiteRow, host)
    row = row or session.scalars(select(SiteRow).where(SiteRow.host == host.lower().rstrip("."))).first()
    if row is None:
        raise NotFound(f"no such site: {shown(host)}", field="host")
    return row


def _zone_for(write: Transaction, host: str, name: str | None, account_id: str | None) -> Zone:
    session = write.session
    bare = host.removeprefix("*.")
    if name is not None:
        name = parse_zone_name(name)
        if not within(host, name):
            raise InvalidInput(f"{host} is not in the zone {name}", field="zone")
        row = session.scalars(select(ZoneRow).where(ZoneRow.name == name)).first()
        nearest = enclosing_row(session, bare)
        if row is not None and nearest is not None and nearest.name != row.name:
            raise InvalidInput(f"the zone {nearest.name} answers for {host}", field="zone")
    else:
        row = enclosing_row(session, bare)
        name = name if row is not None else registrable_domain(host, field="host")
    if row is not None:
        return views.zone(zone_row(session, row.id, write.actor))
    return create_zone(write, name or bare, account_id, ZoneSettings())


def checked_origins(write: Transaction, host: str, origins: tuple[Origin, ...]) -> tuple[Origin, ...]:
    """The origins in canonical form. Raises InvalidInput for one that this actor may not name."""
    if not origins:
        raise InvalidInput("a site needs an origin", field="origins")
    if not any(origin.weight for origin in origins):
        raise InvalidInput(
            f"every origin of {host} has weight 0, so none would be given a visitor",
            field="origins",
            hint="give at least one a weight from 1 to 256",
        )
    checked: dict[tuple[str, int], Origin] = {}
    for number, origin in enumerate(origins):
        field = f"origins[{number}].host"
        name = origin.host.strip().removeprefix("[").removesuffix("]")
        if name == "localhost" or name.endswith(".localhost"):
            name = "127.0.0.1"  # RFC 6761 section 6.3; no resolver is asked for it
        if is_address(name):
            name = str(ipaddress.ip_address(name))
            write.actor.check_origin(name, origin.port, write.surroundings, field=field)
        else:
            name = parse_hostname(name, field=field)
            if name == host:
                raise InvalidInput(
                    f"{host} cannot be its own origin",
                    field=field,
                    hint="name the server's address, or a name that is not behind the edge",
                )
        if (name, origin.port) in checked:
            raise InvalidInput(f"{name} port {origin.port} is named twice", field=field)
        checked[name, origin.port] = origin.model_copy(update={"host": name})
    return tuple(checked.values())


def _proxy_records(write: Transaction, zone: Zone, host: str) -> None:
    """The address records that the host had become proxied: whoever adds a site wants its visitors here."""
    rows = select(RecordRow).where(
        RecordRow.zone_id == zone.id,
        RecordRow.name == host,
        RecordRow.type.in_(sorted(PROXIABLE)),
        RecordRow.proxied.is_(False),
    )
    for record in write.session.scalars(rows):
        record.proxied = True
        record.ttl = TTL_AUTO
        record.modified_on = write.now
