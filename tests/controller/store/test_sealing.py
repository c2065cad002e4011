"""What is sealed opens only with the same key, in the same place."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from rempart.controller.store.sealing import Seal
from rempart.model.errors import EnvironmentLacks


def test_sealed_text_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "controller" / "secrets.key"
    sealed = Seal.from_file(path).close("a private key", "certificates/1")
    assert "private" not in sealed
    assert Seal.from_file(path).open(sealed, "certificates/1") == "a private key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_text_is_never_sealed_to_the_same(tmp_path: Path) -> None:
    seal = Seal.from_file(tmp_path / "key")
    assert seal.close("x", "p") != seal.close("x", "p")


def test_a_sealed_text_does_not_open_elsewhere_or_changed(tmp_path: Path) -> None:
    seal = Seal.from_file(tmp_path / "key")
    sealed = seal.close("secret", "certificates/1")
    changed = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]
    for text, place in (
        (sealed, "certificates/2"),
        (changed, "certificates/1"),
        ("sealed:", "x"),
        ("ü", "x"),
    ):
        with pytest.raises(EnvironmentLacks):
            seal.open(text, place)


def test_a_key_file_of_wrong_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(EnvironmentLacks, match="5 bytes"):
        Seal.from_file(tmp_path / "key")


def test_all_who_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    sealed: list[str] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        sealed.append(Seal.from_file(tmp_path / "key").close("x", "p"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Seal.from_file(tmp_path / "key").open(one, "p") for one in sealed] == ["x"] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
