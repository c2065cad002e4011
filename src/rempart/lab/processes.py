"""Child processes of a measurement or a rehearsal: pinned to a core, accounted for, and always ended."""

from __future__ import annotations

import contextlib
import os
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


def free_port(address: str = "127.0.0.1", *, datagram: bool = False) -> int:
    """A port that was free for TCP (and UDP when ``datagram``) a moment ago."""
    for _ in range(64):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.bind((address, 0))
            port: int = stream.getsockname()[1]
            if not datagram:
                return port
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets, contextlib.suppress(OSError):
                packets.bind((address, port))
                return port
    raise RempartError("no port is free for both TCP and UDP")


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
