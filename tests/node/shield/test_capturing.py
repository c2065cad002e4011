"""A capture goes on whatever happens to the program meanwhile, and ends in order whoever is in the way."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from rempart.engines.shield import bpffs, loader, tables
from rempart.engines.shield.layout import Flag, Reason
from rempart.engines.shield.loader import Shield
from rempart.engines.shield.pinning import hold
from rempart.model.configuration import StatePaths
from rempart.model.shield import ShieldOrders
from rempart.node.shield import capturing
from rempart.node.shield.capturing import Captured, capture, end_forgotten
from tests.engines.shield.frames import ethernet, ipv4, raw, udp
from tests.node.conftest import eventually

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
FRAME = ethernet(ipv4(raw("203.0.113.9"), raw("192.0.2.1"), 17, udp(4_000, 53, b"four")))
ORDERS = ShieldOrders(drop_martians=False)


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    found = StatePaths(root=tmp_path)
    found.shield.mkdir()
    return found


@pytest.fixture
def shield() -> Iterator[Shield]:
    """The real program, loaded and attached to nothing."""
    folder = bpffs.BPFFS / "rempart" / f"test-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with contextlib.closing(loader.load(loader.compiled(), folder)) as found:
            tables.configure(found, ORDERS)
            yield found
    finally:
        loader.remove(folder)


class Running:
    """A capture in a thread."""

    def __init__(self, paths: StatePaths, shield: Shield, *, seconds: float) -> None:
        self.file = io.BytesIO()
        self._pool = ThreadPoolExecutor(1)
        self._future: Future[Captured] = self._pool.submit(
            capture, paths, shield, self.file, seconds=seconds, every=1, dropped=False
        )

    @property
    def written(self) -> int:
        return self.file.getvalue().count(Reason.PASS_NOT_OURS.name.encode() + b": ")

    def end(self) -> Captured:
        found = self._future.result(timeout=60)
        self._pool.shutdown()
        return found


def folder_of(shield: Shield) -> Path:
    assert shield.folder is not None
    return shield.folder


def is_shown(shield: Shield) -> bool:
    return bool(tables.flags(shield) & Flag.CAPTURING)


def test_settings_and_programs_may_change_meanwhile(paths: StatePaths, shield: Shield) -> None:
    running = Running(paths, shield, seconds=8)
    eventually(lambda: is_shown(shield), seconds=60)
    shield.program.run(FRAME)
    tables.configure(shield, ORDERS.model_copy(update={"sample_dropped": 2}))
    assert is_shown(shield), "new settings leave a capture alone"
    shield.program.run(FRAME)
    eventually(lambda: running.written == 2, seconds=60)

    tables.capture(shield, None)
    eventually(lambda: is_shown(shield), seconds=60)
    shield.program.run(FRAME)

    # Another program in its place; what the old one shows goes nowhere any more.
    with contextlib.closing(
        loader.load(loader.compiled(), folder_of(shield), {"frozen_clock": 1})
    ) as successor:
        tables.configure(successor, ORDERS)
        tables.capture(successor, None)
        eventually(lambda: is_shown(successor), seconds=60)
        successor.program.run(FRAME)
        done = running.end()
        assert (done.packets, running.written, done.cut_short) == (4, 4, "")
        assert not is_shown(successor)


def test_with_the_shield_it_ends_and_says_so(paths: StatePaths, shield: Shield) -> None:
    running = Running(paths, shield, seconds=60)
    eventually(lambda: is_shown(shield), seconds=60)
    shield.program.run(FRAME)
    eventually(lambda: running.written == 1, seconds=60)
    loader.remove(folder_of(shield))
    done = running.end()
    assert (done.packets, done.cut_short) == (1, "the packet shield was taken out of the kernel")


def test_one_that_cannot_be_switched_off_at_its_end_is_the_part_s(
    paths: StatePaths, shield: Shield, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capturing, "END_SECONDS", 0.1)
    running = Running(paths, shield, seconds=1)
    eventually(lambda: is_shown(shield), seconds=60)
    shield.program.run(FRAME)
    with hold(folder_of(shield)):
        done = running.end()
    assert (done.packets, done.cut_short) == (1, "")
    assert is_shown(shield)
    assert end_forgotten(paths, shield)
    assert not is_shown(shield)


def test_it_waits_for_whoever_changes_the_shield(paths: StatePaths, shield: Shield) -> None:
    released = threading.Event()
    with hold(folder_of(shield)):
        running = Running(paths, shield, seconds=1)
        assert not released.wait(1)
        assert not is_shown(shield)
    shield.program.run(FRAME)
    assert running.end().cut_short == ""
    assert not is_shown(shield)
