"""A packet on its way through the steps: what it is, what is known, what it has led to so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from rempart.engines.shield.layout import PROTOCOL_SERVICES, SAMPLE_NONE, UDP_SERVICES, Reason
from rempart.engines.shield.model.decision import Sample
from rempart.engines.shield.model.parse import TCP, UDP, Packet
from rempart.engines.shield.model.state import Proven, SourceKey, State
from rempart.engines.shield.model.tables import Config, Tables


@dataclass(slots=True)
class Passage:
    """One packet on its way. Steps write `vector`, `rule`, `frame_out`, `samples`, and nothing else in here.

    `answer` is what the program made of the frame, `frame_out` what the oracle does (None: as it came).
    """

    tables: Tables
    state: State
    packet: Packet
    vector: bytes
    now: int
    answer: bytes
    interface: int
    rule: int = 0
    frame_out: bytes | None = None
    samples: list[Sample] = field(default_factory=list)

    @property
    def config(self) -> Config:
        return self.tables.config


def service(p: Passage) -> int:
    """What `services` says of the port or protocol; 0 when nothing."""
    packet = p.packet
    if packet.protocol == TCP:
        return p.tables.services.get(packet.destination_port, 0)
    if packet.protocol == UDP:
        return p.tables.services.get(UDP_SERVICES + packet.destination_port, 0)
    return p.tables.services.get(PROTOCOL_SERVICES + packet.protocol, 0)


def flow(packet: Packet) -> tuple[bytes, int, bytes, int]:
    """Addresses and ports as `Sockets` has them: remote first."""
    return packet.source, packet.source_port, packet.destination, packet.destination_port


def source_key(packet: Packet) -> SourceKey:
    """Whom a packet is charged to: an IPv4 address, an IPv6 /64."""
    if packet.family == 4:
        return int.from_bytes(packet.source[12:], "big"), 4
    return int.from_bytes(packet.source[:8], "big"), 6


def prove(p: Passage) -> None:
    """The source receives what is sent to it; one that is known already keeps its bucket."""
    p.state.proven.setdefault(source_key(p.packet), Proven(0)).until = p.now + p.config.proven_for


def is_sampled(n: int, mask: int) -> bool:
    """Whether the n-th packet of its kind is one to be shown."""
    return mask != SAMPLE_NONE and n & mask == 0


def sample(p: Passage, reason: Reason, rule: int, snap: int) -> Sample:
    """The packet as it came, with at most `snap` of its bytes."""
    return Sample(p.now, p.interface, reason, rule, p.vector, p.packet.frame, snap)
