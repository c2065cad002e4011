"""Which names must be compiled again when something changes.

A name's items are made mostly from its own records. What a compilation looks at beyond them (the target of
a flattened CNAME, the wildcard that answers for it, an outside name's addresses) it reports as *keys*.
The store keeps the keys per name; a change says which keys it touches; the names that looked at one of
them are compiled again. Since a compilation looks at raw records only, never at another name's compiled
items, one step is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rempart.model.base import Value
from rempart.model.cases_remedies import Restricted
from rempart.model.records import RecordFields
from rempart.model.sites import Site
from rempart.model.zones import Zone


class Resolution(Value):
    """What resolvers say about a name outside the zone."""

    name: str
    addresses: tuple[str, ...]
    """IPv4 and IPv6, sorted; empty: the name has none."""
    ttl: int


class ZoneView(Protocol):
    """A zone's rows as a compilation reads them."""

    @property
    def zone(self) -> Zone: ...

    @property
    def child_zones(self) -> Sequence[str]:
        """Names of hosted zones below this one; what lies in them is not this zone's to answer."""
        ...

    def records(self, name: str) -> Sequence[RecordFields]: ...

    def site(self, host: str) -> Site | None: ...

    def restricted(self, name: str) -> Restricted:
        """What cases have decided about ``name``."""
        ...

    def exists(self, name: str) -> bool:
        """True when a record or site has this name or one below it (RFC 4592 section 2.2.2)."""
        ...

    def resolution(self, name: str) -> Resolution | None:
        """None when nobody has asked yet."""
        ...


def name_key(zone: str, name: str) -> str:
    """Touched when the records or the site of ``name`` change."""
    return f"name/{zone}/{name}"


def existence_key(zone: str, name: str) -> str:
    """Touched when something at or below ``name`` may have come into being or gone."""
    return f"exists/{zone}/{name}"


def resolution_key(name: str) -> str:
    """Touched when the outside name's addresses change."""
    return f"resolution/{name}"


def ancestors(name: str, zone: str) -> Iterable[str]:
    """``name`` and the names above it, down to but without the zone's apex."""
    while name != zone and is_under(name, zone):
        yield name
        name = name.partition(".")[2]


def is_under(name: str, zone: str) -> bool:
    """True when ``name`` is the zone's apex or below it."""
    return name == zone or name.endswith("." + zone)


def keys_touched(zone: str, name: str) -> frozenset[str]:
    """The keys that a change of a name's records or site touches."""
    return frozenset((name_key(zone, name), *(existence_key(zone, one) for one in ancestors(name, zone))))


class RecordingView:
    """A ZoneView that notes which keys were looked at on behalf of the name ``owner``."""

    def __init__(self, view: ZoneView, owner: str) -> None:
        self._view = view
        self._owner = owner
        self._keys: set[str] = set()

    @property
    def zone(self) -> Zone:
        return self._view.zone

    @property
    def child_zones(self) -> Sequence[str]:
        return self._view.child_zones

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._keys)

    def records(self, name: str) -> Sequence[RecordFields]:
        self._look(name)
        return self._view.records(name)

    def site(self, host: str) -> Site | None:
        self._look(host)
        return self._view.site(host)

    def restricted(self, name: str) -> Restricted:
        self._look(name)
        return self._view.restricted(name)

    def exists(self, name: str) -> bool:
        self._keys.add(existence_key(self.zone.name, name))
        return self._view.exists(name)

    def resolution(self, name: str) -> Resolution | None:
        self._keys.add(resolution_key(name))
        return self._view.resolution(name)

    def _look(self, name: str) -> None:
        if name != self._owner:  # a name is compiled again on its own changes in any case
            self._keys.add(name_key(self.zone.name, name))
