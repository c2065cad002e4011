"""What the store promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text

from rempart.controller.intents import OPERATOR, Intents
from rempart.controller.store.database import Store
from rempart.controller.store.migrations import upgrade
from rempart.controller.store.published import forget
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import AccountRow, Base, CounterRow, SecondaryRow
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks, InvalidInput
from rempart.model.records import RecordDraft
from rempart.model.sites import Origin
from rempart.snapshot.items import Delta, Item
from tests.controller.intents.conftest import NOW, Clock, dump


@pytest.fixture
def intents(store: Store, tmp_path: Path) -> Intents:
    configuration = Configuration.model_validate({"state": tmp_path, "edge": {"addresses": ["192.0.2.80"]}})
    made = Intents(store, configuration, clock=Clock())
    made.apply_configuration()
    return made


def a(name: str, content: str = "203.0.113.1") -> RecordDraft:
    return RecordDraft.model_validate({"type": "A", "name": name, "content": content})


def follow(held: dict[str, Item], intents: Intents, since: int, limit: int = 3) -> int:
    """Do what a node does with a run of deltas; its new revision."""
    cursor, seen, delta = None, set(), None
    while delta is None or delta.more:
        delta = intents.published.delta(since, cursor, limit)
        assert len(delta.changes) <= limit
        for change in delta.changes:
            seen.add(change.key)
            if change.item is None:
                held.pop(change.key, None)
            else:
                held[change.key] = change.item
        cursor = delta.cursor
    if delta.full:
        for key in held.keys() - seen:
            del held[key]
    return delta.to_revision


def now_published(intents: Intents) -> dict[str, Item]:
    return {item.key: item for item in intents.published.items()}


def test_migrations_make_the_tables_that_the_code_uses(url: str, store: Store) -> None:
    dialect_url = url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(dialect_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_upgrading_twice_changes_nothing(url: str, store: Store) -> None:
    before = dump(store)
    upgrade(url.replace("postgresql://", "postgresql+psycopg://"))
    assert dump(store) == before


def test_an_exception_undoes_the_whole_write(store: Store) -> None:
    before = dump(store)
    with pytest.raises(RuntimeError), store.writing() as session:  # noqa: PT012
        session.add(AccountRow(id="x", name="x", created_on=NOW))
        session.flush()
        raise RuntimeError
    assert dump(store) == before


def test_foreign_keys_are_held(store: Store, intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    intents.records.create(OPERATOR, zone.id, a("www"))
    intents.zones.delete(OPERATOR, zone.id, ask=False)
    rows = dump(store)
    assert rows["records"] == rows["dependencies"] == rows["zones"] == []


def test_writers_go_one_after_the_other(store: Store, intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    problems: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for step in range(5):
                intents.records.create(OPERATOR, zone.id, a(f"w{number}-{step}"))
        except BaseException as error:
            problems.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert problems == []
    assert intents.published.revision() == 1 + 20
    assert intents.records.list(zone.id).total == 20
    revisions = [entry.revision for entry in intents.audit.list().items]
    assert revisions == list(range(21, -1, -1)), "every write has a revision of its own, in commit order"


def test_of_two_writers_of_the_same_thing_one_is_refused(store: Store, intents: Intents) -> None:
    outcomes: list[str] = []

    def write() -> None:
        try:
            intents.zones.create(OPERATOR, "example.org")
            outcomes.append("made")
        except Exception as error:
            outcomes.append(type(error).__name__)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(outcomes) == ["Conflict", "Conflict", "Conflict", "made"]


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_a_node_that_follows_deltas_holds_what_is_published(intents: Intents, limit: int) -> None:
    held: dict[str, Item] = {}
    zone = intents.zones.create(OPERATOR, "example.org").value
    revision = follow(held, intents, 0, limit)
    assert held == now_published(intents)
    made = [intents.records.create(OPERATOR, zone.id, a(f"n{number}")).value for number in range(7)]
    revision = follow(held, intents, revision, limit)
    assert held == now_published(intents)
    for record in made[:5]:
        intents.records.delete(OPERATOR, zone.id, record.id)
    intents.records.create(OPERATOR, zone.id, a("n0", "203.0.113.9"))
    revision = follow(held, intents, revision, limit)
    assert held == now_published(intents)
    assert revision == intents.published.revision()
    assert intents.published.delta(revision).changes == ()


def test_a_first_run_carries_only_what_lives(intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    record = intents.records.create(OPERATOR, zone.id, a("gone")).value
    intents.records.delete(OPERATOR, zone.id, record.id)
    delta = intents.published.delta(0)
    assert delta.full
    assert all(change.item is not None for change in delta.changes)
    assert {change.key for change in delta.changes} == now_published(intents).keys()


def test_changes_made_while_a_node_pages_are_not_missed(intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    records = [intents.records.create(OPERATOR, zone.id, a(f"n{number}")).value for number in range(6)]
    held: dict[str, Item] = {}
    cursor, first = None, True
    while True:
        delta: Delta = intents.published.delta(0, cursor, 2)
        for change in delta.changes:
            if change.item is None:
                held.pop(change.key, None)
            else:
                held[change.key] = change.item
        if not delta.more:
            break
        cursor = delta.cursor
        if first:
            first = False
            intents.records.delete(OPERATOR, zone.id, records[0].id)
            intents.records.delete(OPERATOR, zone.id, records[5].id)
            intents.records.replace(OPERATOR, zone.id, records[1].id, a("n1", "203.0.113.77"))
            intents.zones.create(OPERATOR, "example.net")
    assert held == now_published(intents)
    assert delta.to_revision == intents.published.revision()


def test_forgotten_deletions_send_old_nodes_everything(store: Store, intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    record = intents.records.create(OPERATOR, zone.id, a("gone")).value
    held: dict[str, Item] = {}
    old = follow(held, intents, 0)
    intents.records.delete(OPERATOR, zone.id, record.id)
    recent = intents.published.revision()
    with store.writing() as session:
        assert forget(session, NOW) == 0
        assert forget(session, NOW + timedelta(days=1)) == 1
    assert not intents.published.delta(recent).full
    assert intents.published.delta(old).full
    follow(held, intents, old)
    assert held == now_published(intents)


def test_a_node_ahead_of_a_restored_store_is_sent_everything(intents: Intents) -> None:
    intents.zones.create(OPERATOR, "example.org")
    delta = intents.published.delta(99)
    assert delta.full
    assert delta.to_revision == 1


@pytest.mark.parametrize("cursor", ["", "x", "full:1:2", "part:a:b:c", "other:1:1:zone/a"])
def test_a_cursor_that_we_did_not_give_is_refused(intents: Intents, cursor: str) -> None:
    if cursor == "":
        assert intents.published.delta(0, cursor).changes == ()
        return
    with pytest.raises(InvalidInput):
        intents.published.delta(0, cursor)


def test_a_delta_is_bounded_in_bytes(intents: Intents, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    drafts = [
        RecordDraft.model_validate({"type": "TXT", "name": f"t{number}", "content": "x" * 250})
        for number in range(20)
    ]
    intents.records.import_drafts(OPERATOR, zone.id, drafts)
    monkeypatch.setattr("rempart.controller.store.published._BYTES_MAX", 2000)
    held: dict[str, Item] = {}
    assert len(intents.published.delta(0).changes) < 6
    follow(held, intents, 0, 1000)
    assert held == now_published(intents)


def test_secrets_are_sealed_in_rows_and_in_published_bodies(store: Store, intents: Intents) -> None:
    key = intents.secondaries.add(OPERATOR, "198.51.100.53").value
    assert key.tsig_secret not in repr(dump(store))
    assert intents.secondaries.key(key.secondary.id).tsig_secret == key.tsig_secret
    (item,) = intents.published.items("secondary/")
    assert item.kind == "secondary"
    assert item.tsig_secret == key.tsig_secret
    with store.reading() as session:
        sealed = session.scalars(select(SecondaryRow.sealed_secret)).one()
    assert sealed.startswith("sealed:")


def test_a_name_below_another_is_a_range_whatever_the_locale(store: Store, intents: Intents) -> None:
    """``a-b.example.org`` sorts between ``a.example.org`` and ``x.a.example.org`` in many locales."""
    zone = intents.zones.create(OPERATOR, "example.org").value
    for name in ("x.a", "a-b", "aa", "*"):
        intents.records.create(OPERATOR, zone.id, a(name, "203.0.113.5"))
    flattened = RecordDraft.model_validate(
        {"type": "CNAME", "name": "@", "content": "a.example.org", "flatten_cname": True}
    )
    intents.records.create(OPERATOR, zone.id, flattened)
    items = now_published(intents)
    assert "rrset/example.org/example.org/A" not in items, "a.example.org is an empty non-terminal"


def test_the_counter_has_one_row(store: Store) -> None:
    with store.reading() as session:
        assert len(session.scalars(select(CounterRow)).all()) == 1


def test_audit_entries_name_who_and_what(intents: Intents) -> None:
    intents.sites.add(OPERATOR, "www.example.org", (Origin(host="203.0.113.5", port=80),))
    entry = intents.audit.list().items[0]
    assert (entry.actor_kind, entry.action, entry.subject) == ("operator", "site.add", "www.example.org")
    assert entry.zone == "example.org"
    assert entry.at == NOW
    assert "+ site www.example.org" in entry.summary


def test_readers_see_one_state_throughout(store: Store, intents: Intents) -> None:
    with store.reading() as session:
        before = session.scalars(select(CounterRow.revision)).one()
        intents.zones.create(OPERATOR, "example.org")
        assert session.scalars(select(CounterRow.revision)).one() == before
        assert session.execute(text("SELECT count(*) FROM zones")).scalar_one() == 0


def test_a_store_opened_with_another_key_says_so(
    url: str, store: Store, intents: Intents, tmp_path: Path
) -> None:
    intents.secondaries.add(OPERATOR, "198.51.100.53")
    with Store(url, Seal.from_file(tmp_path / "other.key")) as other:
        opened = Intents(other, Configuration.model_validate({"state": tmp_path}), clock=Clock())
        with pytest.raises(EnvironmentLacks, match=r"secrets\.key"):
            opened.published.items()
