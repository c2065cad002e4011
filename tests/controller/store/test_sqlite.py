"""What is promised for SQLite alone: a private file, and settings that survive a crash."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rempart.controller.store.database import Store
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import AccountRow
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks
from tests.controller.intents.conftest import NOW


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_files_are_private(tmp_path: Path) -> None:
    configuration = Configuration(state=tmp_path / "state")
    with Store.open(configuration) as store, store.writing() as session:
        session.add(AccountRow(id="x", name="x", created_on=NOW))
        session.flush()
        folder = configuration.paths.controller
        assert mode(folder) == 0o700
        names = {path.name: mode(path) for path in folder.iterdir()}
    assert {"store.sqlite", "store.sqlite-wal", "secrets.key"} <= names.keys()
    assert set(names.values()) == {0o600}


def test_commits_are_synced_and_foreign_keys_held(tmp_path: Path) -> None:
    with Store.open(Configuration(state=tmp_path)) as store, store.reading() as session:
        connection = session.connection()
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:////nowhere/at/all/store.sqlite", "nonsense", "mysql://localhost/x"],
)
def test_a_url_that_cannot_be_used_is_said_to_be_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks):
        Store(url, Seal.from_file(tmp_path / "key"))


def test_an_unreachable_postgresql_is_said_to_be_so(tmp_path: Path) -> None:
    url = f"postgresql://nobody@/nothing?host={tmp_path}"
    with pytest.raises(EnvironmentLacks, match="store"):
        Store(url, Seal.from_file(tmp_path / "key"))


def test_a_link_in_the_place_of_the_store_is_not_followed(tmp_path: Path) -> None:
    """Root opens the store in a folder of the controller's user, who must not choose what root changes."""
    precious = tmp_path / "precious"
    precious.touch(0o644)
    store = tmp_path / "store.sqlite"
    store.symlink_to(precious)
    with pytest.raises(EnvironmentLacks):
        Store(f"sqlite:///{store}", Seal.from_file(tmp_path / "key"))
    assert mode(precious) == 0o644
    assert precious.read_bytes() == b""


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(EnvironmentLacks, match="not a database"):
        Store(f"sqlite:///{path}", Seal.from_file(tmp_path / "key"))


def test_a_store_that_fails_under_way_is_not_told_as_our_fault(tmp_path: Path) -> None:
    """What the values were is nobody's business either."""
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}", Seal.from_file(tmp_path / "key")) as store:
        with store.writing() as session:
            session.connection().exec_driver_sql("PRAGMA max_page_count = 1")
            session.add(AccountRow(id="before", name="before", created_on=NOW))
        rows = [
            AccountRow(id=f"{number}", name=f"secret {number}" * 100, created_on=NOW) for number in range(999)
        ]
        with pytest.raises(EnvironmentLacks) as raised, store.writing() as session:
            session.add_all(rows)
        assert "full" in str(raised.value)
        assert "secret" not in str(raised.value)
        with store.reading() as session:
            assert session.get(AccountRow, "before") is not None
            assert session.get(AccountRow, "1") is None
