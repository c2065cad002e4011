"""The same tests on both databases. PostgreSQL is a cluster of its own, made for the test session."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from rempart.controller.store.database import Store
from rempart.controller.store.sealing import Seal

POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _as_postgres(command: list[str]) -> None:
    """PostgreSQL refuses to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """The folder of a running cluster's socket."""
    if not POSTGRESQL:
        pytest.skip("postgresql is not installed")
    bin_ = POSTGRESQL[-1]
    folder = Path(tempfile.mkdtemp(prefix="rp-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        initdb = [str(bin_ / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres"]
        _as_postgres([*initdb, "--locale=C.UTF-8", "--no-sync"])
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=30"
        control = [str(bin_ / "pg_ctl"), "-D", str(data), "-w"]
        _as_postgres([*control, "-l", str(folder / "log"), "-o", options, "start"])
        try:
            yield folder
        finally:
            _as_postgres([*control, "-m", "immediate", "stop"])
    finally:
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
