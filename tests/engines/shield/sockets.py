"""A network namespace of our own with the sockets that the worlds speak of."""

from __future__ import annotations

import ctypes as c
import errno
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from rempart.engines.shield.model.tables import MAPPED, Sockets

from .worlds import CLIENT4, CLIENT6, FULL, LISTENED, OURS4, OURS6, UDP_SOCKET, WILD

CLONE_NEWNET = 0x40000000
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
ANY = {4: "0.0.0.0", 6: "::"}
OUTGOING = 9000


@contextmanager
def network() -> Iterator[Sockets]:
    """This thread is in a new namespace meanwhile. It and all its sockets are gone afterwards."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    libc = c.CDLL(None, use_errno=True)
    try:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(c.get_errno(), "a network namespace needs root")
        try:
            with ExitStack() as stack:
                yield _furnished(stack)
        finally:
            if libc.setns(before, CLONE_NEWNET):
                raise OSError(c.get_errno(), "cannot go back to the first network namespace")
    finally:
        os.close(before)


def _furnished(stack: ExitStack) -> Sockets:
    Path("/proc/sys/net/ipv4/tcp_syncookies").write_text("2")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (*OURS4, CLIENT4):
        subprocess.run(["ip", "address", "add", f"{ip_address(address)}/32", "dev", "lo"], check=True)
    for address in (*OURS6, CLIENT6):
        subprocess.run(
            ["ip", "address", "add", f"{ip_address(address)}/128", "dev", "lo", "nodad"], check=True
        )
    listening: dict[tuple[int, bytes | None, int], bool] = {}
    established: set[tuple[bytes, int, bytes, int]] = set()
    udp: set[tuple[int, bytes | None, int]] = set()
    for version, ours, client in ((4, OURS4, CLIENT4), (6, OURS6, CLIENT6)):
        first = str(ip_address(ours[0]))
        exact = _listener(stack, version, first, LISTENED)
        listening[version, _table(ours[0]), LISTENED] = True
        _listener(stack, version, ANY[version], WILD)
        listening[version, None, WILD] = True
        full = _listener(stack, version, first, FULL, backlog=0)
        listening[version, _table(ours[0]), FULL] = False
        for target, port, taken in ((exact, LISTENED, True), (full, FULL, False)):
            made = _connect(stack, version, str(ip_address(client)), target)
            if taken:
                stack.enter_context(target.accept()[0])
            remote_port = made.getsockname()[1]
            established.add((_table(client), remote_port, _table(ours[0]), port))
            established.add((_table(ours[0]), port, _table(client), remote_port))
        out = _listener(stack, version, str(ip_address(client)), OUTGOING)
        made = _connect(stack, version, first, out)
        stack.enter_context(out.accept()[0])
        listening[version, _table(client), OUTGOING] = True
        established.add((_table(client), OUTGOING, _table(ours[0]), made.getsockname()[1]))
        established.add((_table(ours[0]), made.getsockname()[1], _table(client), OUTGOING))
        for local, port in ((None, UDP_SOCKET), (ours[0], 123)):
            datagrams = stack.enter_context(socket.socket(FAMILIES[version], socket.SOCK_DGRAM))
            if version == 6:
                datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            where = ANY[version] if local is None else str(ip_address(local)), port
            _patiently(partial(datagrams.bind, where))
            udp.add((version, local and _table(local), port))
    return Sockets(listening, frozenset(established), udp=frozenset(udp))


def _table(address: bytes) -> bytes:
    return MAPPED + address if len(address) == 4 else address


def _listener(stack: ExitStack, version: int, address: str, port: int, backlog: int = 16) -> socket.socket:
    made = stack.enter_context(socket.socket(FAMILIES[version], socket.SOCK_STREAM))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if version == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    _patiently(lambda: made.bind((address, port)))
    made.listen(backlog)
    return made


def _connect(stack: ExitStack, version: int, source: str, target: socket.socket) -> socket.socket:
    made = stack.enter_context(socket.socket(FAMILIES[version], socket.SOCK_STREAM))
    _patiently(lambda: made.bind((source, 0)))
    _patiently(lambda: made.connect(target.getsockname()[:2]))
    return made


def _patiently(act: Callable[[], object]) -> None:
    """The kernel makes the routes of IPv6 addresses a moment after it was given them."""
    end = time.monotonic() + 10
    while True:
        try:
            act()
        except OSError as error:
            if error.errno not in (errno.ENETUNREACH, errno.EADDRNOTAVAIL) or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
