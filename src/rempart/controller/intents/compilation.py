"""Compiles what a write touched: names, whole zones, and the names that looked at something touched.

Rows are written first; this reads them back through the same transaction, so what is published is made
from exactly what is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from rempart.controller.intents.reading import Resolutions, StoredZone, chunks
from rempart.controller.store import views
from rempart.controller.store.database import Store
from rempart.controller.store.published import item_of
from rempart.controller.store.tables import DependencyRow, PublishedRow, ZoneRow
from rempart.snapshot.build import compile_name, compile_zone, standing_names
from rempart.snapshot.dependencies import keys_touched, resolution_key
from rempart.snapshot.items import Item, ItemChange
from rempart.snapshot.plan import Plan, plan
from rempart.snapshot.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Source:
    """What an item was compiled from: a zone, a name of one, or neither."""

    zone: str | None = None
    owner: str | None = None


class Compilation:
    """Collects what is touched, compiles it once, and plans what it changes."""

    def __init__(self, store: Store, session: Session) -> None:
        self._seal = store.seal
        self._session = session
        self._names: dict[str, set[str]] = defaultdict(set)
        self._zones: set[str] = set()
        self._zone_items: set[str] = set()
        self._dropped: dict[str, str] = {}
        self._keys: set[str] = set()
        self._items: dict[str, Item | None] = {}
        self._sources: dict[str, Source] = {}
        self._stored: dict[str, Source] = {}
        self._bodies: dict[str, str] = {}
        self.dependencies: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        """Zone id → name → the keys its compilation looked at."""

    def touch(self, zone_id: str, zone: str, name: str) -> None:
        self._names[zone_id].add(name)
        self._keys |= keys_touched(zone, name)

    def touch_zone(self, zone_id: str) -> None:
        self._zones.add(zone_id)

    def touch_zone_item(self, zone_id: str) -> None:
        self._zone_items.add(zone_id)

    def drop_zone(self, zone_id: str, zone: str) -> None:
        self._dropped[zone_id] = zone

    def touch_resolution(self, name: str) -> None:
        self._keys.add(resolution_key(name))

    def put(self, key: str, item: Item | None) -> None:
        self._items[key] = item

    def has_row(self, key: str) -> bool:
        """True when the key has a row already, if only to say that it is gone."""
        return key in self._stored

    def source_of(self, key: str) -> Source:
        return self._sources.get(key, Source())

    def moved(self) -> list[str]:
        """Keys whose item now comes from another zone or name than its row says."""
        return [
            key
            for key, item in self._items.items()
            if item is not None and key in self._stored and self._stored[key] != self.source_of(key)
        ]

    def plan(self) -> Plan:
        """What is wanted against what was published, under every key that was looked at."""
        before: dict[str, Item] = {}
        changes: list[ItemChange] = []
        for key in self._items.keys() | self._bodies.keys():
            item, body = self._items.get(key), self._bodies.get(key)
            # Most of what is compiled again comes out as it was: its text tells so without being parsed.
            if item is None or body is None or item.model_dump_json() != body:
                changes.append(ItemChange.model_construct(key=key, item=item))
                if body is not None:
                    before[key] = item_of(key, body, self._seal)
        return plan(before, changes)

    def run(self, surroundings: Surroundings) -> None:
        """Compile everything that was touched, and read what was published of it before."""
        self._add_dependants()
        resolutions = Resolutions(self._session)
        for zone_id in sorted(self._zones | self._zone_items | self._names.keys()):
            row = self._session.get(ZoneRow, zone_id)
            if row is None or zone_id in self._dropped:
                continue
            self._compile(StoredZone(self._session, views.zone(row), resolutions), surroundings)
        for zone in self._dropped.values():
            self._read_before(_published().where(PublishedRow.zone == zone))
        # Items put by hand, and names whose items another zone published before.
        for chunk in chunks(key for key in self._items if key not in self._stored):
            self._read_before(_published().where(PublishedRow.key.in_(chunk)))

    def _add_dependants(self) -> None:
        for chunk in chunks(sorted(self._keys)):
            rows = select(DependencyRow.zone_id, DependencyRow.name).where(DependencyRow.key.in_(chunk))
            for zone_id, name in self._session.execute(rows):
                self._names[zone_id].add(name)

    def _compile(self, view: StoredZone, surroundings: Surroundings) -> None:
        zone = view.zone
        whole = zone.id in self._zones
        if whole or zone.id in self._zone_items:
            self._take([compile_zone(zone, surroundings)], Source(zone.name))
            if not whole:
                self._read_before(_published().where(PublishedRow.key == f"zone/{zone.name}"))
        if whole:
            names: Iterable[str] = view.read_all() | set(standing_names(zone.name, surroundings))
            self._read_before(_published().where(PublishedRow.zone == zone.name))
            self._forget_dependencies_beyond(zone.id, set(names))
        else:
            names = self._names[zone.id]
            view.read(names)
            for chunk in chunks(names):
                self._read_before(
                    _published().where(PublishedRow.zone == zone.name, PublishedRow.owner.in_(chunk))
                )
        for name in names:
            compiled = compile_name(view, name, surroundings)
            self._take(compiled.items, Source(zone.name, name))
            self.dependencies[zone.id][name] = compiled.keys

    def _forget_dependencies_beyond(self, zone_id: str, names: set[str]) -> None:
        held = select(DependencyRow.name).where(DependencyRow.zone_id == zone_id).distinct()
        for name in set(self._session.scalars(held)) - names:
            self.dependencies[zone_id][name] = frozenset()

    def _take(self, items: Iterable[Item], source: Source) -> None:
        for item in items:
            self._items[item.key] = item
            self._sources[item.key] = source

    def _read_before(self, rows: Select[str, str | None, str | None, str | None]) -> None:
        for key, zone, owner, body in self._session.execute(rows):
            self._stored[key] = Source(zone, owner)
            self._sources.setdefault(key, self._stored[key])
            if body is not None:
                self._bodies[key] = body


def _published() -> Select[str, str | None, str | None, str | None]:
    return select(PublishedRow.key, PublishedRow.zone, PublishedRow.owner, PublishedRow.body)
