"""A link of two namespaces over which real connections go; gone afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from rempart.lab import leftovers
from rempart.lab.network import remains
from rempart.model.errors import EnvironmentLacks
from rempart.node.processes import identify

_numbers = count()


@dataclass(frozen=True)
class Ends:
    """``edge0`` in the namespace ``server``, ``client0`` in ``client``; the client is the server's gateway,
    so that answers to made-up sources leave, too."""

    server: str
    client: str


@pytest.fixture
def ends() -> Iterator[Ends]:
    if os.geteuid() != 0:
        raise EnvironmentLacks("root", "network namespaces need root", hint="run the tests with sudo")
    leftovers.sweep()
    name = f"rpc-{os.getpid()}-{next(_numbers)}"
    made = Ends(f"{name}-server", f"{name}-client")
    me = identify(os.getpid())
    assert me is not None
    run = remains.Run(name=name, owner=me, namespaces=(made.server, made.client), groups=())
    remains.note(run)
    try:
        for namespace in run.namespaces:
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        peer = ("peer", "name", "client0", "netns", made.client)
        ip("-n", made.server, "link", "add", "edge0", "type", "veth", *peer)
        for namespace, link, host in ((made.server, "edge0", 1), (made.client, "client0", 2)):
            ip("-n", namespace, "address", "add", f"192.0.2.{host}/24", "dev", link)
            ip("-n", namespace, "address", "add", f"2001:db8::{host}/64", "dev", link, "nodad")
            ip("-n", namespace, "link", "set", link, "up")
        ip("-n", made.server, "route", "add", "default", "via", "192.0.2.2")
        yield made
    finally:
        remains.clear(run)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
