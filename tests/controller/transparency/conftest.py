"""Logs on disk."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI

from rempart.controller.sockets import listening_at, server
from rempart.controller.transparency.writer import LogWriter
from rempart.lab.processes import free_port

ORIGIN = "log.example/test"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is kept."""

    public: Path
    keeping: Path

    def open(self) -> LogWriter:
        return LogWriter(self.public, self.keeping, ORIGIN)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "public", tmp_path / "keeping")


@pytest.fixture
def log(place: Place) -> Iterator[LogWriter]:
    with place.open() as opened:
        yield opened


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder whose fsync costs nothing, where there is one: a killed process loses nothing of either."""
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="rp-log-", dir=shared if shared.is_dir() else None))
    yield made
    shutil.rmtree(made)


@contextmanager
def served(application: FastAPI, port: int | None = None) -> Iterator[str]:
    """The URL of an application that is served meanwhile."""
    port = port or free_port()
    running = server(application)
    with listening_at("127.0.0.1", port) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.should_exit = True
            thread.join(30)
