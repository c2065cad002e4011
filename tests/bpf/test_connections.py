"""Real connections that begin with a cookie of the program: they stand, they are as wide as others, and the
settings of the kernel that docs/shield.md names are the ones that matter."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from struct import pack, unpack_from
from typing import NamedTuple

import numpy as np
import pytest

from rempart.engines.shield import layout
from rempart.engines.shield.layout import Flag, Reason, When
from rempart.engines.shield.libbpf import Link, Map, Mode, Object, Program
from rempart.lab.network.inside import inside, set_sysctls
from tests.engines.shield import frames as f
from tests.engines.shield.program import OBJECT

from .conftest import Ends, ip
from .world import ones_complement

pytestmark = pytest.mark.root

PORT = 8443
ADDRESS = {4: "192.0.2.1", 6: "2001:db8::1"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PATIENCE = 20.0
BULK = os.urandom(1 << 16) * 256
"""16 MiB: a hundred times what fits into a window that is not scaled."""
TIMESTAMPS, SACK, SCALE = 1, 2, 4


@dataclass
class Guard:
    """The program on the server's end of the link."""

    ends: Ends
    maps: dict[str, Map]
    program: Program
    links: list[Link]

    def attach(self, mode: Mode) -> None:
        def here(interface: str, program: Program) -> Callable[[], Link]:
            return lambda: Link.attach(program, socket.if_nametoindex(interface), mode)

        self.links.append(inside(self.ends.server, here("edge0", self.program)))
        if mode is Mode.NATIVE:
            # A veth takes frames from a program only with a program of its own. One that is off passes all.
            _, other = loaded()
            self.links.append(inside(self.ends.client, here("client0", other)))

    def configure(self, flags: Flag, syn_cookies: When) -> None:
        config = np.zeros((), layout.CONFIG)
        config["flags"] = flags | Flag.ON | Flag.ONLY_SERVED
        config["syn_cookies"] = syn_cookies
        config["mss4"], config["mss6"] = 1460, 1440
        config["window_scale"] = self.window_scale()
        config["proven_for"] = 60 * 10**9
        config["ack_threshold"] = 0xFFFFFFFF
        for mask in ("sample_mask", "drop_sample_mask", "capture_mask"):
            config[mask] = layout.SAMPLE_NONE
        self.maps["config"].update(bytes(4), config.tobytes())
        for address in ADDRESS.values():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            raw = socket.inet_pton(family, address).rjust(16, b"\0")
            mapped = raw if family == socket.AF_INET6 else bytes(10) + b"\xff\xff" + raw[12:]
            self.maps["addresses"].update(mapped, pack("<I", 1))
        self.maps["services"].update(pack("<I", PORT), pack("<I", 1))

    def window_scale(self) -> int:
        """What the kernel will use, by the formula of docs/shield.md."""

        def read() -> int:
            largest = int(Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()[2])
            return max(largest, int(Path("/proc/sys/net/core/rmem_max").read_text()))

        return min(14, max(0, inside(self.ends.server, read).bit_length() - 16))

    def count(self, reason: Reason) -> int:
        return int(self.maps["counters"].lookup_cpus(pack("<I", reason), layout.COUNT)["packets"].sum())

    def proven(self) -> int:
        return sum(1 for _ in self.maps["proven"].keys())  # noqa: SIM118 a map of the kernel's


def loaded() -> tuple[dict[str, Map], Program]:
    with Object(OBJECT.read_bytes(), "shield") as binary:
        binary.load()
        return {name: one.open() for name, one in binary.maps.items()}, binary.program("shield")


@pytest.fixture
def guard(ends: Ends) -> Iterator[Guard]:
    maps, program = loaded()
    made = Guard(ends, maps, program, [])
    yield made
    for link in made.links:
        link.close()


class Seen(NamedTuple):
    """What one end of a connection says about it (struct tcp_info)."""

    options: int
    their_scale: int
    our_scale: int


def seen(connection: socket.socket) -> Seen:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
    return Seen(info[5] & 7, info[6] & 15, info[6] >> 4)


def listener(ends: Ends, version: int, backlog: int = 64) -> socket.socket:
    def make() -> socket.socket:
        made = socket.socket(FAMILY[version])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.settimeout(PATIENCE)
        made.bind((ADDRESS[version], PORT))
        made.listen(backlog)
        return made

    return inside(ends.server, make)


def converse(ends: Ends, version: int, listening: socket.socket) -> tuple[Seen, Seen]:
    """A client connects and sends, the server sends the digest of it all back. What both say of it."""
    said: list[Seen] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(PATIENCE)
            digest, left = hashlib.sha256(), len(BULK)
            while left and (data := connection.recv(1 << 18)):
                digest.update(data)
                left -= len(data)
            said.append(seen(connection))
            connection.sendall(digest.digest() + BULK)

    server = threading.Thread(target=serve)
    server.start()
    try:
        client = inside(ends.client, lambda: socket.socket(FAMILY[version]))
        with client:
            client.settimeout(PATIENCE)
            client.connect((ADDRESS[version], PORT))
            client.sendall(BULK)
            back = b"".join(iter(lambda: client.recv(1 << 18), b""))
            ours = seen(client)
    finally:
        server.join()
    assert back == hashlib.sha256(BULK).digest() + BULK
    return ours, said[0]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("mode", Mode)
def test_a_connection_that_begins_with_a_cookie_is_as_wide_as_another(
    guard: Guard, mode: Mode, version: int
) -> None:
    set_sysctls(guard.ends.server, {"ipv4/tcp_syncookies": "2", "ipv4/tcp_timestamps": "2"})
    guard.configure(Flag.COOKIE_TIMESTAMPS, When.ALWAYS)
    guard.attach(mode)
    with listener(guard.ends, version) as listening:
        client, server = converse(guard.ends, version, listening)
    scale = guard.window_scale()
    assert client.options == server.options == TIMESTAMPS | SACK | SCALE
    assert client.their_scale == server.our_scale == scale
    assert client.our_scale == server.their_scale
    assert guard.count(Reason.TX_SYN_COOKIE) == guard.count(Reason.PASS_PROVEN) == 1
    assert guard.proven() == 1


@pytest.mark.parametrize("timestamps", ["0", "1", "2"])
def test_without_the_flag_every_setting_of_timestamps_works_without_options(
    guard: Guard, timestamps: str
) -> None:
    set_sysctls(guard.ends.server, {"ipv4/tcp_syncookies": "2", "ipv4/tcp_timestamps": timestamps})
    guard.configure(Flag(0), When.ALWAYS)
    guard.attach(Mode.GENERIC)
    with listener(guard.ends, 4) as listening:
        client, server = converse(guard.ends, 4, listening)
    assert client.options == server.options == 0
    assert guard.count(Reason.PASS_PROVEN) == 1


def test_with_secret_offsets_the_kernel_reads_other_options_than_were_sent(guard: Guard) -> None:
    """Why COOKIE_TIMESTAMPS asks for tcp_timestamps=2: should kernels change, the demand can go."""
    set_sysctls(guard.ends.server, {"ipv4/tcp_syncookies": "2", "ipv4/tcp_timestamps": "1"})
    guard.configure(Flag.COOKIE_TIMESTAMPS, When.ALWAYS)
    guard.attach(Mode.GENERIC)
    sources = [f"192.0.2.{host}" for host in range(10, 18)]
    for source in sources:
        inside(guard.ends.client, partial(ip, "address", "add", f"{source}/24", "dev", "client0"))
    misread = 0
    with listener(guard.ends, 4) as listening:
        for source in sources:
            with inside(guard.ends.client, lambda: socket.socket(socket.AF_INET)) as client:
                client.settimeout(PATIENCE)
                client.bind((source, 0))
                client.connect((ADDRESS[4], PORT))
                client.sendall(b"x")
                with listening.accept()[0] as connection:
                    sent, read = seen(client), seen(connection)
                    misread += (sent.options, sent.our_scale) != (read.options, read.their_scale)
    assert misread > 1, "an offset for each pair of addresses, one in 64 of them harmless"


def frame_of_a_syn(ends: Ends, source: bytes, port: int) -> bytes:
    return frame_of(ends, source, f.tcp(port, PORT, options=f.mss(1460)))


def frame_of_an_ack(ends: Ends, source: bytes, port: int) -> bytes:
    return frame_of(ends, source, f.tcp(port, PORT, 16, sequence=1001, acknowledgement=7))


def frame_of(ends: Ends, source: bytes, segment: bytes) -> bytes:
    def hardware(interface: str) -> Callable[[], bytes]:
        def read() -> bytes:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as any_socket:
                any_socket.bind((interface, 0))
                return bytes(any_socket.getsockname()[4])

        return read

    to, of = inside(ends.server, hardware("edge0")), inside(ends.client, hardware("client0"))
    us = socket.inet_aton(ADDRESS[4])
    check = ~ones_complement(source + us + pack("!HH", 6, len(segment)) + segment) & 0xFFFF
    segment = segment[:16] + pack("!H", check) + segment[18:]
    packet = f.ipv4(source, us, 6, segment)
    packet = packet[:10] + pack("!H", ~ones_complement(packet[:20]) & 0xFFFF) + packet[12:]
    return to + of + b"\x08\0" + packet


def test_with_the_default_setting_cookies_begin_when_the_queue_is_full(guard: Guard) -> None:
    set_sysctls(guard.ends.server, {"ipv4/tcp_syncookies": "1", "ipv4/tcp_timestamps": "2"})
    guard.configure(Flag.COOKIE_TIMESTAMPS, When.ALWAYS)
    guard.attach(Mode.GENERIC)
    with ExitStack() as stack:
        listening = stack.enter_context(listener(guard.ends, 4, backlog=16))
        calm = converse(guard.ends, 4, listening)
        assert guard.count(Reason.PASS_SYN_QUEUE) == 1
        assert guard.count(Reason.TX_SYN_COOKIE) == 0
        assert guard.proven() == 1  # its connection proves it

        sender = inside(guard.ends.client, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        stack.enter_context(sender)
        inside(guard.ends.client, lambda: sender.bind(("client0", 0)))
        for number in range(100):
            sender.send(frame_of_a_syn(guard.ends, bytes((203, 0, 113, number)), 1024 + number))
        queued = guard.count(Reason.PASS_SYN_QUEUE) - 1
        assert 16 <= queued <= 20
        assert guard.count(Reason.TX_SYN_COOKIE) == 100 - queued

        assert converse(guard.ends, 4, listening) == calm
    assert guard.count(Reason.PASS_PROVEN) == 1


def test_a_flood_and_a_visitor(guard: Guard) -> None:
    """Calm connections are the kernel's, above the threshold the program answers, and a visitor gets in."""
    set_sysctls(guard.ends.server, {"ipv4/tcp_syncookies": "2", "ipv4/tcp_timestamps": "2"})
    guard.configure(Flag.COOKIE_TIMESTAMPS, When.ABOVE_THRESHOLD)
    config = np.frombuffer(guard.maps["config"].lookup(bytes(4)) or b"", layout.CONFIG).copy()
    config["syn_threshold"], config["hold"] = 50, 60 * 10**9
    guard.maps["config"].update(bytes(4), config.tobytes())
    guard.attach(Mode.GENERIC)
    with ExitStack() as stack:
        listening = stack.enter_context(listener(guard.ends, 4))
        converse(guard.ends, 4, listening)
        assert guard.count(Reason.TX_SYN_COOKIE) == 0
        sender = inside(guard.ends.client, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        stack.enter_context(sender)
        inside(guard.ends.client, lambda: sender.bind(("client0", 0)))
        frame = frame_of_a_syn(guard.ends, socket.inet_aton("203.0.113.1"), 1024)
        for _ in range(100_000):
            sender.send(frame)
            if guard_is_active(guard):
                break
        converse(guard.ends, 4, listening)
    assert guard.count(Reason.TX_SYN_COOKIE) >= 1
    assert guard.count(Reason.PASS_PROVEN) == 1


def test_a_flood_of_acks_and_a_visitor(guard: Guard) -> None:
    """What belongs to no connection: the kernel resets it while it is little, much of it is dropped."""
    guard.configure(Flag(0), When.NEVER)
    config = np.frombuffer(guard.maps["config"].lookup(bytes(4)) or b"", layout.CONFIG).copy()
    config["ack_threshold"], config["hold"] = 20, 60 * 10**9
    guard.maps["config"].update(bytes(4), config.tobytes())
    guard.attach(Mode.GENERIC)
    with ExitStack() as stack:
        listening = stack.enter_context(listener(guard.ends, 4))
        converse(guard.ends, 4, listening)
        assert guard.count(Reason.DROP_ACK) == 0
        sender = inside(guard.ends.client, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        stack.enter_context(sender)
        inside(guard.ends.client, lambda: sender.bind(("client0", 0)))
        frame = frame_of_an_ack(guard.ends, socket.inet_aton("203.0.113.1"), 1024)
        for _ in range(100_000):
            sender.send(frame)
            if guard.count(Reason.DROP_ACK):
                break
        dropped = guard.count(Reason.DROP_ACK)
        assert dropped >= 1
        converse(guard.ends, 4, listening)
        assert guard.count(Reason.DROP_ACK) == dropped, "nothing of a connection is dropped"


def guard_is_active(guard: Guard) -> bool:
    (until,) = unpack_from("<Q", guard.maps["meters"].lookup(bytes(4)) or bytes(24), 16)
    return bool(until)
