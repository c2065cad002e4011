"""Two network namespaces and a cable between them: a machine to guard, and somebody who sends to it."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from rempart.lab import leftovers
from rempart.lab.network import remains
from rempart.lab.network.place import Place
from rempart.node.processes import identify

HERE_V4, FAR_V4 = "198.18.5.1", "198.18.5.2"
HERE_V6, FAR_V6 = "2001:db8:5::1", "2001:db8:5::2"
INTERFACE = "wan0"


@dataclass(frozen=True, slots=True)
class Ground:
    """``here`` has HERE_V4 and HERE_V6 on INTERFACE, ``far`` the other end."""

    here: Place
    far: Place

    def ip(self, *words: str, place: Place | None = None) -> str:
        """``ip`` in ``here``."""
        command = ["ip", "-n", (place or self.here).namespace, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def far_run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command at the far end."""
        return subprocess.run(self.far.command(words), capture_output=True, text=True, timeout=30)


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """Both namespaces while the block runs; with everything in them gone after it, or after our death."""
    leftovers.sweep()
    run = secrets.token_hex(4)
    names = (f"rp-{run}-here", f"rp-{run}-far")
    owner = identify(os.getpid())
    assert owner is not None
    noted = remains.Run(name=f"shield-{run}", owner=owner, namespaces=names, groups=())
    remains.note(noted)
    try:
        made = Ground(*(Place(namespace=name) for name in names))
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        cable = ["link", "add", INTERFACE, "type", "veth", "peer", "name", INTERFACE, "netns", names[1]]
        made.ip(*cable)
        ends = ((made.here, HERE_V4, HERE_V6), (made.far, FAR_V4, FAR_V6))
        for place, v4, v6 in ends:
            made.ip("link", "set", "lo", "up", place=place)
            made.ip("address", "add", f"{v4}/24", "dev", INTERFACE, place=place)
            made.ip("address", "add", f"{v6}/64", "dev", INTERFACE, "nodad", place=place)
            made.ip("link", "set", INTERFACE, "up", place=place)
        yield made
    finally:
        remains.clear(noted)
