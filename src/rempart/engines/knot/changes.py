"""What a run of changed items asks of the name server, zone by zone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rempart.snapshot.items import ItemChange


@dataclass(frozen=True, slots=True)
class ZoneChanges:
    """Changes to one zone. ``zone``: its own item changed; ``rrsets``: name and type of those that did."""

    name: str
    zone: bool
    rrsets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes sorted by what they touch; items of other engines are left out."""

    zones: tuple[ZoneChanges, ...]
    secondaries: bool
    keys: frozenset[str] = frozenset()
    """Zones whose DNSSEC keys were told, or forgotten."""


def sort_changes(changes: Iterable[ItemChange]) -> Changes:
    """Group ``changes`` by zone, in the order in which the zones first appear.

    Only keys are read: of an item that is gone nothing else is left. A key is ``rrset/ZONE/NAME/TYPE``; zone
    and type hold no slash, a name may.
    """
    own: dict[str, bool] = {}
    rrsets: dict[str, dict[tuple[str, str], None]] = {}
    secondaries = False
    keys: set[str] = set()
    for change in changes:
        kind, _, rest = change.key.partition("/")
        if kind == "secondary":
            secondaries = True
        elif kind == "keys":
            keys.add(rest)
        elif kind == "zone":
            own[rest] = True
        elif kind == "rrset":
            zone, _, node = rest.partition("/")
            name, _, type_ = node.rpartition("/")
            own.setdefault(zone, False)
            rrsets.setdefault(zone, {})[name, type_] = None
    return Changes(
        zones=tuple(
            ZoneChanges(name, zone_changed, tuple(rrsets.get(name, ()))) for name, zone_changed in own.items()
        ),
        secondaries=secondaries,
        keys=frozenset(keys),
    )
