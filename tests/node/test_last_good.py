from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rempart.node.last_good import LastGood
from rempart.snapshot.items import Delta, Item, ItemChange, ZoneItem


def zone(name: str, *, dnssec: bool = False) -> ZoneItem:
    return ZoneItem(name=name, dnssec=dnssec, soa_mname=f"ns1.{name}", soa_rname=f"hostmaster.{name}")


def put(*items: Item) -> tuple[ItemChange, ...]:
    return tuple(ItemChange(key=item.key, item=item) for item in items)


def drop(*keys: str) -> tuple[ItemChange, ...]:
    return tuple(ItemChange(key=key, item=None) for key in keys)


def delta(since: int, to: int, *changes: ItemChange, more: bool = False, full: bool = False) -> Delta:
    cursor = "more" if more else None
    return Delta(from_revision=since, to_revision=to, changes=changes, more=more, cursor=cursor, full=full)


def keys(store: LastGood, prefix: str = "zone/") -> list[str]:
    return [item.key for item in store.under(prefix)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LastGood]:
    opened = LastGood.open(tmp_path / "last-good.sqlite")
    yield opened
    opened.close()


def test_only_its_owner_can_read_it(store: LastGood, tmp_path: Path) -> None:
    store.apply(delta(0, 1, *put(zone("a.example"))), full=True, begins=True)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_items_are_read_by_key_and_prefix_in_order(store: LastGood) -> None:
    store.apply(delta(0, 7, *put(zone("b.example"), zone("a.example"))), full=True, begins=True)
    assert store.revision == 7
    assert store.get("zone/a.example") == zone("a.example")
    assert store.get("zone/c.example") is None
    assert keys(store) == ["zone/a.example", "zone/b.example"]
    assert keys(store, "site/") == []
    assert store.counts() == {"zone": 2}


def test_a_prefix_does_not_match_its_neighbours(store: LastGood) -> None:
    names = ("a.example", "a.example.org", "a.examplf")
    store.apply(delta(0, 1, *put(*map(zone, names))), full=True, begins=True)
    assert keys(store, "zone/a.example") == ["zone/a.example", "zone/a.example.org"]


def test_only_what_is_different_counts_as_a_change(store: LastGood) -> None:
    first = put(zone("a.example"), zone("b.example"))
    assert store.apply(delta(0, 1, *first), full=True, begins=True) == first
    again = (*first, *drop("zone/never-there"))
    assert store.apply(delta(1, 2, *again), full=False, begins=True) == ()
    assert store.revision == 2
    mixed = (*put(zone("a.example", dnssec=True)), *drop("zone/b.example"))
    assert store.apply(delta(2, 3, *mixed), full=False, begins=True) == mixed


def test_a_full_run_drops_what_it_does_not_name(store: LastGood) -> None:
    store.apply(
        delta(0, 1, *put(zone("a.example"), zone("b.example"), zone("c.example"))), full=True, begins=True
    )
    one = delta(0, 9, *put(zone("a.example")), more=True, full=True)
    assert store.apply(one, full=True, begins=True) == ()
    assert store.revision == 1, "the revision moves with the last delta of a run"
    assert keys(store) == ["zone/a.example", "zone/b.example", "zone/c.example"], "nothing is dropped before"
    two = delta(0, 9, *put(zone("d.example")), full=True)
    changes = store.apply(two, full=True, begins=False)
    assert changes == (*put(zone("d.example")), *drop("zone/b.example", "zone/c.example"))
    assert store.revision == 9
    assert keys(store) == ["zone/a.example", "zone/d.example"]


def test_a_full_run_that_was_cut_off_begins_anew(store: LastGood) -> None:
    store.apply(delta(0, 1, *put(zone("a.example"))), full=True, begins=True)
    store.apply(delta(0, 5, *put(zone("b.example")), more=True, full=True), full=True, begins=True)
    changes = store.apply(delta(0, 6, *put(zone("c.example")), full=True), full=True, begins=True)
    assert changes == (*put(zone("c.example")), *drop("zone/a.example", "zone/b.example"))


def test_it_is_all_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "last-good.sqlite"
    store = LastGood.open(path)
    store.apply(delta(0, 4, *put(zone("a.example"))), full=True, begins=True)
    store.close()
    store = LastGood.open(path)
    assert (store.revision, keys(store)) == (4, ["zone/a.example"])
    store.forget_revision()
    assert (store.revision, keys(store)) == (0, ["zone/a.example"])
    store.close()


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "last-good.sqlite"
    path.write_bytes(b"this is no database, and long enough to be looked at as one" * 100)
    store = LastGood.open(path)
    assert (store.revision, keys(store)) == (0, [])
    store.close()
    assert path.with_name("last-good.sqlite.broken").exists()


def test_an_item_of_another_version_is_left_out(store: LastGood, tmp_path: Path) -> None:
    store.apply(delta(0, 1, *put(zone("a.example"), zone("b.example"))), full=True, begins=True)
    other = sqlite3.connect(tmp_path / "last-good.sqlite")
    other.execute("UPDATE items SET body = '{\"kind\": \"zone\"}' WHERE key = 'zone/a.example'")
    other.commit()
    other.close()
    assert keys(store) == ["zone/b.example"]


def test_a_long_read_sees_one_state(store: LastGood) -> None:
    store.apply(delta(0, 1, *put(zone("a.example"), zone("b.example"))), full=True, begins=True)
    reading = iter(store.under("zone/"))
    assert next(reading).key == "zone/a.example"
    import threading

    writer = threading.Thread(
        target=store.apply,
        args=(delta(1, 2, *drop("zone/b.example")),),
        kwargs={"full": False, "begins": True},
    )
    writer.start()
    writer.join()
    assert [item.key for item in reading] == ["zone/b.example"]
    assert keys(store) == ["zone/a.example"]
