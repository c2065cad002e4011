"""Step 1: from a frame to what is known of it. Follows docs/shield.md, "Parse", sentence by sentence."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from rempart.engines.shield.layout import Reason
from rempart.engines.shield.model.tables import MAPPED

IPV4, IPV6, VLAN, SERVICE_VLAN = 0x0800, 0x86DD, 0x8100, 0x88A8
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS = 0, 43, 44, 51, 60
EXTENSIONS = frozenset((HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS))
MOST_EXTENSIONS = 6
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
NOT_TOGETHER = (SYN | FIN, SYN | RST, FIN | RST)

_IPV4 = Struct("!BBHxxHBB2x4s4s")
_IPV6 = Struct("!IHBB16s16s")
_TCP = Struct("!HH8xBBH")
_UDP = Struct("!HHH")
_NOWHERE = bytes(16)


class FragmentBits:
    """Byte 3 of the vector."""

    DONT = 1
    MORE = 2
    LATER = 4


class Extras:
    """Byte 14 of the vector."""

    IPV4_OPTIONS = 1
    IPV6_EXTENSIONS = 2
    ONE_TAG = 4
    TWO_TAGS = 8


@dataclass(slots=True)
class Packet:
    """What was read of a frame. With a `fault`, only what came before it; the rest is zero.

    `network`, `transport`, `payload` are where the headers and the payload begin in the frame, `end` is where
    the IP packet ends, `payload_end` where the payload does (a UDP length can be shorter). The source port of
    ICMP is its type and code.
    """

    frame: bytes
    fault: Reason | None = None
    family: int = 0
    protocol: int = 0
    tcp_flags: int = 0
    fragment: int = 0
    source_port: int = 0
    destination_port: int = 0
    length: int = 0
    window: int = 0
    ttl: int = 0
    traffic_class: int = 0
    extras: int = 0
    tcp_offset: int = 0
    source: bytes = _NOWHERE
    destination: bytes = _NOWHERE
    network: int = 0
    transport: int = 0
    payload: int = 0
    payload_end: int = 0
    end: int = 0

    @property
    def is_fragment(self) -> bool:
        """Not whole in this packet."""
        return bool(self.fragment & 6)

    @property
    def is_icmp(self) -> bool:
        """ICMP over IPv4 or ICMPv6 over IPv6."""
        return self.protocol == (ICMP if self.family == 4 else ICMPV6)


def parse(frame: bytes) -> Packet:
    """What a frame is. `fault` is PASS_NOT_IP, or the DROP of the first thing wrong, or None."""
    packet = Packet(frame)
    packet.fault = _ethernet(packet)
    return packet


def _ethernet(packet: Packet) -> Reason | None:
    frame = packet.frame
    if len(frame) < 14:
        return Reason.DROP_ETHERNET
    at, tags = 14, 0
    ether_type = frame[12] << 8 | frame[13]
    while ether_type in (VLAN, SERVICE_VLAN):
        tags += 1
        if tags > 2 or len(frame) < at + 4:
            return Reason.DROP_ETHERNET
        ether_type = frame[at + 2] << 8 | frame[at + 3]
        at += 4
    tag_bits = (0, Extras.ONE_TAG, Extras.TWO_TAGS)[tags]
    packet.network = at
    if ether_type == IPV4:
        return _ipv4(packet, tag_bits)
    if ether_type == IPV6:
        return _ipv6(packet, tag_bits)
    return Reason.PASS_NOT_IP


def _ipv4(packet: Packet, tag_bits: int) -> Reason | None:
    """RFC 791, section 3.1."""
    frame, at = packet.frame, packet.network
    there = len(frame) - at
    if there < 20:
        return Reason.DROP_IP
    version_ihl, tos, total, fragment, ttl, protocol, source, destination = _IPV4.unpack_from(frame, at)
    header = (version_ihl & 15) * 4
    if version_ihl >> 4 != 4 or header < 20 or header > there or total < header or total > there:
        return Reason.DROP_IP
    packet.family, packet.length, packet.ttl, packet.traffic_class = 4, total, ttl, tos
    packet.source, packet.destination, packet.protocol = MAPPED + source, MAPPED + destination, protocol
    packet.fragment = FragmentBits.DONT if fragment & 0x4000 else 0
    packet.fragment |= FragmentBits.MORE if fragment & 0x2000 else 0
    packet.fragment |= FragmentBits.LATER if fragment & 0x1FFF else 0
    packet.extras = tag_bits | (Extras.IPV4_OPTIONS if header > 20 else 0)
    packet.transport, packet.end = at + header, at + total
    return _transport(packet)


def _ipv6(packet: Packet, tag_bits: int) -> Reason | None:
    """RFC 8200, section 3."""
    frame, at = packet.frame, packet.network
    there = len(frame) - at
    if there < 40:
        return Reason.DROP_IP
    first, payload, protocol, hops, source, destination = _IPV6.unpack_from(frame, at)
    if first >> 28 != 6 or 40 + payload > there:
        return Reason.DROP_IP
    packet.family, packet.length, packet.ttl, packet.traffic_class = 6, 40 + payload, hops, first >> 20 & 255
    packet.length = min(packet.length, 65535)
    packet.source, packet.destination, packet.protocol = source, destination, protocol
    packet.extras = tag_bits
    packet.transport, packet.end = at + 40, at + 40 + payload
    if protocol in EXTENSIONS and not _extensions(packet):
        return Reason.DROP_EXTENSION
    return _transport(packet)


def _extensions(packet: Packet) -> bool:
    """Walk IPv6 extension headers (RFC 8200, section 4; AH: RFC 4302); False: something is wrong."""
    frame = packet.frame
    walked, fragmented = 0, False
    while packet.protocol in EXTENSIONS:
        kind, at = packet.protocol, packet.transport
        if walked == MOST_EXTENSIONS or at + 8 > packet.end:
            return False
        length = 8
        if kind == AUTHENTICATION:
            length = (frame[at + 1] + 2) * 4
        elif kind != FRAGMENT:
            length = (frame[at + 1] + 1) * 8
        if at + length > packet.end:
            return False
        if kind == HOP_BY_HOP and walked > 0:
            return False
        if kind == ROUTING and frame[at + 2] == 0:  # RFC 5095
            return False
        if kind == FRAGMENT and fragmented:
            return False
        walked += 1
        packet.protocol = frame[at]
        packet.extras |= Extras.IPV6_EXTENSIONS
        packet.transport = at + length
        if kind == FRAGMENT:
            fragmented = True
            offset = frame[at + 2] << 8 | frame[at + 3]
            packet.fragment = FragmentBits.MORE if offset & 1 else 0
            packet.fragment |= FragmentBits.LATER if offset & 0xFFF8 else 0
            if packet.fragment & FragmentBits.LATER:
                return True
    return True


def _transport(packet: Packet) -> Reason | None:
    if packet.fragment & FragmentBits.LATER:
        return None
    packet.payload = packet.payload_end = packet.end
    if packet.protocol == TCP:
        return _tcp(packet)
    if packet.protocol == UDP:
        return _udp(packet)
    if packet.is_icmp:
        return _icmp(packet)
    return None


def _tcp(packet: Packet) -> Reason | None:
    """RFC 9293, section 3.1."""
    at, there = packet.transport, packet.end - packet.transport
    if there < 20:
        return Reason.DROP_TCP
    fixed = _TCP.unpack_from(packet.frame, at)
    packet.source_port, packet.destination_port, offset, flags, packet.window = fixed
    packet.tcp_offset, packet.tcp_flags = offset >> 4, flags
    header = packet.tcp_offset * 4
    if header < 20 or header > there or packet.source_port == 0 or packet.destination_port == 0:
        return Reason.DROP_TCP
    if any(flags & both == both for both in NOT_TOGETHER):
        return Reason.DROP_TCP_FLAGS
    if not flags & (SYN | RST | ACK):
        return Reason.DROP_TCP_FLAGS
    packet.payload = at + header
    return None


def _udp(packet: Packet) -> Reason | None:
    """RFC 768."""
    at, there = packet.transport, packet.end - packet.transport
    if there < 8:
        return Reason.DROP_UDP
    packet.source_port, packet.destination_port, length = _UDP.unpack_from(packet.frame, at)
    if packet.destination_port == 0 or length < 8 or (length > there and not packet.is_fragment):
        return Reason.DROP_UDP
    packet.payload, packet.payload_end = at + 8, at + min(length, there)
    return None


def _icmp(packet: Packet) -> Reason | None:
    """RFC 792, RFC 4443."""
    at = packet.transport
    if packet.end - at < 8:
        return Reason.DROP_ICMP
    packet.source_port = packet.frame[at] << 8 | packet.frame[at + 1]
    packet.payload = at + 8
    return None
