"""Classes of packets: what is counted apart, and what rules of each may look at. Pure."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rempart.model.attacks import Records, Term
from rempart.model.packets import FRAGMENT_LATER, FRAGMENT_MORE

PORTS = 65_536
_TCP, _UDP, _ICMP, _ICMP6, _DNS = 6, 17, 1, 58, 53
_SYN, _ACK = 0x02, 0x10


class PacketClass(IntEnum):
    """Each packet is of one."""

    SYN = 1
    TCP = 2
    UDP = 3
    DNS = 4
    ICMP = 5
    FRAGMENT = 6
    OTHER = 7

    @property
    def kind(self) -> str:
        """What a flood of them is called."""
        return _KINDS[self]


_KINDS = {
    PacketClass.SYN: "syn-flood",
    PacketClass.TCP: "tcp-flood",
    PacketClass.UDP: "udp-flood",
    PacketClass.DNS: "dns-flood",
    PacketClass.ICMP: "icmp-flood",
    PacketClass.FRAGMENT: "fragment-flood",
    PacketClass.OTHER: "ip-flood",
}

_COMMON = ("family", "length", "ttl", "traffic_class", "extras", "source", "destination")
_TCP_FIELDS = (*_COMMON, "fragment", "tcp_flags", "source_port", "destination_port", "window", "tcp_offset")
_UDP_FIELDS = (*_COMMON, "fragment", "source_port", "destination_port", "payload")
FIELDS: dict[PacketClass, tuple[str, ...]] = {
    PacketClass.SYN: (*_TCP_FIELDS, "options"),
    PacketClass.TCP: (*_TCP_FIELDS, "options", "payload"),
    PacketClass.UDP: _UDP_FIELDS,
    PacketClass.DNS: (*_UDP_FIELDS, "qname"),
    PacketClass.ICMP: (*_COMMON, "fragment", "protocol", "icmp_type", "payload"),
    PacketClass.FRAGMENT: (*_COMMON, "fragment", "protocol"),
    PacketClass.OTHER: (*_COMMON, "protocol"),
}
"""What may be looked at in each; a rule that names ports must name TCP or UDP, so fragments have none."""

MEANING: dict[PacketClass, tuple[Term, ...]] = {
    PacketClass.SYN: (
        Term(field="protocol", first=_TCP, last=_TCP),
        Term(field="tcp_flags", first=_SYN, last=_SYN, mask=_SYN | _ACK),
    ),
    PacketClass.TCP: (
        Term(field="protocol", first=_TCP, last=_TCP),
        Term(field="tcp_flags", first=0, last=0, mask=_SYN),
    ),
    PacketClass.UDP: (Term(field="protocol", first=_UDP, last=_UDP),),
    PacketClass.DNS: (
        Term(field="protocol", first=_UDP, last=_UDP),
        Term(field="destination_port", first=_DNS, last=_DNS),
    ),
    PacketClass.ICMP: (),
    PacketClass.FRAGMENT: (),
    PacketClass.OTHER: (),
}
"""The terms that a signature of the class begins with."""


def classes(records: Records) -> NDArray[np.int64]:
    """The class of each of ``records`` (``PACKET``)."""
    header = records["header"]
    protocol, flags = header["protocol"], header["tcp_flags"]
    tcp, udp = protocol == _TCP, protocol == _UDP
    return np.select(
        [
            (header["fragment"] & (FRAGMENT_MORE | FRAGMENT_LATER)) != 0,
            tcp & ((flags & (_SYN | _ACK)) == _SYN),
            tcp,
            udp & (header["destination_port"] == _DNS),
            udp,
            (protocol == _ICMP) | (protocol == _ICMP6),
        ],
        [
            int(one)
            for one in (
                PacketClass.FRAGMENT,
                PacketClass.SYN,
                PacketClass.TCP,
                PacketClass.DNS,
                PacketClass.UDP,
                PacketClass.ICMP,
            )
        ],
        int(PacketClass.OTHER),
    ).astype(np.int64)


def services(records: Records, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keys of services: class and destination port (0 where ports mean nothing)."""
    with_ports = (kinds == PacketClass.SYN) | (kinds == PacketClass.UDP)
    ports = np.where(with_ports, records["header"]["destination_port"].astype(np.int64), 0)
    return kinds * PORTS + ports


def class_of(key: int) -> PacketClass:
    """The class of a service's key."""
    return PacketClass(key // PORTS)
