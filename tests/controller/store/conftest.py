"""The same tests on both databases. PostgreSQL is a cluster of its own, made for the test session."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from rempart.controller.store.database import Store
from rempart.controller.store.sealing import Seal
from rempart.lab.leftovers import short_folder

POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


PATIENCE_S = 100
"""How long the server may take to start: its own default of a minute is short on a loaded machine."""


def _as_postgres(command: list[str]) -> subprocess.CompletedProcess[str]:
    """PostgreSQL refuses to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*prefix, *command],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
        # A file of ours that libpq or the server would take settings from has no place here.
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
    )


def _begin(bin_: Path, folder: Path) -> None:
    """Make a cluster in ``folder`` and start it; AssertionError with the server's own words when it fails."""
    log = folder / "log"
    made = ["-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--locale=C.UTF-8", "--no-sync"]
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=30"
    for command in (
        [str(bin_ / "initdb"), *made],
        [*_control(bin_, folder), "-l", str(log), "-o", options, "start"],
    ):
        done = _as_postgres(command)
        said = log.read_text(errors="replace")[-3000:] if log.exists() else ""
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}{said}"


def _control(bin_: Path, folder: Path) -> list[str]:
    return [str(bin_ / "pg_ctl"), "-D", str(folder / "data"), "-w", "-t", str(PATIENCE_S)]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """The folder of a running cluster's socket."""
    if not POSTGRESQL:
        pytest.skip("postgresql is not installed")
    bin_ = POSTGRESQL[-1]
    folder = short_folder()
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        _begin(bin_, folder)
        yield folder
    finally:
        # Also when it did not start in time: it may have, a moment later.
        _as_postgres([*_control(bin_, folder), "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    folder = request.getfixturevalue("cluster")
    name = f"t{os.urandom(6).hex()}"
    with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as connection:
        # A locale that sorts unlike bytes, as most servers have: prefixes must still be ranges.
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ICU_LOCALE 'en-US' LOCALE_PROVIDER icu"
        )
    return f"postgresql://postgres@/{name}?host={folder}"


@pytest.fixture
def seal(tmp_path: Path) -> Seal:
    return Seal.from_file(tmp_path / "secrets.key")


@pytest.fixture
def store(url: str, seal: Seal) -> Iterator[Store]:
    with Store(url, seal) as opened:
        yield opened
