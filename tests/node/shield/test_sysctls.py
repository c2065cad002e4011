"""The kernel's settings for SYN cookies: set, remembered, put back. On files that stand for the kernel's; the
real ones are set in test_part.py, in a namespace."""

from __future__ import annotations

from pathlib import Path

import pytest

from rempart.model.errors import EnvironmentLacks
from rempart.node.shield.sysctls import COOKIES, Sysctls

USUAL = {COOKIES: "1", "tcp_timestamps": "1", "tcp_window_scaling": "1", "tcp_sack": "1"}


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    folder = tmp_path / "ipv4"
    folder.mkdir()
    write(folder, USUAL)
    return folder


def write(folder: Path, values: dict[str, str]) -> None:
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n")


def read(folder: Path) -> dict[str, str]:
    return {one.name: one.read_text().strip() for one in folder.iterdir()}


def test_what_was_before_comes_back(kernel: Path, tmp_path: Path) -> None:
    made = Sysctls(tmp_path / "memory.json", kernel)
    assert made.prepare() == {"tcp_timestamps": "1"}
    made.cookies(made=True)
    assert read(kernel) == {**USUAL, "tcp_timestamps": "2", COOKIES: "2"}
    made.cookies(made=False)
    assert read(kernel)[COOKIES] == "1"
    assert made.restore() == {"tcp_timestamps": "1"}
    assert read(kernel) == USUAL
    assert not (tmp_path / "memory.json").exists()


def test_the_next_process_knows_what_a_killed_one_has_changed(kernel: Path, tmp_path: Path) -> None:
    write(kernel, {COOKIES: "0"})
    killed = Sysctls(tmp_path / "memory.json", kernel)
    killed.prepare()
    killed.cookies(made=True)
    after = Sysctls(tmp_path / "memory.json", kernel)
    assert after.prepare() == {}
    assert after.restore() == {COOKIES: "0", "tcp_timestamps": "1"}
    assert read(kernel) == {**USUAL, COOKIES: "0"}


def test_what_somebody_else_has_changed_meanwhile_stays(kernel: Path, tmp_path: Path) -> None:
    made = Sysctls(tmp_path / "memory.json", kernel)
    made.prepare()
    write(kernel, {"tcp_timestamps": "0"})
    assert made.restore() == {}
    assert read(kernel)["tcp_timestamps"] == "0"


def test_a_memory_of_another_boot_says_nothing(kernel: Path, tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text('{"boot": "another", "tcp_sack": "0"}')
    made = Sysctls(tmp_path / "memory.json", kernel)
    made.prepare()
    made.restore()
    assert read(kernel) == USUAL


def test_a_kernel_that_refuses_is_named(kernel: Path, tmp_path: Path) -> None:
    (kernel / "tcp_timestamps").unlink()
    with pytest.raises(EnvironmentLacks, match="tcp_timestamps cannot be read"):
        Sysctls(tmp_path / "memory.json", kernel).prepare()
