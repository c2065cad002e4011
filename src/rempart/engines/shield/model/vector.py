"""The normalised header vector: 64 bytes that rules look at (`struct vector` in bpf/tables.h)."""

from __future__ import annotations

from struct import Struct

from rempart.engines.shield.model.hashing import fnv1a
from rempart.engines.shield.model.parse import TCP, UDP, FragmentBits, Packet
from rempart.engines.shield.model.tables import Needs, RuleSet

MOST_OPTIONS = 24
MOST_LABELS = 32
MOST_NAME = 255
QNAME_HASHED = 64
DNS_HEADER = 12
DNS_PORT = 53

_VECTOR = Struct("!BBBBHHHHBBBBII8s16s16s")
_NO_PAYLOAD = bytes(8)


def vector(packet: Packet, rules: RuleSet | None = None) -> bytes:
    """The 64 bytes of a packet, with the costly fields that a rule set needs."""
    digest, qname, payload = 0, 0, _NO_PAYLOAD
    if rules is not None and rules.needs and packet.fault is None:
        first = not packet.fragment & FragmentBits.LATER
        frame, at, end = packet.frame, packet.payload, packet.payload_end
        if rules.needs & Needs.OPTIONS and first and packet.protocol == TCP:
            digest = options_digest(frame[packet.transport + 20 : at])
        if rules.needs & Needs.PAYLOAD and first and (packet.protocol in (TCP, UDP) or packet.is_icmp):
            payload = frame[at : min(at + 8, end)].ljust(8, b"\0")
        if (
            rules.needs & Needs.QNAME
            and first
            and packet.protocol == UDP
            and packet.destination_port == DNS_PORT
        ):
            qname = qname_hash(frame[at:end], rules.qname_labels)
    return _VECTOR.pack(
        packet.family,
        packet.protocol,
        packet.tcp_flags,
        packet.fragment,
        packet.source_port,
        packet.destination_port,
        packet.length,
        packet.window,
        packet.ttl,
        packet.traffic_class,
        packet.extras,
        packet.tcp_offset,
        digest,
        qname,
        payload,
        packet.source,
        packet.destination,
    )


def options_digest(options: bytes) -> int:
    """FNV-1a of the kinds of TCP options in their order; 0 when there are none at all."""
    if not options:
        return 0
    kinds = bytearray()
    at = 0
    for _ in range(MOST_OPTIONS):
        if at >= len(options) or options[at] == 0:
            break
        kinds.append(options[at])
        if options[at] == 1:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            kinds.append(0xFF)
            break
        at += length
    return fnv1a(bytes(kinds))


def qname_hash(payload: bytes, labels: int) -> int:
    """FNV-1a of the last `labels` labels of a question's name in wire form, lower case; 0: there is none."""
    if len(payload) < DNS_HEADER + 1:
        return 0
    starts: list[int] = []
    at = DNS_HEADER
    while True:
        if at >= len(payload):
            return 0
        size = payload[at]
        if size == 0:
            break
        if size > 63 or len(starts) == MOST_LABELS:
            return 0
        starts.append(at)
        at += 1 + size
    if at + 1 - DNS_HEADER > MOST_NAME:
        return 0
    kept = starts[-labels:]
    suffix = payload[kept[0] : at] if kept else b""
    return fnv1a(bytes(byte + 32 if 65 <= byte <= 90 else byte for byte in suffix[-QNAME_HASHED:]))
