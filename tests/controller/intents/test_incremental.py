"""Whatever is done in whatever order, what is published is what compiling everything from scratch gives."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from rempart.controller.intents import OPERATOR, Intents
from rempart.controller.intents.record_values import RecordPatch
from rempart.controller.store import views
from rempart.controller.store.database import Store
from rempart.controller.store.tables import RecordRow, ResolutionRow, SiteRow, ZoneRow
from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError
from rempart.model.records import RecordDraft
from rempart.model.sites import Origin
from rempart.model.zones import SslMode, ZoneSettings
from rempart.snapshot.dependencies import Resolution
from rempart.snapshot.items import Item
from rempart.snapshot.surroundings import Surroundings
from tests.controller.intents.conftest import Clock, dump, published
from tests.snapshot.memory import MemoryZone, compile_all

MEMORY = Path("/dev/shm")
"""Thousands of commits are made that no crash has to survive."""
ZONES = ("example.org", "sub.example.org")
LABELS = ("@", "a", "b", "*", "x.b", "*.b", "y.x.b", "sub", "w.sub", "*.sub", "ns1")
TARGETS = (
    "a.example.org",
    "b.example.org",
    "q.b.example.org",
    "q.x.b.example.org",
    "nothing.example.org",
    "example.org",
    "w.sub.example.org",
    "outside.example.net",
    "other.example.net",
)
ADDRESSES = ("203.0.113.1", "203.0.113.2", "2001:db8:1::1", "127.0.0.1", "192.0.2.80")

PATCHES = (
    RecordPatch(proxied=True),
    RecordPatch(proxied=False),
    RecordPatch(flatten_cname=True),
    RecordPatch(name="b"),
    RecordPatch(ttl=120),
)

Operation = Callable[[Intents, Clock], object]


def _record_id(intents: Intents, zone_id: str, number: int) -> str:
    records = intents.records.list(zone_id).items
    return records[number % len(records)].id if records else "none"


def _host(intents: Intents, number: int) -> str:
    sites = intents.sites.list().items
    return sites[number % len(sites)].host if sites else "none"


def _zone_id(intents: Intents, name: str) -> str:
    found = intents.zones.list(name=name).items
    return found[0].id if found else "none"


zones = st.sampled_from(ZONES)
labels = st.sampled_from(LABELS)
numbers = st.integers(0, 20)


@st.composite
def drafts(draw: st.DrawFn) -> RecordDraft:
    type_ = draw(st.sampled_from(("A", "AAAA", "CNAME", "CNAME", "CNAME", "TXT", "NS")))
    content = {
        "A": st.sampled_from([one for one in ADDRESSES if ":" not in one]),
        "AAAA": st.sampled_from([one for one in ADDRESSES if ":" in one]),
        "TXT": st.just('"text"'),
    }.get(type_, st.sampled_from(TARGETS))
    return RecordDraft.model_validate(
        {
            "type": type_,
            "name": draw(labels),
            "content": draw(content),
            "proxied": draw(st.booleans()) and type_ in ("A", "AAAA", "CNAME"),
            "flatten_cname": draw(st.booleans()) and type_ == "CNAME",
            "ttl": draw(st.sampled_from((1, 60, 600))),
        }
    )


@st.composite
def origins(draw: st.DrawFn) -> tuple[Origin, ...]:
    hosts = draw(st.lists(st.sampled_from((*ADDRESSES[:4], *TARGETS)), min_size=1, max_size=2, unique=True))
    return tuple(Origin(host=host, port=draw(st.sampled_from((80, 8080)))) for host in hosts)


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, Operation]:
    kind = draw(
        st.sampled_from(
            ("create",) * 8
            + (
                "delete",
                "delete",
                "patch",
                "patch",
                "replace",
                "import",
                "zone",
                "zone",
                "unzone",
                "settings",
            )
            + (
                "site",
                "site",
                "unsite",
                "resolve",
                "resolve",
                "pause",
                "secondary",
                "unsecondary",
                "surroundings",
            )
        )
    )
    zone, number = draw(zones), draw(numbers)
    match kind:
        case "create" | "replace":
            draft = draw(drafts())
            if kind == "create":
                return f"create {zone} {draft}", lambda i, _: i.records.create(
                    OPERATOR, _zone_id(i, zone), draft
                )
            return f"replace {zone} {number} {draft}", lambda i, _: i.records.replace(
                OPERATOR, _zone_id(i, zone), _record_id(i, _zone_id(i, zone), number), draft
            )
        case "delete":
            return f"delete {zone} {number}", lambda i, _: i.records.delete(
                OPERATOR, _zone_id(i, zone), _record_id(i, _zone_id(i, zone), number)
            )
        case "patch":
            patch = draw(st.sampled_from(PATCHES))
            return f"patch {zone} {number} {patch}", lambda i, _: i.records.patch(
                OPERATOR, _zone_id(i, zone), _record_id(i, _zone_id(i, zone), number), patch
            )
        case "import":
            many = draw(st.lists(drafts(), max_size=6))
            replace = draw(st.booleans())
            return f"import {zone} {replace} {many}", lambda i, _: i.records.import_drafts(
                OPERATOR, _zone_id(i, zone), many, replace=replace
            )
        case "zone":
            return f"zone {zone}", lambda i, _: i.zones.create(OPERATOR, zone)
        case "unzone":
            return f"unzone {zone}", lambda i, _: i.zones.delete(OPERATOR, _zone_id(i, zone), ask=False)
        case "settings":
            chosen = ZoneSettings(
                ssl=draw(st.sampled_from(SslMode)),
                flatten_all_cnames=draw(st.booleans()),
                dnssec=draw(st.booleans()),
            )
            return f"settings {zone} {chosen}", lambda i, _: i.zones.edit(
                OPERATOR, _zone_id(i, zone), settings=chosen
            )
        case "pause":
            paused = draw(st.booleans())
            return f"pause {zone} {paused}", lambda i, _: i.zones.edit(
                OPERATOR, _zone_id(i, zone), paused=paused
            )
        case "site":
            label, servers = draw(labels), draw(origins())
            host = zone if label == "@" else f"{label}.{zone}"
            return f"site {host} {servers}", lambda i, _: i.sites.add(OPERATOR, host, servers)
        case "unsite":
            return f"unsite {number}", lambda i, _: i.sites.remove(OPERATOR, _host(i, number))
        case "resolve":
            name = draw(st.sampled_from(TARGETS[-3:]))
            found = tuple(draw(st.lists(st.sampled_from(ADDRESSES), unique=True, max_size=3)))

            def resolve(i: Intents, clock: Clock) -> object:
                clock.forward(400)
                return i.resolutions.record_resolution(name, found, 60, clock.now)

            return f"resolve {name} {found}", resolve
        case "secondary":
            return "secondary", lambda i, _: i.secondaries.add(
                OPERATOR, "198.51.100.53", ns_name="ns.example.net"
            )
        case "unsecondary":
            return "unsecondary", lambda i, _: [
                i.secondaries.remove(OPERATOR, one.id) for one in i.secondaries.list()
            ]
        case _:
            return "surroundings", lambda i, _: None


def confirmed(intents: Intents, store: Store, clock: Clock, operation: Operation) -> None:
    """Carry the operation out; one that is refused must have changed nothing."""
    before = dump(store)
    try:
        operation(intents, clock)
    except RempartError:
        assert dump(store) == before


def from_scratch(store: Store, surroundings: Surroundings) -> dict[str, Item]:
    with store.reading() as session:
        rows = session.scalars(select(ZoneRow)).all()
        resolutions = {
            row.name: Resolution(name=row.name, addresses=tuple(row.addresses), ttl=row.ttl)
            for row in session.scalars(select(ResolutionRow))
            if row.asked
        }
        items: dict[str, Item] = {}
        for row in rows:
            view = MemoryZone(
                views.zone(row),
                [views.record(one) for one in session.scalars(select(RecordRow).filter_by(zone_id=row.id))],
                [views.site(one) for one in session.scalars(select(SiteRow).filter_by(zone_id=row.id))],
                resolutions,
                [other.name for other in rows if other.name.endswith("." + row.name)],
            )
            for key, item in compile_all(view, surroundings).items():
                assert key not in items, "two zones made the same item"
                items[key] = item
        return items


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(operations(), min_size=5, max_size=25))
def test_incremental_compilation_equals_compilation_from_scratch(
    sequence: list[tuple[str, Operation]],
) -> None:
    with tempfile.TemporaryDirectory(prefix="rp-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        configuration = Configuration.model_validate(
            {
                "state": Path(folder),
                "edge": {"addresses": ["192.0.2.80", "2001:db8::80"]},
                "safety": {"delete_minimum": 1000},
            }
        )
        clock = Clock()
        with Store.open(configuration) as store:
            intents = Intents(store, configuration, clock=clock)
            intents.apply_configuration()
            intents.zones.create(OPERATOR, ZONES[0])
            for step, (what, operation) in enumerate(sequence):
                if what == "surroundings":
                    configuration = other_configuration(configuration, step)
                    intents = Intents(store, configuration, clock=clock)
                    intents.apply_configuration()
                else:
                    confirmed(intents, store, clock, operation)
                names = tuple(one.ns_name for one in intents.secondaries.list() if one.ns_name)
                wanted = from_scratch(store, Surroundings.of(configuration, secondary_names=names))
                held = {key: item for key, item in published(intents).items() if item.kind != "secondary"}
                assert held == wanted, f"after step {step}: {what}"


def other_configuration(configuration: Configuration, step: int) -> Configuration:
    if step % 2:
        dns = configuration.dns.model_copy(update={"nameservers": ("ns.operator.example",)})
        return configuration.model_copy(update={"dns": dns})
    edge = configuration.edge.model_copy(update={"addresses": (f"192.0.2.{step + 1}",)})
    return configuration.model_copy(update={"edge": edge})
