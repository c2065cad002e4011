"""A change costs what it touches: no statement of a single write walks through a table that grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from rempart.controller.intents import OPERATOR, Intents
from rempart.controller.intents.record_values import RecordPatch
from rempart.controller.store.database import Store
from rempart.model.records import RecordDraft
from rempart.model.sites import Origin
from rempart.model.zones import Zone
from tests.controller.intents.conftest import Clock

FEW_ROWS = ("counter", "secondaries", "accounts")
"""Tables that are read whole on purpose."""


def draft(type_: str, name: str, content: str, **fields: object) -> RecordDraft:
    return RecordDraft.model_validate({"type": type_, "name": name, "content": content, **fields})


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """All that is executed meanwhile."""
    executed: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _x: object, many: bool) -> None:
        executed.append((statement, parameters[0] if many else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def walks(store: Store, executed: list[tuple[str, Any]]) -> list[str]:
    """Steps of SQLite's query plans that visit all rows of a table that grows."""
    found = []
    with store.reading() as session:
        connection = session.connection()
        for statement, parameters in executed:
            if statement.split()[0] not in ("SELECT", "UPDATE", "DELETE", "INSERT"):
                continue
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(parameters)):
                step = str(row[3])
                if step.startswith("SCAN") and not any(
                    step.startswith(f"SCAN {table}") for table in (*FEW_ROWS, "CONSTANT", "anon", "(")
                ):
                    found.append(f"{step}: {statement}")
    return found


@pytest.fixture
def zone(intents: Intents) -> Zone:
    """A zone among others, larger than they are."""
    for number in range(20):
        intents.zones.create(OPERATOR, f"z{number}.example")
    zone = intents.zones.create(OPERATOR, "example.org").value
    drafts = [draft("A", f"n{number}", "203.0.113.1") for number in range(500)]
    intents.records.import_drafts(OPERATOR, zone.id, drafts)
    return zone


def test_no_single_write_walks_through_a_table(
    intents: Intents, store: Store, zone: Zone, clock: Clock
) -> None:
    record = intents.records.create(OPERATOR, zone.id, draft("A", "www", "203.0.113.1")).value
    intents.sites.add(OPERATOR, "out.example.org", (Origin(host="app.example.net", port=80),))
    with statements() as executed:
        made = intents.records.create(
            OPERATOR, zone.id, draft("A", "more", "203.0.113.1", proxied=True)
        ).value
        intents.records.create(OPERATOR, zone.id, draft("CNAME", "@", "deep.wild.example.org"))
        intents.records.patch(OPERATOR, zone.id, record.id, RecordPatch(content="203.0.113.2"))
        intents.records.delete(OPERATOR, zone.id, made.id)
        intents.sites.add(OPERATOR, "shop.example.org", (Origin(host="203.0.113.1", port=80),))
        intents.sites.change(OPERATOR, "shop.example.org", https_redirect=False)
        intents.sites.remove(OPERATOR, "shop.example.org")
        intents.zones.set_dnssec(OPERATOR, zone.id, True)
        intents.zones.create(OPERATOR, "new.example.net")
        intents.resolutions.record_resolution("app.example.net", ("198.51.100.1",), 60, clock.now)
        intents.published.delta(intents.published.revision() - 3)
    assert len(executed) > 50
    assert walks(store, executed) == []


def test_a_walk_would_be_seen(store: Store, intents: Intents) -> None:
    with statements() as executed, store.reading() as session:
        session.execute(text("SELECT * FROM records WHERE content = 'x'")).all()
    assert walks(store, executed)


def test_a_write_takes_few_statements_however_large_the_zone(intents: Intents, zone: Zone) -> None:
    small = intents.zones.get("z1.example")
    counts = []
    for each in (small, zone):
        with statements() as executed:
            intents.records.create(OPERATOR, each.id, draft("A", "one", "203.0.113.1"))
        counts.append(len(executed))
    assert counts[0] == counts[1] < 40
