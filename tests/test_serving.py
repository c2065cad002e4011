"""Unix sockets: their mode, and whose they are to remove."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rempart.lab.leftovers import short_folder
from rempart.model.errors import EnvironmentLacks
from rempart.serving import listening


@pytest.fixture
def path() -> Iterator[Path]:
    folder = short_folder()
    yield folder / "one.sock"
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


def test_it_has_its_mode_and_is_gone_at_the_end(path: Path) -> None:
    with listening(path, 0o660), socket.socket(socket.AF_UNIX) as asking:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        asking.connect(str(path))
    assert not path.exists()


def test_a_successor_s_socket_is_not_ours_to_remove(path: Path) -> None:
    with listening(path, 0o600) as first:
        assert first.fileno() >= 0
        second = listening(path, 0o600)
        second.__enter__()
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(path))
    second.__exit__(None, None, None)
    assert not path.exists()


def test_without_its_folder_it_says_so(path: Path) -> None:
    with (
        pytest.raises(EnvironmentLacks, match="cannot be listened on"),
        listening(path.parent / "none" / "one.sock", 0o600),
    ):
        pass
