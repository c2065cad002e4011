"""A world that is really made, and really gone afterwards, also when its maker was killed."""

from __future__ import annotations

import ipaddress
import secrets
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from rempart.lab import leftovers
from rempart.lab.network.inside import NAMESPACES, inside
from rempart.lab.network.making import Network
from rempart.lab.network.world import Role, World, WorldShape, world

pytestmark = pytest.mark.root

SMALL = WorldShape(visitor_networks=4, bot_networks=8)


def plan(edges: int = 1) -> World:
    shape = SMALL.model_copy(update={"edges": edges})
    return world(shape, seed=1, run=secrets.token_hex(4), cores=psutil.cpu_count() or 1)


def namespaces(run: str) -> list[str]:
    return sorted(place.name for place in NAMESPACES.glob(f"rp-{run}-*"))


def groups(run: str) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/rempart-lab-{run}"))


def ended(pid: int) -> bool:
    """Whether a process runs no more; its entry may wait for a parent that collects it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def own_addresses(plan: World, role: Role) -> set[str]:
    """What a namespace's interfaces have."""
    ends = [end for link in plan.links for end in (link.a, link.b) if end.role is role]
    return {address.partition("/")[0] for end in ends for address in end.addresses}


def seen_from(edge: str, bots: str, to: str, source: str) -> str:
    """From where a listener at the edge sees a client of the bots that has bound ``source``."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    make = partial(socket.socket, family, socket.SOCK_STREAM)
    with inside(edge, make) as listener, inside(bots, make) as client:
        listener.bind((to, 0))
        listener.listen()
        client.settimeout(5)
        client.bind((source, 0))
        client.connect(listener.getsockname()[:2])
        accepted, address = listener.accept()
        accepted.close()
    return str(address[0])


@pytest.mark.parametrize("edges", [1, 2])
def test_any_address_of_a_prefix_reaches_the_edge_and_nothing_of_it_is_left(edges: int) -> None:
    wanted = plan(edges)
    interfaces = set(psutil.net_if_addrs())
    with Network(wanted) as network:
        assert len(namespaces(wanted.run)) == len(wanted.roles)
        assert set(psutil.net_if_addrs()) == interfaces
        bots, origin = wanted.namespace(Role.BOTS), wanted.namespace(Role.ORIGIN)
        v4 = str(ipaddress.IPv4Network(wanted.bots.v4[0])[77])
        v6 = str(ipaddress.IPv6Network(wanted.bots.v6[0])[7 << 64])
        for edge in wanted.edges:
            there = wanted.namespace(edge.role)
            for to, source in ((edge.v4, v4), (edge.v6, v6)):
                assert seen_from(there, bots, to, source) == source
            assert network.counters(edge.role, edge.interface).received_packets > 0
            # Every edge has a cable of its own to the one origin, at whichever end it is known there.
            assert seen_from(origin, there, wanted.origin_v4, "") in own_addresses(wanted, edge.role)
        folder = network.folder
    assert namespaces(wanted.run) == []
    assert groups(wanted.run) == []
    assert not folder.exists()
    assert set(psutil.net_if_addrs()) == interfaces


def test_a_process_of_a_place_runs_in_its_namespace_and_groups(tmp_path: Path) -> None:
    wanted = plan()
    with Network(wanted) as network:
        with network.place(Role.EDGE).running(["sleep", "60"], log=tmp_path / "log") as process:
            deadline = time.monotonic() + 10
            while process.name() != "sleep" and time.monotonic() < deadline:
                time.sleep(0.01)
            own = Path(f"/proc/{process.pid}/ns/net").stat().st_ino
            assert own == (NAMESPACES / wanted.namespace(Role.EDGE)).stat().st_ino
            for group in network.place(Role.EDGE).groups:
                assert str(process.pid) in (group / "cgroup.procs").read_text().split()
        assert ended(process.pid)


MAKER = """
import sys, time
from rempart.lab.network.making import Network
from rempart.lab.network.world import Role, World
from pathlib import Path
with Network(World.model_validate_json(sys.argv[1])) as network:
    with network.place(Role.BOTS).running(["sleep", "600"], log=network.folder / "log") as process:
        print(process.pid, network.folder, flush=True)
        time.sleep(600)
"""


def test_what_a_killed_run_left_goes() -> None:
    wanted = plan()
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER, wanted.model_dump_json()], stdout=subprocess.PIPE, text=True
    )
    assert maker.stdout is not None
    with maker.stdout:
        pid, folder = maker.stdout.readline().split()
    # While its maker lives nobody touches it.
    leftovers.sweep()
    assert len(namespaces(wanted.run)) == len(wanted.roles)
    assert not ended(int(pid))
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    # Its watcher is at it too: whoever is first.
    leftovers.sweep()
    deadline = time.monotonic() + 20
    while (
        namespaces(wanted.run) or groups(wanted.run) or Path(folder).exists()
    ) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ended(int(pid))
    assert namespaces(wanted.run) == []
    assert groups(wanted.run) == []
    assert not Path(folder).exists()
