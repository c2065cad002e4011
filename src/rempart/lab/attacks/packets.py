"""Packets by the hundred thousand from one core: frames built beforehand with numpy, sent by the kernel.

The frames of a batch are rows of one array; between batches only the fields that change (addresses, ports,
numbers, checksums) are written, for all rows at once. ``live_frames`` then sends them.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rempart.lab.attacks.contract import AttackParameters, Order, Sources
from rempart.lab.attacks.live_frames import LiveFrames
from rempart.lab.attacks.reporting import Pacing, Tally

BATCH = 1_024
"""Frames of one system call, at the most."""
BATCHES = 32
"""So many batches take turns, 32,768 different packets."""
REFRESHED = 4
"""One batch in so many is written anew before it is sent."""

_ETH_P_IP, _ETH_P_IPV6 = 0x0800, 0x86DD

Frames = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Turn:
    """A batch among the frames of its length."""

    frames: LiveFrames
    first: int

    def send(self, count: int) -> int:
        return self.frames.send(self.first, count)


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
    turns: Sequence[Turn],
    refresh: Callable[[int], None],
) -> None:
    """Send at the ordered rate until the order is over.

    ``turns``: batches of frames, one after the other; ``refresh(n)`` writes new contents into the n-th.
    """
    pacing = Pacing(order, parameters.rate, parameters.on_s, parameters.off_s)
    for turn in range(len(turns)):
        refresh(turn)
    turn = 0
    while not pacing.over(now := time.monotonic()):
        tally.maybe_write(now)
        missing = pacing.due(now) - tally.units
        # A few hundred at a time keep the rate even; a single one would cost a system call each.
        if missing < min(BATCH, max(1.0, parameters.rate / 500)):
            time.sleep(0.0005)
            continue
        sent = turns[turn].send(min(missing, BATCH))
        tally.units += sent
        tally.packets += sent
        tally.bytes += sent * turns[turn].frames.frame_length
        turn = (turn + 1) % len(turns)
        if turn % REFRESHED == 0:
            refresh(turn)
