"""A wire of two namespaces, one end of which is guarded, and folders for pins; both are gone afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from rempart.engines.shield import bpffs, loader
from rempart.engines.shield.loader import Shield
from rempart.lab import leftovers
from rempart.lab.network import remains
from rempart.lab.network.inside import inside
from rempart.node.processes import identify

T = TypeVar("T")
_numbers = count()
_PINS = "test-"


@dataclass
class Wire:
    """``guarded0`` in the namespace ``near`` (192.0.2.1, 2001:db8::1), ``sender0`` in ``far``."""

    near: str
    far: str

    def inside(self, act: Callable[[], T]) -> T:
        """In the guarded namespace."""
        return inside(self.near, act)

    def sender(self) -> socket.socket:
        """A socket that sends whole frames to the guarded interface."""

        def make() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            made.bind(("sender0", 0))
            return made

        return inside(self.far, make)

    def listener(self) -> socket.socket:
        """A socket that is given every frame that the shield has let through."""

        def make() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            made.bind(("guarded0", 3))
            made.setblocking(False)
            return made

        return inside(self.near, make)

    def command(self, *words: str) -> list[str]:
        """A command line that runs in the guarded namespace, and in this mount namespace."""
        return ["nsenter", f"--net=/run/netns/{self.near}", *words]


@pytest.fixture
def wire() -> Iterator[Wire]:
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces")
    leftovers.sweep()
    name = f"rps-{os.getpid()}-{next(_numbers)}"
    found = Wire(f"{name}-near", f"{name}-far")
    me = identify(os.getpid())
    assert me is not None
    run = remains.Run(name=name, owner=me, namespaces=(found.near, found.far), groups=())
    remains.note(run)
    try:
        for namespace in run.namespaces:
            _run("ip", "netns", "add", namespace)
            # Nothing but what a test sends is on the wire.
            _run("ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        _run(
            *("ip", "-n", found.near, "link", "add", "guarded0", "type", "veth"),
            *("peer", "name", "sender0", "netns", found.far),
        )
        for namespace, link in ((found.near, "guarded0"), (found.far, "sender0")):
            _run("ip", "-n", namespace, "link", "set", "dev", link, "up", "arp", "off")
        _run("ip", "-n", found.near, "address", "add", "192.0.2.1/24", "dev", "guarded0")
        yield found
    finally:
        remains.clear(run)


@pytest.fixture
def pins() -> Iterator[Path]:
    """A folder for pins."""
    if os.geteuid() != 0:
        pytest.skip("needs root: the bpf file system")
    _sweep()
    folder = bpffs.BPFFS / "rempart" / f"{_PINS}{os.getpid()}-{next(_numbers)}"
    try:
        yield folder
    finally:
        loader.remove(folder)


@pytest.fixture
def shield(pins: Path) -> Iterator[Shield]:
    """The real program, loaded and attached to nothing."""
    found = loader.load(loader.compiled(), pins)
    yield found
    found.close()


def _sweep() -> None:
    """Remove what tests have left that were killed."""
    for folder in (bpffs.BPFFS / "rempart").glob(f"{_PINS}*"):
        if not psutil.pid_exists(int(folder.name.split("-")[1])):
            with contextlib.suppress(OSError):
                loader.remove(folder)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
