"""Child processes of a measurement or a rehearsal: pinned to a core, accounted for, and always ended."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from rempart.model.errors import EnvironmentLacks, RempartError


@contextlib.contextmanager
def running(
    command: Sequence[str], *, log: Path, cores: Sequence[int] = (), env: dict[str, str] | None = None
) -> Iterator[psutil.Process]:
    """The command as a process group of its own while the block runs; killed with its children after it.

    ``cores`` pins it (and what it starts) to those processors. Output goes to ``log``.
    """
    pinned = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command] if cores else list(command)
    with log.open("ab") as output:
        child = subprocess.Popen(
            pinned,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=None if env is None else {**os.environ, **env},
        )
    try:
        yield psutil.Process(child.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that descend from it, as far as they still live."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its living descendants."""
    total = 0.0
    for member in family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            spent = member.cpu_times()
            total += spent.user + spent.system
    return total


def resident_bytes(process: psutil.Process) -> int:
    """Proportional memory (PSS) of a process and its descendants, so that shared pages count once."""
    total = 0
    for member in family(process):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += member.memory_full_info().pss
    return total


def free_port() -> int:
    """A port that nothing uses, for TCP and UDP, on any address of IPv4 or IPv6; never the same one twice.

    It is taken from below the ports that the kernel gives to outgoing connections
    (``ip_local_port_range``): one of those can be taken by anybody's connection, or still be held by one
    that ended a minute ago, between this look and the moment when a server binds it.
    """
    for _ in range(256):
        port = secrets.choice(_server_ports())
        if port not in _given and _nothing_has(port):
            _given.add(port)
            return port
    raise RempartError("no port is free for both TCP and UDP")


_given: set[int] = set()


@functools.cache
def _server_ports() -> range:
    """Ports for servers on this machine: high, and outside those that connections are given."""
    try:
        lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except OSError:
        lowest, highest = 32768, 60999
    below, above = range(10240, lowest), range(highest + 1, 65536)
    best = max(below, above, key=len)
    return best if len(best) >= 1024 else range(10240, 65536)


def _nothing_has(port: int) -> bool:
    families = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    for family, everywhere in families if socket.has_dualstack_ipv6() else families[:1]:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(family, kind) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    probe.bind((everywhere, port))
                except OSError:
                    return False
    return True


def wait_for_port(address: str, port: int, *, seconds: float = 10.0) -> None:
    """Return once something accepts TCP connections there; RempartError when nothing has in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=0.5):
            return
        time.sleep(0.02)
    raise RempartError(f"nothing listens on {address} port {port} after {seconds:g} s")


def require(program: str, package: str) -> None:
    """EnvironmentLacks, naming the Debian package, when a program is not installed."""
    places = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/usr/local/sbin", "/sbin"]
    if not any(os.access(Path(place) / program, os.X_OK) for place in places if place):
        raise EnvironmentLacks(program, f"{program} is not installed", hint=f"apt-get install {package}")
