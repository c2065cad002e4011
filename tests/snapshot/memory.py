"""A ZoneView over plain values, and the compilation of a whole zone from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rempart.model.cases_remedies import (
    ON_A_URL,
    Measure,
    Notice,
    Remedy,
    Restricted,
    Restriction,
    Standing,
    restricted,
)
from rempart.model.record_parsing import parse_record
from rempart.model.records import RecordDraft, RecordFields
from rempart.model.sites import Site
from rempart.model.zones import Zone, ZoneSettings
from rempart.snapshot.build import compile_name, compile_zone, standing_names
from rempart.snapshot.dependencies import Resolution
from rempart.snapshot.items import Item
from rempart.snapshot.surroundings import Surroundings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EDGE = Surroundings(edge_addresses=("192.0.2.80", "2001:db8::80"))


def zone(name: str = "example.org", *, paused: bool = False, **settings: object) -> Zone:
    return Zone(
        id=f"id of {name}",
        account_id="1",
        name=name,
        paused=paused,
        settings=ZoneSettings.model_validate(settings),
        created_on=NOW,
        modified_on=NOW,
    )


def record(type_: str, name: str, content: str, zone: str = "example.org", **fields: object) -> RecordFields:
    draft = RecordDraft.model_validate({"type": type_, "name": name, "content": content, **fields})
    return parse_record(zone, draft)


class MemoryZone:
    """Rows in memory. ``exists`` looks at all of them: slow and plain on purpose."""

    def __init__(
        self,
        zone: Zone,
        records: Iterable[RecordFields] = (),
        sites: Iterable[Site] = (),
        resolutions: Mapping[str, Resolution] | None = None,
        child_zones: Sequence[str] = (),
        measures: Sequence[Measure] = (),
    ) -> None:
        self.zone = zone
        self.child_zones = child_zones
        self._records = tuple(records)
        self._sites = {site.host: site for site in sites}
        self._resolutions = resolutions or {}
        self._standing = tuple(standing(one, number) for number, one in enumerate(measures, 1))

    def records(self, name: str) -> Sequence[RecordFields]:
        return [one for one in self._records if one.name == name]

    def site(self, host: str) -> Site | None:
        return self._sites.get(host)

    def restricted(self, name: str) -> Restricted:
        return restricted(self._standing, name, self.zone.account_id)

    def exists(self, name: str) -> bool:
        return any(owner == name or owner.endswith("." + name) for owner in self.owners)

    def resolution(self, name: str) -> Resolution | None:
        return self._resolutions.get(name)

    @property
    def owners(self) -> set[str]:
        return {one.name for one in self._records} | self._sites.keys()


def standing(measure: Measure, number: int = 1) -> Standing:
    """The measure in force by a case of its own."""
    since = datetime(2026, 5, 1, tzinfo=UTC)
    on_a_url = measure.remedy in ON_A_URL
    return Standing(
        restriction=Restriction(id=f"c{number}-9", case=f"c{number}", measure=measure, since=since),
        notice=Notice(ordered=False, basis="Violence", explanation="It is.") if on_a_url else None,
        account="1" if measure.remedy is Remedy.CLOSE_ACCOUNT else None,
    )


def compile_all(view: MemoryZone, surroundings: Surroundings = EDGE) -> dict[str, Item]:
    """All items of a zone, by key."""
    names = view.owners | set(standing_names(view.zone.name, surroundings))
    items: list[Item] = [compile_zone(view.zone, surroundings)]
    for name in names:
        items += compile_name(view, name, surroundings).items
    keyed = {item.key: item for item in items}
    assert len(keyed) == len(items), "two names made the same item"
    return keyed


def answers(items: Mapping[str, Item], name: str) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Type → (TTL, rdata) of the RRsets of ``name``."""
    return {
        item.rrset.type: (item.rrset.ttl, item.rrset.rdata)
        for item in items.values()
        if item.kind == "rrset" and item.rrset.name == name
    }
