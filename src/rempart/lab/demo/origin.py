"""The demo's origin: Datasette, an application none of us wrote, over a real SQLite file.

The file is made from this machine's own package database: every installed Debian package and every file it
brought, some hundred thousand rows, so that a search without an index costs the origin real CPU time.
"""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

from rempart.model.errors import EnvironmentLacks

DATASETTE = Path(".venv-demo/bin/datasette")
COSTLY_PAGE = "/packages/files?path__contains={}&_sort=package"
"""A search that SQLite can only answer by reading every row."""


def datasette_command(checkout: Path, database: Path, port: int) -> list[str]:
    """How the origin is started; EnvironmentLacks when ``bin/setup --demo`` has not been run."""
    program = checkout / DATASETTE
    if not program.exists():
        raise EnvironmentLacks("datasette", "the demo's application is missing", hint="run bin/setup --demo")
    return [
        str(program), "serve", "--immutable", str(database), "--host", "127.0.0.1", "--port", str(port),
        "--setting", "sql_time_limit_ms", "3000", "--setting", "num_sql_threads", "2",
    ]  # fmt: skip


def make_database(path: Path) -> int:
    """Write the SQLite file; returns its number of rows."""
    listing = subprocess.run(
        [
            "dpkg-query",
            "-W",
            "-f",
            "${Package}\t${Version}\t${Section}\t${Installed-Size}\t${binary:Summary}\n",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    packages = [tuple(line.split("\t", 4)) for line in listing.splitlines() if line.count("\t") >= 4]
    files = [
        (listed.name.removesuffix(".list").split(":")[0], line)
        for listed in sorted(Path("/var/lib/dpkg/info").glob("*.list"))
        for line in listed.read_text(errors="replace").splitlines()
        if line != "/."
    ]
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE packages (name TEXT, version TEXT, section TEXT, size_kib INT, summary TEXT)"
        )
        database.execute("CREATE TABLE files (package TEXT, path TEXT)")
        database.executemany("INSERT INTO packages VALUES (?, ?, ?, ?, ?)", packages)
        database.executemany("INSERT INTO files VALUES (?, ?)", files)
    database.close()
    return len(packages) + len(files)
