"""Questions to a name server as packets (RFC 1035 section 4): what the floods of them have in common.

Built here rather than by kxdpgun: that one takes its sources from one prefix, says what it sent only in the
end, and waits for no appointed moment; a core sends more questions from here than a name server on a core
answers.
"""

from __future__ import annotations

from collections.abc import Callable

import dns.message
import dns.name
import dns.rdatatype
import numpy as np

from rempart.lab.attacks.contract import Order
from rempart.lab.attacks.ip_frames import UDP, UDP_HEADER, Packet, any_ports, udp
from rempart.lab.attacks.packets import BATCH, Frames, put16

HEADER = 12
"""Octets of a message before its question."""
LARGEST_ANSWER = 1_232


def question(
    order: Order,
    name: str,
    kind: str,
    renew_name: Callable[[Frames, int, np.random.Generator], None] | None = None,
) -> Packet:
    """A question with EDNS, as resolvers ask. ``renew_name`` writes another name of the same length into
    frames whose name begins (with the length of its first label) at the offset given."""
    asked = dns.message.make_query(
        dns.name.from_text(name), dns.rdatatype.from_text(kind), use_edns=0, payload=LARGEST_ANSWER, id=0
    )
    asked.flags = 0  # who asks an authoritative server desires no recursion

    def renew(frames: Frames, at: int, chosen: np.random.Generator) -> None:
        put16(frames, at, any_ports(chosen))
        put16(frames, at + UDP_HEADER, chosen.integers(0, 65_536, BATCH, dtype=np.uint32))
        if renew_name is not None:
            renew_name(frames, at + UDP_HEADER + HEADER, chosen)

    return Packet(UDP, udp(order.target.dns_port, asked.to_wire()), renew, checksum_at=6)
