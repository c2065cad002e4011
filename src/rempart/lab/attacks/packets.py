"""Packets by the hundred thousand from one core: frames built beforehand with numpy, sent with ``sendmmsg``.

A packet socket with ``PACKET_QDISC_BYPASS`` hands each frame straight to the interface. The frames of a
batch are rows of one array; between batches only the fields that change (addresses, ports, numbers,
checksums) are written, for all rows at once. One system call then sends them all.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rempart.lab.attacks.contract import AttackParameters, Order, Sources
from rempart.lab.attacks.reporting import Pacing, Tally

BATCH = 512
"""Frames of one system call."""
BATCHES = 64
"""So many batches take turns, 32,768 different packets."""
REFRESHED = 4
"""One batch in so many is written anew before it is sent: writing costs a tenth of sending."""

_ETH_P_IP, _ETH_P_IPV6 = 0x0800, 0x86DD
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_libc = ctypes.CDLL(None, use_errno=True)

Frames = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint32]


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Header(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p), ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("sent", ctypes.c_uint32),
    ]  # fmt: skip


class Wire:
    """A packet socket on one interface that sends whole batches of equally long frames."""

    def __init__(self, interface: str, frames: Frames) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        self._socket.bind((interface, 0))
        count, length = frames.shape
        self.frame_length = length
        self._frames = frames
        vectors = (_Vector * count)()
        self._headers = (_Header * count)()
        for row in range(count):
            vectors[row].base = frames.ctypes.data + row * frames.strides[0]
            vectors[row].length = length
            self._headers[row].vectors = ctypes.addressof(vectors[row])
            self._headers[row].vector_count = 1
        self._vectors = vectors

    def send(self, count: int) -> int:
        """Send the first ``count`` frames; how many the interface took."""
        taken = 0
        while taken < count:
            done = _libc.sendmmsg(
                self._socket.fileno(), ctypes.byref(self._headers, taken * ctypes.sizeof(_Header)),
                count - taken, 0,
            )  # fmt: skip
            if done <= 0:
                # No room in the socket's buffer: what was taken so far counts, the rest is sent later.
                break
            taken += done
        return taken

    def close(self) -> None:
        self._socket.close()


def ethernet(order: Order, own_mac: str, *, v6: bool = False) -> bytes:
    """The 14 octets before every packet."""
    kind = _ETH_P_IPV6 if v6 else _ETH_P_IP
    return bytes.fromhex(order.gateway_mac.replace(":", "") + own_mac.replace(":", "")) + kind.to_bytes(
        2, "big"
    )


def own_address(interface: str) -> str:
    """Hardware address of an interface of this namespace."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as asked:
        asked.bind((interface, 0))
        return ":".join(f"{octet:02x}" for octet in asked.getsockname()[4])


def source_pool(order: Order, parameters: AttackParameters, chosen: np.random.Generator) -> Numbers | None:
    """The IPv4 sources an attack may use as numbers; None: any at all."""
    if parameters.sources is Sources.SPOOFED:
        return None
    bases = np.array([int(ipaddress.IPv4Network(net)[0]) for net in order.bots.v4], dtype=np.uint32)
    count = min(parameters.source_count, len(bases) * 126)
    picks = chosen.choice(len(bases) * 126, size=count, replace=False).astype(np.uint32)
    return (bases[picks // 126] + 1 + picks % 126).astype(np.uint32)


def any_sources(count: int, chosen: np.random.Generator) -> Numbers:
    """Addresses from 1.0.0.0 up to multicast, loopback left out."""
    numbers = chosen.integers(1 << 24, 224 << 24, size=count, dtype=np.uint32)
    loopback = (numbers >> 24) == 127
    numbers[loopback] += np.uint32(1 << 24)
    return numbers


def put16(frames: Frames, offset: int, values: npt.NDArray[np.unsignedinteger]) -> None:
    """Write a 16-bit field of every frame, in network order."""
    frames[:, offset] = (values >> 8) & 0xFF
    frames[:, offset + 1] = values & 0xFF


def put32(frames: Frames, offset: int, values: Numbers) -> None:
    """Write a 32-bit field of every frame, in network order."""
    frames[:, offset : offset + 4] = values.astype(">u4").view(np.uint8).reshape(-1, 4)


def ones_complement(frames: Frames, begin: int, end: int) -> Numbers:
    """The sum of 16-bit words of every frame between two offsets (an even number of octets), not yet
    folded."""
    words = np.ascontiguousarray(frames[:, begin:end]).view(">u2")
    total: Numbers = words.sum(axis=1, dtype=np.uint32)
    return total


def folded(sums: Numbers) -> Numbers:
    """The Internet checksum (RFC 1071) of sums."""
    sums = (sums & 0xFFFF) + (sums >> 16)
    sums = (sums & 0xFFFF) + (sums >> 16)
    return (~sums & 0xFFFF).astype(np.uint32)


def send_paced(
    order: Order,
    parameters: AttackParameters,
    tally: Tally,
    wires: Sequence[Wire],
    refresh: Callable[[int], None],
) -> None:
    """Send at the ordered rate until the order is over.

    ``wires``: batches of frames that take turns; ``refresh(n)`` writes new contents into the n-th.
    """
    pacing = Pacing(order, parameters.rate, parameters.on_s, parameters.off_s)
    for turn in range(len(wires)):
        refresh(turn)
    turn = 0
    while not pacing.over(now := time.monotonic()):
        tally.maybe_write(now)
        missing = pacing.due(now) - tally.units
        # A few hundred at a time keep the rate even; a single one would cost a system call each.
        if missing < min(BATCH, max(1.0, parameters.rate / 500)):
            time.sleep(0.0005)
            continue
        sent = wires[turn].send(min(missing, BATCH))
        tally.units += sent
        tally.packets += sent
        tally.bytes += sent * wires[turn].frame_length
        turn = (turn + 1) % len(wires)
        if turn % REFRESHED == 0:
            refresh(turn)
