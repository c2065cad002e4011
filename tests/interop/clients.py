"""Where other people's clients are, and how they are run against an instance."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rempart.lab.instance import Instance

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"


def installed(environment: str) -> Path:
    """The ``bin`` of an environment that bin/setup --test makes."""
    folder = ROOT / environment / "bin"
    if not (folder / "python").exists():
        pytest.skip(f"{environment} is not there: bin/setup --test makes it")
    return folder


def base_url(instance: Instance) -> str:
    return f"http://127.0.0.1:{instance.ports.api}/client/v4"


def new_token(instance: Instance, *arguments: str) -> str:
    return str(instance.json("token", "create", "interop", *arguments)["token"])


def run(
    command: list[str],
    environment: Mapping[str, str],
    *,
    check: bool = True,
    seconds: float = 90,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """A client's run; its words are in the failure."""
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        timeout=seconds,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def last_json(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout.strip().splitlines()[-1])
