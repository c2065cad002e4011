"""The two frames the shield answers with: the SYN-ACK that carries a cookie, and the truncated DNS answer."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rempart.engines.shield.model.dns import HEADER
from rempart.engines.shield.model.parse import ACK, SYN, TCP, UDP, Packet
from rempart.engines.shield.model.tables import Config, Flags

MOST_OPTIONS = 24
HOPS = 64
DONT_FRAGMENT = 0x4000
WINDOW = 65535
TS_SACK = 1 << 4
TS_NO_SCALE = 15
TS_BITS = 6
LARGEST_SCALE = 14

MSS4 = (536, 1300, 1440, 1460)
"""What a cookie over IPv4 can say about the MSS (Linux, net/ipv4/syncookies.c, msstab)."""
MSS6 = (1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60)
"""The same over IPv6 (net/ipv6/syncookies.c)."""


@dataclass(frozen=True, slots=True)
class SynOptions:
    """What a SYN says in its options. `scale` and `timestamp` (its tsval) are None when it does not."""

    mss: int | None = None
    scale: int | None = None
    sack: bool = False
    timestamp: bytes | None = None


def syn_options(options: bytes, most: int = MOST_OPTIONS) -> SynOptions:
    """Walk so many options (RFC 9293, 3.2; RFC 7323; RFC 2018); of one that comes twice the last holds."""
    mss, scale, sack, timestamp = None, None, False, None
    at = 0
    for _ in range(most):
        if at >= len(options) or options[at] == 0:
            break
        kind = options[at]
        if kind == 1:
            at += 1
            continue
        if at + 2 > len(options) or options[at + 1] < 2 or at + options[at + 1] > len(options):
            break
        length = options[at + 1]
        if (kind, length) == (2, 4):
            mss = (options[at + 2] << 8 | options[at + 3]) or mss
        elif (kind, length) == (3, 3):
            scale = options[at + 2]
        elif (kind, length) == (4, 2):
            sack = True
        elif (kind, length) == (8, 10):
            timestamp = options[at + 2 : at + 6]
        at += length
    return SynOptions(mss, scale, sack, timestamp)


def cookie_origin(cookie: int, sequence: int) -> int:
    """What is left of a cookie without the SYN's sequence number.

    A cookie is a hash of the addresses and the minute, plus the sequence number, plus the index of an MSS
    (Linux, secure_tcp_syn_cookie). So an ACK whose two numbers are wrong by the same is right, and one that
    is wrong by little names another MSS.
    """
    return (cookie - sequence) & 0xFFFFFFFF


def syn_ack(packet: Packet, config: Config, answer: bytes) -> tuple[bytes, int]:
    """The SYN-ACK to a SYN, and the origin of its cookie, with the index of the MSS taken off.

    The cookie and the upper 26 bits of the timestamp are the kernel's: they are taken from `answer`, the
    frame that the program made; everything else is computed here.
    """
    header = 24
    at = packet.network + (20 if packet.family == 4 else 40)
    theirs = answer[at : at + 40].ljust(40, b"\0")
    cookie = int.from_bytes(theirs[4:8], "big")
    options = packet.frame[packet.transport + 20 : packet.payload]
    said = syn_options(options)
    kernel_said = syn_options(options, len(options))
    table = MSS4 if packet.family == 4 else MSS6
    index = max(sum(size <= (kernel_said.mss or 0) for size in table) - 1, 0)
    options = struct.pack("!BBH", 2, 4, config.mss4 if packet.family == 4 else config.mss6)
    if said.timestamp is not None and config.flags & Flags.COOKIE_TIMESTAMPS:
        header = 40
        low = TS_NO_SCALE if said.scale is None else min(said.scale, LARGEST_SCALE)
        low |= TS_SACK if said.sack else 0
        tsval = int.from_bytes(theirs[28:32], "big") >> TS_BITS << TS_BITS | low
        options += b"\x04\x02" if said.sack else b"\x01\x01"
        options += struct.pack("!BBI4s", 8, 10, tsval, said.timestamp)
        options += b"\x01" * 4 if said.scale is None else bytes((1, 3, 3, config.window_scale))
    sequence = int.from_bytes(packet.frame[packet.transport + 4 : packet.transport + 8], "big")
    tcp = struct.pack(
        "!HHIIBBHHH",
        packet.destination_port,
        packet.source_port,
        cookie,
        (sequence + 1) & 0xFFFFFFFF,
        header // 4 << 4,
        SYN | ACK,
        WINDOW,
        0,
        0,
    )
    origin = cookie_origin(cookie, sequence) - index
    return _turned(packet, TCP, tcp + options, 16), origin & 0xFFFFFFFF


def truncated(packet: Packet, question_end: int) -> bytes:
    """The answer to a query that says: ask again over TCP (RFC 1035, 4.1.1, TC)."""
    payload = packet.frame[packet.payload : packet.payload + question_end]
    header = payload[:2] + bytes((0x82 | payload[2] & 1, payload[3] & 0x10)) + b"\0\1" + bytes(6)
    udp = struct.pack("!HHHH", packet.destination_port, packet.source_port, 8 + question_end, 0)
    return _turned(packet, UDP, udp + header + payload[HEADER:], 6)


def _turned(packet: Packet, protocol: int, segment: bytes, checksum_at: int) -> bytes:
    """A whole frame back to where a packet came from, with its checksum at `checksum_at` of the segment."""
    frame = packet.frame
    link = frame[6:12] + frame[0:6] + frame[12 : packet.network]
    source, destination = packet.destination, packet.source
    if packet.family == 4:
        source, destination = source[12:], destination[12:]
        start = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, DONT_FRAGMENT, HOPS, protocol, 0)
        sum_ = checksum(start + source + destination)
        network = start[:10] + sum_.to_bytes(2, "big") + source + destination
    else:
        network = struct.pack("!IHBB", 6 << 28, len(segment), protocol, HOPS) + source + destination
    pseudo = source + destination + struct.pack("!II", len(segment), protocol)
    sum_ = checksum(pseudo + segment)
    if protocol == UDP and sum_ == 0:
        sum_ = 0xFFFF  # 0 says that there is none (RFC 768)
    return link + network + segment[:checksum_at] + sum_.to_bytes(2, "big") + segment[checksum_at + 2 :]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
