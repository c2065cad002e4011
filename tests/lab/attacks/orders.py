"""Orders and targets for tests of attacks, and parsing that shares nothing with what builds packets."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import Order, Target
from rempart.lab.network.addressing import Prefixes
from rempart.lab.network.world import INTERFACE

TARGET = Target(
    host="www.shop.example", zone="shop.example", v4="203.0.113.10", v6="2001:db8:ed::10", pages=("/",),
    costly_pages=("/search?q={}",), form_page="/comment", large_page="/large",
)  # fmt: skip
BOTS = Prefixes(v4=("198.51.100.0/25", "192.0.2.128/25"), v6=("2600:1:2::/48",))


def order(name: str, folder: Path, **changed: object) -> Order:
    return Order(
        attack=name,
        parameters={**ATTACKS[name].defaults.model_dump(mode="json"), **changed},
        target=TARGET,
        bots=BOTS,
        interface=INTERFACE,
        gateway_mac="02:00:00:00:00:01",
        begin_at=100.0,
        seconds=10.0,
        seed=1,
        folder=folder,
    )


def internet_checksum(octets: bytes) -> int:
    """RFC 1071, one word after the other: written apart from what is tested."""
    total = 0
    octets += b"\x00" * (len(octets) % 2)
    for at in range(0, len(octets), 2):
        total += int.from_bytes(octets[at : at + 2], "big")
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Ip:
    """A packet as who receives it reads it."""

    version: int
    source: str
    to: str
    protocol: int
    body: bytes
    fragment: tuple[int, bool] | None
    """Offset in octets, and whether more follow."""
    number: int
    """Identification, where there is one."""

    @property
    def transport_sum(self) -> int:
        """0 when the checksum over pseudo-header and body is right."""
        ends = ipaddress.ip_address(self.source).packed + ipaddress.ip_address(self.to).packed
        pseudo = ends + len(self.body).to_bytes(4, "big") + bytes((0, 0, 0, self.protocol))
        return internet_checksum(pseudo + self.body)


def parsed(frame: bytes) -> Ip:
    """A frame's packet; AssertionError where it is not whole."""
    if frame[12:14] == b"\x86\xdd":
        head, body = frame[14:54], frame[54:]
        assert head[0] >> 4 == 6
        assert int.from_bytes(head[4:6], "big") == len(body)
        protocol, fragment, number = head[6], None, 0
        if protocol == 44:
            place = int.from_bytes(body[2:4], "big")
            assert body[1] == 0
            assert place & 0x6 == 0
            fragment, number = (place & 0xFFF8, bool(place & 1)), int.from_bytes(body[4:8], "big")
            protocol, body = body[0], body[8:]
        ends = (str(ipaddress.IPv6Address(head[8:24])), str(ipaddress.IPv6Address(head[24:40])))
        return Ip(6, *ends, protocol, body, fragment, number)
    assert frame[12:14] == b"\x08\x00"
    head, body = frame[14:34], frame[34:]
    assert head[0] == 0x45
    assert int.from_bytes(head[2:4], "big") == len(head) + len(body)
    assert internet_checksum(head) == 0
    place = int.from_bytes(head[6:8], "big")
    fragment = ((place & 0x1FFF) * 8, bool(place & 0x2000)) if place & 0x3FFF else None
    ends = (str(ipaddress.IPv4Address(head[12:16])), str(ipaddress.IPv4Address(head[16:20])))
    return Ip(4, *ends, head[9], body, fragment, int.from_bytes(head[4:6], "big"))
