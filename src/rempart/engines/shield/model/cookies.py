"""Step 8: SYN cookies, and the ACKs that bring them back."""

from __future__ import annotations

from rempart.engines.shield.layout import LimitClass, Meter, Reason, Served, When
from rempart.engines.shield.model.limits import limit_class
from rempart.engines.shield.model.parse import ACK, RST, SYN, TCP, Extras, Packet
from rempart.engines.shield.model.passage import Passage, flow, prove, service
from rempart.engines.shield.model.replies import MSS4, cookie_origin, syn_ack

SERVED = int(Served.SERVED)


def cookies(p: Passage) -> Reason | None:
    """Step 8: what becomes of TCP."""
    if p.packet.protocol != TCP:
        return None
    flags = p.packet.tcp_flags
    meter = p.state.meters[Meter.SYN]
    is_syn = limit_class(p) is LimitClass.SYN
    if is_syn:
        meter.count(p.now, p.config.syn_threshold, p.config.hold)
    made = stands(p.config.syn_cookies, p.now, meter.active_until) or dns_is_challenged(p)
    if is_syn:
        return _answered_syn(p) if made else Reason.PASS
    if flags & ACK and not flags & (SYN | RST):
        return _checked_ack(p, made=made)
    return Reason.PASS


def stands(when: When, now: int, active_until: int) -> bool:
    """Whether a measure is being taken."""
    return when is When.ALWAYS or (when is When.ABOVE_THRESHOLD and now < active_until)


def dns_is_challenged(p: Passage) -> bool:
    """Whether sources that are not proven are sent to TCP (step 9), and so must find cookies there."""
    return stands(p.config.dns_challenge, p.now, p.state.meters[Meter.DNS].active_until)


def _answered_syn(p: Passage) -> Reason:
    packet, sockets = p.packet, p.tables.sockets
    if packet.extras & (Extras.IPV4_OPTIONS | Extras.IPV6_EXTENSIONS):
        return Reason.DROP_SYN_OPTIONS
    if sockets.has_flow(flow(packet)):
        return Reason.PASS
    makes_cookies = sockets.listener(packet.family, packet.destination, packet.destination_port)
    if makes_cookies is None:
        return Reason.PASS
    if not makes_cookies:
        return Reason.PASS_SYN_QUEUE
    p.frame_out, origin = syn_ack(packet, p.config, p.answer)
    p.state.cookies.add((*flow(packet), origin))
    return Reason.TX_SYN_COOKIE


def _checked_ack(p: Passage, *, made: bool) -> Reason:
    packet, sockets = p.packet, p.tables.sockets
    if sockets.has_flow(flow(packet)):
        if made and flow(packet) in sockets.established:
            prove(p)
        return Reason.PASS
    listens = sockets.listener(packet.family, packet.destination, packet.destination_port) is not None
    if not listens and not service(p) & SERVED:
        return Reason.PASS
    meter = p.state.meters[Meter.ACK]
    if not made:
        meter.count(p.now, p.config.ack_threshold, p.config.hold)
        if p.now >= meter.active_until:
            return Reason.PASS
    if not listens:
        return Reason.DROP_ACK
    origin = cookie_origin(_number(packet, 8), _number(packet, 4))
    origins = [(*flow(packet), (origin - index) & 0xFFFFFFFF) for index in range(len(MSS4))]
    if p.state.cookies.isdisjoint(origins):
        return Reason.DROP_ACK
    prove(p)
    return Reason.PASS_PROVEN


def _number(packet: Packet, at: int) -> int:
    """The sequence (4) or acknowledgement (8) number of a TCP header."""
    return int.from_bytes(packet.frame[packet.transport + at : packet.transport + at + 4], "big")
