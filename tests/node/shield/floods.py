"""Frames sent into a guarded machine from the far end of its cable: people's datagrams, and a flood among
them."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator

from rempart.lab.network.inside import inside
from tests.engines.shield.frames import ipv4, raw, udp
from tests.node.shield.ground import HERE_V4, INTERFACE, Ground

PORT = 5555
"""A UDP service of the guarded machine's."""
SLICE = 0.01


def people(chance: random.Random) -> bytes:
    """A datagram of one of four thousand clients, no two alike."""
    source = bytes((20, 7, chance.randrange(16), chance.randrange(1, 251)))
    payload = chance.randbytes(chance.choice([20, 48, 90, 200, 333, chance.randrange(30, 500)]))
    ttl = chance.choice([64, 128, 255]) - chance.randrange(3, 25)
    message = udp(chance.randrange(1_024, 65_536), PORT, payload)
    return ipv4(source, raw(HERE_V4), 17, message, ttl=ttl, fragment=chance.choice([0, 0x4000]))


def flood(chance: random.Random) -> bytes:
    """A datagram of a tool that nobody has ever heard of: from anywhere, all of one length and TTL."""
    source = bytes((chance.randrange(21, 90), *chance.randbytes(3)))
    message = udp(chance.randrange(1_024, 65_536), PORT, chance.randbytes(133))
    return ipv4(source, raw(HERE_V4), 17, message, ttl=77, fragment=0x4000)


@contextlib.contextmanager
def sending(place: Ground, make: Callable[[random.Random], bytes], rate: int) -> Iterator[Callable[[], int]]:
    """So many frames a second while the block runs, as far as this machine can; yields how many were sent."""
    chance = random.Random(7)
    here = _mac(place)
    frames = [here + bytes(6) + b"\x08\x00" + make(chance) for _ in range(8_000)]
    sock = inside(place.far.namespace, _packet_socket)
    ended, sent = threading.Event(), [0]

    def send() -> None:
        began, endless = time.monotonic(), itertools.cycle(frames)
        while not ended.wait(SLICE):
            for frame in itertools.islice(endless, int((time.monotonic() - began) * rate) - sent[0]):
                with contextlib.suppress(OSError):  # a full queue: what was not sent was not sent
                    sock.send(frame)
                sent[0] += 1

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield lambda: sent[0]
    finally:
        ended.set()
        thread.join()
        sock.close()


def _packet_socket() -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    made.bind((INTERFACE, 0))
    return made


def _mac(place: Ground) -> bytes:
    words = place.ip("link", "show", "dev", INTERFACE).split()
    return bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))
