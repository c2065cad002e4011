"""Step 6: is it to us, and do we serve it?"""

from __future__ import annotations

from rempart.engines.shield.layout import Reason, Served
from rempart.engines.shield.model.parse import ACK, SYN, TCP, UDP
from rempart.engines.shield.model.passage import Passage, flow, service
from rempart.engines.shield.model.tables import Flags

SERVED = int(Served.SERVED)


def ours(p: Passage) -> Reason | None:
    """Step 6, up to what is served."""
    if p.packet.destination not in p.tables.addresses:
        return Reason.PASS_NOT_OURS
    if p.packet.is_fragment:
        return Reason.PASS_FRAGMENT if p.config.flags & Flags.PASS_FRAGMENTS else Reason.DROP_FRAGMENT
    return None


def served(p: Passage) -> Reason | None:
    """Step 6, the rest: services, and answers to ourselves."""
    packet = p.packet
    if packet.is_icmp:
        return None
    if p.config.flags & Flags.ONLY_SERVED and not service(p) & SERVED:
        return Reason.PASS_REPLY if _is_reply(p) else Reason.DROP_NOT_SERVED
    return None if packet.protocol in (TCP, UDP) else Reason.PASS


def _is_reply(p: Passage) -> bool:
    packet, sockets = p.packet, p.tables.sockets
    if packet.protocol == UDP:
        return sockets.has_udp(packet.family, packet.destination, packet.destination_port)
    if packet.protocol != TCP or packet.tcp_flags & (SYN | ACK) == SYN:
        return False
    return sockets.has_flow(flow(packet))
