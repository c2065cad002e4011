"""Zones: create, edit, delete, find."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from rempart.controller.intents.actor import Actor, ActorKind
from rempart.controller.intents.context import Context, Page, check_page, fresh_id, zone_row
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.intents.zone_filters import ZoneFilter, condition_of, order_of
from rempart.controller.store import views
from rempart.controller.store.tables import AccountRow, RecordRow, SiteRow, ZoneRow, reversed_name
from rempart.model.accounts import DEFAULT_ACCOUNT
from rempart.model.challenges import SecurityLevel
from rempart.model.errors import Conflict, InvalidInput, NotFound
from rempart.model.names import parse_zone_name, registrable_domain, shown
from rempart.model.record_parsing import TTL_MAX, TTL_MIN
from rempart.model.zones import SslMode, Zone, ZoneSettings, ZoneStatus

ZONE_EXISTS = 1061
"""Cloudflare's code for a zone that is there already."""


class ZoneIntents:
    """What may be decided about zones."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(
        self,
        actor: Actor,
        name: str,
        *,
        account_id: str | None = None,
        settings: ZoneSettings | None = None,
        confirm: str | None = None,
    ) -> Written[Zone]:
        """A new zone, pending. It takes over the sites below its name.

        Conflict (code 1061) when it exists, or lies across another account's zone.
        """
        name = parse_zone_name(name)
        with self._context.writing(actor) as write:
            zone = create_zone(write, name, account_id, settings or ZoneSettings())
            return write.settle(zone, "zone.create", name, zone=name, confirm=confirm, explicit=True)

    def get(self, id_or_name: str) -> Zone:
        """NotFound when there is none."""
        with self._context.reading() as session:
            row = session.get(ZoneRow, id_or_name)
            row = row or session.scalars(select(ZoneRow).where(ZoneRow.name == id_or_name)).first()
            if row is None:
                raise NotFound(f"no such zone: {shown(id_or_name)}", field="zone")
            return views.zone(row)

    def enclosing(self, host: str) -> Zone | None:
        """The zone that answers for ``host`` (canonical): the one with the longest name."""
        with self._context.reading() as session:
            row = enclosing_row(session, host)
            return None if row is None else views.zone(row)

    def list(
        self,
        *,
        account_id: str | None = None,
        name: str | None = None,
        name_contains: str | None = None,
        status: ZoneStatus | None = None,
        page: int = 1,
        per_page: int = 50,
    ) -> Page[Zone]:
        """By name."""
        check_page(page, per_page)
        wanted: list[ColumnElement[bool]] = []
        if account_id is not None:
            wanted.append(ZoneRow.account_id == account_id)
        if name is not None:
            wanted.append(ZoneRow.name == name)
        if name_contains is not None:
            wanted.append(ZoneRow.name.contains(name_contains, autoescape=True))
        if status is not None:
            wanted.append(ZoneRow.status == status.value)
        with self._context.reading() as session:
            total = session.scalars(select(func.count()).select_from(ZoneRow).where(*wanted)).one()
            rows = select(ZoneRow).where(*wanted).order_by(ZoneRow.name)
            found = session.scalars(rows.limit(per_page).offset((page - 1) * per_page))
            return Page(tuple(map(views.zone, found)), total, page, per_page)

    def find(self, wanted: ZoneFilter, *, page: int = 1, per_page: int = 50) -> Page[Zone]:
        """The zones that the filter means."""
        check_page(page, per_page)
        condition = condition_of(wanted)
        with self._context.reading() as session:
            counted = select(func.count()).select_from(ZoneRow).join(AccountRow).where(condition)
            total = session.scalars(counted).one()
            rows = select(ZoneRow).join(AccountRow).where(condition).order_by(*order_of(wanted))
            found = session.scalars(rows.limit(per_page).offset((page - 1) * per_page))
            return Page(tuple(map(views.zone, found)), total, page, per_page)

    def edit(
        self,
        actor: Actor,
        zone_id: str,
        *,
        settings: ZoneSettings | None = None,
        paused: bool | None = None,
        status: ZoneStatus | None = None,
        confirm: str | None = None,
    ) -> Written[Zone]:
        """Change what is given; None leaves it. Changing nothing is not recorded."""
        given = {"settings": settings, "paused": paused, "status": status}
        update = {name: value for name, value in given.items() if value is not None}
        return self._change(actor, zone_id, lambda zone: zone.model_copy(update=update), confirm)

    def change_settings(
        self,
        actor: Actor,
        zone_id: str,
        *,
        dnssec: bool | None = None,
        ssl: SslMode | None = None,
        always_use_https: bool | None = None,
        flatten_all_cnames: bool | None = None,
        security_level: SecurityLevel | None = None,
        paused: bool | None = None,
        max_ttl: int | None = None,
        confirm: str | None = None,
    ) -> Written[Zone]:
        """Change the settings that are given, whatever the others are by then.

        ``max_ttl`` 0 ends the bound. InvalidInput when it is out of range.
        """
        if max_ttl is not None and max_ttl != 0 and not TTL_MIN <= max_ttl <= TTL_MAX:
            raise InvalidInput(f"from {TTL_MIN} to {TTL_MAX} seconds, or off", field="max_ttl")
        given = {
            "dnssec": dnssec,
            "ssl": ssl,
            "always_use_https": always_use_https,
            "flatten_all_cnames": flatten_all_cnames,
            "security_level": security_level,
        }
        update: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        if max_ttl is not None:
            update["max_ttl"] = max_ttl or None

        def changed(zone: Zone) -> Zone:
            settings = zone.settings.model_copy(update=update)
            return zone.model_copy(
                update={"settings": settings, "paused": zone.paused if paused is None else paused}
            )

        return self._change(actor, zone_id, changed, confirm)

    def set_dnssec(self, actor: Actor, zone_id: str, enabled: bool) -> Written[Zone]:
        """Have the zone signed, or not."""
        return self.change_settings(actor, zone_id, dnssec=enabled)

    def _change(
        self, actor: Actor, zone_id: str, change: Callable[[Zone], Zone], confirm: str | None
    ) -> Written[Zone]:
        with self._context.writing(actor) as write:
            row = zone_row(write.session, zone_id, actor)
            before = views.zone(row)
            after = change(before)
            if after != before:
                after = after.model_copy(update={"modified_on": write.now})
                row.settings = after.settings.model_dump(mode="json")
                row.paused, row.status, row.modified_on = after.paused, after.status.value, write.now
                _touch_edited(write, before, after)
            return write.settle(
                after,
                "zone.edit",
                after.name,
                zone=after.name,
                account=after.account_id,
                confirm=confirm,
                explicit=True,
                recorded=after != before,
            )

    def delete(
        self, actor: Actor, zone_id: str, *, confirm: str | None = None, ask: bool = True
    ) -> Written[Zone]:
        """Delete the zone with its records and sites.

        A zone that has any must be confirmed. Not ``ask``: the caller's word is the confirmation.
        """
        with self._context.writing(actor) as write:
            row = zone_row(write.session, zone_id, actor)
            zone = views.zone(row)
            losses = _contents_in_words(write.session, zone)
            write.drop_zone(zone)
            write.put(f"keys/{zone.name}", None)
            write.session.delete(row)
            write.session.flush()
            for parent in _parents(write.session, zone.name):
                write.touch_zone(views.zone(parent))
            return write.settle(
                zone,
                "zone.delete",
                zone.name,
                zone=zone.name,
                confirm=confirm,
                explicit=True,
                unconditional=not ask,
                losses=losses,
            )


def create_zone(write: Transaction, name: str, account_id: str | None, settings: ZoneSettings) -> Zone:
    """Add the rows of a new zone ``name`` (canonical) to the write."""
    session = write.session
    if write.actor.kind is ActorKind.TOKEN:
        account_id = account_id or write.actor.account_id
        if account_id != write.actor.account_id:
            raise InvalidInput("not this token's account", field="account")
        registrable_domain(name)
    account = _account_row(session, account_id)
    if session.scalars(select(ZoneRow).where(ZoneRow.name == name)).first() is not None:
        raise Conflict(f"the zone {name} exists already", field="name", code=ZONE_EXISTS)
    parents = list(_parents(session, name))
    if write.actor.kind is ActorKind.TOKEN:
        for other in (*parents, *_children(session, name)):
            if other.account_id != account.id:
                raise Conflict(
                    f"{name} lies across a zone of another account",
                    field="name",
                    hint="ask the operator",
                    code=ZONE_EXISTS,
                )
    row = ZoneRow(
        id=fresh_id(),
        account_id=account.id,
        name=name,
        reversed_name=reversed_name(name),
        status=ZoneStatus.PENDING.value,
        paused=False,
        settings=settings.model_dump(mode="json"),
        created_on=write.now,
        modified_on=write.now,
    )
    session.add(row)
    session.flush()
    zone = views.zone(row)
    for parent in parents:
        # The new zone now answers for what lies below its name: sites there are its own.
        for site in session.scalars(select(SiteRow).where(SiteRow.zone_id == parent.id)):
            if site.host == name or site.host.endswith("." + name):
                site.zone_id = zone.id
        write.touch_zone(views.zone(parent))
    write.touch_zone(zone)
    return zone


def enclosing_row(session: Session, host: str) -> ZoneRow | None:
    """The row of the zone with the longest name that ``host`` is or lies below."""
    rows = session.scalars(select(ZoneRow).where(ZoneRow.name.in_(_suffixes(host))))
    return max(rows, key=lambda row: len(row.name), default=None)


def _contents_in_words(session: Session, zone: Zone) -> tuple[str, ...]:
    """What goes with the zone; nothing when it is empty."""
    counts = [
        (session.scalars(select(func.count()).select_from(table).where(table.zone_id == zone.id)).one(), what)
        for table, what in ((RecordRow, "record"), (SiteRow, "site"))
    ]
    there = [f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts if count]
    return (f"deletes the zone {zone.name} with {' and '.join(there)}",) if there else ()


def _touch_edited(write: Transaction, before: Zone, after: Zone) -> None:
    def names_depend_on(zone: Zone) -> tuple[ZoneSettings, bool]:
        return zone.settings.model_copy(update={"dnssec": False}), zone.paused

    if names_depend_on(before) != names_depend_on(after):
        write.touch_zone(after)
    elif before.settings.dnssec != after.settings.dnssec:
        write.touch_zone_item(after)


def _account_row(session: Session, account_id: str | None) -> AccountRow:
    if account_id is None:
        return session.scalars(select(AccountRow).where(AccountRow.name == DEFAULT_ACCOUNT)).one()
    row = session.get(AccountRow, account_id)
    if row is None:
        raise NotFound(f"no such account: {shown(account_id)}", field="account")
    return row


def _suffixes(name: str) -> list[str]:
    labels = name.removeprefix("*.").split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def _parents(session: Session, name: str) -> Iterable[ZoneRow]:
    """Rows of the hosted zones above ``name``."""
    return session.scalars(select(ZoneRow).where(ZoneRow.name.in_(_suffixes(name)[1:]))).all()


def _children(session: Session, name: str) -> Iterable[ZoneRow]:
    """Rows of the hosted zones below ``name``."""
    below = reversed_name(name)
    return session.scalars(
        select(ZoneRow).where(ZoneRow.reversed_name > below + ".", ZoneRow.reversed_name < below + "/")
    ).all()
