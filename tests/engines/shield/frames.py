"""Frames by hand: small functions that put a packet together, right or wrong. Checksums are 0."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from rempart.engines.shield.model.hashing import siphash24
from rempart.engines.shield.model.parse import SYN

OUR_MAC = bytes.fromhex("020000000001")
THEIR_MAC = bytes.fromhex("020000000002")


def raw(address: str) -> bytes:
    """4 or 16 bytes of an address."""
    return ip_address(address).packed


def ethernet(payload: bytes, ether_type: int | None = None, tags: tuple[int, ...] = ()) -> bytes:
    """A frame to us; `tags` are the EtherTypes of VLAN tags. The type is read off an IP payload."""
    if ether_type is None:
        ether_type = 0x86DD if payload[:1] and payload[0] >> 4 == 6 else 0x0800
    types = [*tags, ether_type]
    inner = b"".join(struct.pack("!HH", 0x2001, kind) for kind in types[1:])
    return OUR_MAC + THEIR_MAC + struct.pack("!H", types[0]) + inner + payload


def ipv4(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
    ttl: int = 57,
    tos: int = 0,
    fragment: int = 0x4000,
    total: int | None = None,
) -> bytes:
    """An IPv4 packet; `fragment` is the field with flags and offset; options are filled up to whole words."""
    options += bytes(-len(options) % 4)
    header = 20 + len(options)
    total = header + len(payload) if total is None else total
    head = struct.pack("!BBHHHBBH", 0x40 | header // 4, tos, total, 0x1234, fragment, ttl, protocol, 0)
    return head + source + destination + options + payload


def ipv6(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    *,
    extensions: tuple[tuple[int, bytes], ...] = (),
    hops: int = 57,
    traffic_class: int = 0,
    length: int | None = None,
) -> bytes:
    """An IPv6 packet; `extensions` are kinds and what follows the next-header byte of each."""
    chain = b""
    kinds = [kind for kind, _ in extensions] + [protocol]
    for (_, rest), following in zip(extensions, kinds[1:], strict=True):
        chain += bytes((following,)) + rest
    length = len(chain) + len(payload) if length is None else length
    head = struct.pack("!IHBB", 6 << 28 | traffic_class << 20 | 0xABCDE, length, kinds[0], hops)
    return head + source + destination + chain + payload


def ip(source: bytes, destination: bytes, protocol: int, payload: bytes) -> bytes:
    """IPv4 or IPv6, as long as the addresses are."""
    make = ipv4 if len(source) == 4 else ipv6
    return make(source, destination, protocol, payload)


def fragment_header(offset: int, more: bool) -> tuple[int, bytes]:
    """An IPv6 fragment header; `offset` in units of 8 bytes."""
    return 44, struct.pack("!BHI", 0, offset << 3 | more, 0xC0FFEE)


def tcp(
    source_port: int,
    destination_port: int,
    flags: int = SYN,
    *,
    sequence: int = 1000,
    acknowledgement: int = 0,
    options: bytes = b"",
    payload: bytes = b"",
    window: int = 64240,
    offset: int | None = None,
) -> bytes:
    """A TCP segment; options are filled up to whole words with kind 0."""
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4 if offset is None else offset
    fixed = struct.pack(
        "!HHIIBBHHH",
        source_port,
        destination_port,
        sequence,
        acknowledgement,
        (words & 15) << 4,
        flags,
        window,
        0,
        0,
    )
    return fixed + options + payload


def udp(source_port: int, destination_port: int, payload: bytes = b"", length: int | None = None) -> bytes:
    """A UDP datagram."""
    length = 8 + len(payload) if length is None else length
    return struct.pack("!HHHH", source_port, destination_port, length & 0xFFFF, 0) + payload


def icmp(kind: int, code: int = 0, rest: bytes = bytes(4), payload: bytes = b"ping") -> bytes:
    """ICMP or ICMPv6: type, code, four bytes, payload."""
    return bytes((kind, code, 0, 0)) + rest + payload


def name(text: str) -> bytes:
    """A DNS name in wire form; `.` is the root."""
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def query(
    qname: bytes,
    *,
    kind: int = 1,
    flags: int = 0x0100,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
    rest: bytes = b"",
) -> bytes:
    """A DNS message: header, one question, and what follows."""
    return struct.pack("!HHHHHH", 0xBEEF, flags, *counts) + qname + struct.pack("!HH", kind, 1) + rest


def opt(options: bytes = b"", length: int | None = None) -> bytes:
    """An OPT record (RFC 6891)."""
    length = len(options) if length is None else length
    return b"\0" + struct.pack("!HHIH", 41, 1232, 0, length & 0xFFFF) + options


def edns_option(code: int, value: bytes, length: int | None = None) -> bytes:
    """One EDNS option."""
    return struct.pack("!HH", code, len(value) if length is None else length & 0xFFFF) + value


def cookie(key: bytes, source: bytes, timestamp: int, client: bytes = b"CLIENTCK", version: int = 1) -> bytes:
    """A DNS cookie, both parts, as RFC 9018 makes it."""
    start = client + bytes((version, 0, 0, 0)) + struct.pack("!I", timestamp & 0xFFFFFFFF)
    return start + siphash24(key, start + source)


def mss(size: int) -> bytes:
    """TCP options, one by one."""
    return struct.pack("!BBH", 2, 4, size)


def scale(shift: int) -> bytes:
    return bytes((3, 3, shift))


def timestamp(value: int, echo: int = 0) -> bytes:
    return struct.pack("!BBII", 8, 10, value, echo)


SACK = b"\x04\x02"
NOP = b"\x01"
