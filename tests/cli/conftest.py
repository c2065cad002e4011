"""The command line on an instance of its own that does not run, or whose controller alone runs."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rempart.cli import offline
from rempart.cli.main import run
from rempart.lab.leftovers import short_folder
from rempart.lab.processes import free_port
from rempart.model.configuration import Configuration
from rempart.node.settings import read_configuration

EDGE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


def _checked(ended: Ended, status: int | None) -> Ended:
    if status is not None:
        assert ended.status == status, ended
    return ended


class CommandLine:
    """Calls of ``rempart`` with a configuration file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "rempart.toml"

    @property
    def configuration(self) -> Configuration:
        return read_configuration(self.file)

    def __call__(self, *arguments: str, given: str = "", status: int | None = 0) -> Ended:
        """One call in this process, as `main` makes it."""
        out, err = io.StringIO(), io.StringIO()
        before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(given.encode()))
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run(["--config", str(self.file), *arguments])
        finally:
            sys.stdin = before
        return _checked(Ended(code, out.getvalue(), err.getvalue()), status)

    def process(self, *arguments: str, status: int | None = 0) -> Ended:
        """One call in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "rempart", "--config", str(self.file), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )
        return _checked(Ended(done.returncode, done.stdout, done.stderr), status)

    def write(self, name: str, text: str) -> str:
        """A file for a command to read; its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def rempart(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    # What root does instead costs a process for each call; calls in processes of their own do it.
    monkeypatch.setattr(offline, "as_its_user", offline.in_process)
    folder = short_folder()
    folder.chmod(0o755)
    made = CommandLine(folder)
    made.file.write_text(
        f"""\
state = "{folder}/s"
[edge]
listen = ["{EDGE}"]
addresses = ["{EDGE}"]
http_port = {free_port()}
https_port = {free_port()}
[dns]
listen = ["{EDGE}"]
port = {free_port()}
[admin]
port = {free_port()}
[api]
port = {free_port()}
[console]
port = {free_port()}
"""
    )
    yield made
    shutil.rmtree(folder)
