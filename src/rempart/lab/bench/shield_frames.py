"""Frames for ``rempart bench shield``: many packets of one kind as rows of one array, checksums right. Pure.

A packet is said once (``Body``: all that follows the IP header) and laid out for as many sources as are
given."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rempart.lab.attacks.packets import Frames, folded, ones_complement, put16

Sources = npt.NDArray[np.uint8]
"""Addresses as rows of 4 or 16 octets."""

ETHERNET, IPV4, IPV6 = 14, 20, 40
"""Lengths of headers."""
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
"""Protocol numbers."""
SHORTEST = 60
"""Octets of an Ethernet frame without its check sequence (IEEE 802.3, 3.2.7): shorter ones are padded."""
HOPS = 64
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
"""TCP flags (RFC 9293 section 3.1)."""

LINUX_SYN_OPTIONS = bytes.fromhex("020405b40402080a00a1b2c30000000001030307")
"""MSS 1460, SACK permitted, timestamp, window scale 7: a SYN as Linux sends it."""

_IPV4, _IPV6 = 0x0800, 0x86DD
_DONT_FRAGMENT = 0x4000


@dataclass(frozen=True, slots=True)
class Body:
    """All that follows the IP header."""

    protocol: int
    octets: bytes
    """With a checksum of zero."""
    checksum_at: int
    """Where in it the checksum stands (over pseudo-header and body; ICMP over IPv4: over the body alone)."""
    ports_at: int | None = None
    """Where a source port stands that each packet may have of its own."""


def tcp(source: int, destination: int, flags: int, *, options: bytes = b"", window: int = 64_240) -> Body:
    """A segment without data."""
    offset = (20 + len(options)) // 4
    number, acknowledged = 0x1A2B3C4D, 0x51627384 if flags & ACK else 0
    header = struct.pack(
        "!HHIIBBHHH", source, destination, number, acknowledged, offset << 4, flags, window, 0, 0
    )
    return Body(TCP, header + options, 16, 0)


def udp(source: int, destination: int, payload: bytes) -> Body:
    return Body(UDP, struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload, 6, 0)


def echo(*, v6: bool) -> Body:
    """An echo request with 56 octets, as ``ping`` sends it."""
    return Body(ICMPV6 if v6 else ICMP, bytes([128 if v6 else 8, 0, 0, 0, 0, 7, 0, 1]) + bytes(range(56)), 2)


def query(name: str, *, options: bytes = b"") -> bytes:
    """A DNS question for the A records of a name, with EDNS (RFC 6891) and its ``options``."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack("!HHHHHH", 0x5A5A, 0x0100, 1, 0, 0, 1)
    edns = struct.pack("!BHHIH", 0, 41, 1232, 0, len(options))
    return header + labels + b"\0" + struct.pack("!HH", 1, 1) + edns + options


def frames(
    body: Body,
    sources: Sources,
    destination: bytes,
    *,
    hardware: bytes = bytes(12),
    source_ports: npt.NDArray[np.uint32] | None = None,
) -> Frames:
    """A frame for each source. ``hardware``: Ethernet's destination and source."""
    count, size = sources.shape
    v6 = size == 16
    header, kind = (_ipv6(body, destination), _IPV6) if v6 else (_ipv4(body, destination), _IPV4)
    frame = hardware + struct.pack("!H", kind) + header + body.octets
    made = np.zeros((count, max(SHORTEST, len(frame))), np.uint8)
    made[:, : len(frame)] = np.frombuffer(frame, np.uint8)
    begin = ETHERNET + len(header)
    addresses = ETHERNET + (8 if v6 else 12)
    made[:, addresses : addresses + size] = sources
    if source_ports is not None and body.ports_at is not None:
        put16(made, begin + body.ports_at, source_ports)
    if not v6:
        put16(made, ETHERNET + 10, folded(ones_complement(made, ETHERNET, begin)))
    _sum(made, body, begin, begin if body.protocol == ICMP else addresses)
    return made


def _sum(made: Frames, body: Body, begin: int, covered: int) -> None:
    end = begin + len(body.octets)
    sums = ones_complement(made, covered, begin) if covered < begin else np.zeros(len(made), np.uint32)
    if covered < begin:
        sums = sums + np.uint32(body.protocol + end - begin)
    # An odd last octet counts as if a zero followed; what follows is padding, or is added here.
    even = end - (end - begin) % 2
    sums = sums + ones_complement(made, begin, even)
    if even != end:
        sums = sums + (made[:, even].astype(np.uint32) << 8)
    values = folded(sums.astype(np.uint32))
    if body.protocol == UDP:
        # A sum of zero would say that there is none (RFC 768).
        values[values == 0] = 0xFFFF
    put16(made, begin + body.checksum_at, values)


def _ipv4(body: Body, destination: bytes) -> bytes:
    length = IPV4 + len(body.octets)
    return struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        length,
        0x1234,
        _DONT_FRAGMENT,
        HOPS,
        body.protocol,
        0,
        bytes(4),
        destination,
    )


def _ipv6(body: Body, destination: bytes) -> bytes:
    return struct.pack("!IHBB16s16s", 6 << 28, len(body.octets), body.protocol, HOPS, bytes(16), destination)
