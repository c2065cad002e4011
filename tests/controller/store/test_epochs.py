"""A store that is put back to an earlier state and grows again: no node goes on as if nothing had been."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rempart.controller.intents import OPERATOR, Intents
from rempart.controller.store import epochs
from rempart.controller.store.database import Store
from rempart.controller.store.sealing import Seal
from rempart.model.configuration import Configuration
from tests.controller.intents.conftest import Clock


def opened(store: Store, folder: Path) -> Intents:
    """As a controller opens it."""
    configuration = Configuration.model_validate({"state": folder, "edge": {"addresses": ["192.0.2.80"]}})
    intents = Intents(store, configuration, clock=Clock())
    intents.apply_configuration()
    return intents


def grow(intents: Intents, *zones: str) -> tuple[str, int]:
    """Add zones, one revision each; the place then."""
    for zone in zones:
        intents.zones.create(OPERATOR, zone)
    return intents.published.place()


def test_a_start_begins_an_epoch_and_who_was_up_to_date_stays_so(store: Store, tmp_path: Path) -> None:
    first_epoch, revision = grow(opened(store, tmp_path), "a.example")
    intents = opened(store, tmp_path)
    epoch, same = intents.published.place()
    assert (epoch != first_epoch, same) == (True, revision)
    delta = intents.published.delta(revision, epoch=first_epoch)
    assert (delta.full, delta.changes) == (False, ())
    assert (delta.from_epoch, delta.epoch) == (first_epoch, epoch)
    grow(intents, "b.example")
    delta = intents.published.delta(revision, epoch=first_epoch)
    assert not delta.full
    assert {change.key.split("/")[1] for change in delta.changes} == {"b.example"}


@pytest.mark.parametrize("epoch", ["", "never-was"])
def test_a_place_in_no_epoch_of_ours_is_sent_everything(store: Store, tmp_path: Path, epoch: str) -> None:
    intents = opened(store, tmp_path)
    _, revision = grow(intents, "a.example")
    assert intents.published.delta(revision, epoch=epoch).full


def test_a_restored_store_that_has_grown_past_a_node_sends_it_everything(tmp_path: Path) -> None:
    file, backup = tmp_path / "store.sqlite", tmp_path / "backup.sqlite"
    seal = Seal.from_file(tmp_path / "secrets.key")
    with Store(f"sqlite:///{file}", seal) as store:
        grow(opened(store, tmp_path), "a.example")
    shutil.copy(file, backup)
    with Store(f"sqlite:///{file}", seal) as store:
        node_epoch, node_revision = grow(opened(store, tmp_path), "lost.example", "lost-too.example")
    shutil.copy(backup, file)
    with Store(f"sqlite:///{file}", seal) as store:
        intents = opened(store, tmp_path)
        grow(intents, "b.example", "c.example", "d.example")
        assert intents.published.revision() > node_revision
        delta = intents.published.delta(node_revision, epoch=node_epoch)
    assert delta.full
    zones = {change.key for change in delta.changes if change.key.startswith("zone/")}
    assert zones == {f"zone/{name}.example" for name in "abcd"}


def test_a_backup_played_into_a_running_store_is_noticed(tmp_path: Path) -> None:
    """As ``sqlite3 store.sqlite '.restore backup'`` does, with the controller running."""
    file = tmp_path / "store.sqlite"
    with Store(f"sqlite:///{file}", Seal.from_file(tmp_path / "secrets.key")) as store:
        intents = opened(store, tmp_path)
        grow(intents, "a.example")
        with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(tmp_path / "b")) as backup:
            live.backup(backup)
            node_epoch, node_revision = grow(intents, "lost.example", "lost-too.example")
            backup.backup(live)
        # The first thing that happens is a write, which itself raises the revision again.
        epoch, _ = grow(intents, "b.example", "c.example")
        assert epoch != node_epoch
        assert intents.published.revision() == node_revision
        assert intents.published.delta(node_revision, epoch=node_epoch).full
        assert grow(intents, "d.example")[0] == epoch, "it is noticed once"


def test_looking_notices_it_too(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    with Store(f"sqlite:///{file}", Seal.from_file(tmp_path / "secrets.key")) as store:
        intents = opened(store, tmp_path)
        with closing(sqlite3.connect(file)) as live, closing(sqlite3.connect(tmp_path / "b")) as backup:
            live.backup(backup)
            node_epoch, node_revision = grow(intents, "lost.example")
            backup.backup(live)
        epoch, revision = intents.published.place()
        assert epoch != node_epoch
        assert revision < node_revision


def test_a_run_of_deltas_does_not_go_on_in_another_history(store: Store, tmp_path: Path) -> None:
    intents = opened(store, tmp_path)
    grow(intents, "a.example", "b.example")
    first = intents.published.delta(0, limit=1, epoch="")
    assert first.more
    intents = opened(store, tmp_path)
    second = intents.published.delta(0, first.cursor, 1, epoch="")
    assert second.epoch != first.epoch, "which the node takes as a reason to begin anew"
    assert second.changes == ()


def test_epochs_do_not_pile_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "KEPT", 3)
    with store.writing() as session:
        names = [epochs.begin(session) for _ in range(10)]
        assert epochs.current(session) == names[-1]
        assert [epochs.includes(session, name, 0) for name in names] == [False] * 7 + [True] * 3
