"""Step 9: what reaches a name server."""

from __future__ import annotations

from rempart.engines.shield.layout import LimitClass, Meter, Reason
from rempart.engines.shield.model import dns
from rempart.engines.shield.model.cookies import dns_is_challenged
from rempart.engines.shield.model.limits import within_prefix
from rempart.engines.shield.model.parse import Extras
from rempart.engines.shield.model.passage import Passage, source_key
from rempart.engines.shield.model.replies import truncated
from rempart.engines.shield.model.tables import Flags


def name_server(p: Passage) -> Reason | None:
    """Step 9: UDP to a DNS service, all that is left."""
    packet, config = p.packet, p.config
    payload = packet.frame[packet.payload : packet.payload_end]
    query = dns.read(payload)
    if isinstance(query, Reason):
        return query
    p.state.meters[Meter.DNS].count(p.now, config.dns_threshold, config.hold)
    known = p.state.proven.get(source_key(packet))
    if (known is not None and p.now < known.until) or _has_cookie(p, payload, query):
        return Reason.PASS
    if dns_is_challenged(p):
        return _sent_to_tcp(p, query) if query.opcode == dns.QUERY else Reason.DROP_DNS_LIMIT
    if within_prefix(p, LimitClass.DNS):
        return Reason.PASS
    over = sum(
        p.state.counters[reason].packets for reason in (Reason.DROP_DNS_LIMIT, Reason.TX_DNS_TRUNCATED)
    )
    slipped = config.dns_slip != 0 and over % config.dns_slip == 0
    return _sent_to_tcp(p, query) if query.opcode == dns.QUERY and slipped else Reason.DROP_DNS_LIMIT


def _has_cookie(p: Passage, payload: bytes, query: dns.Query) -> bool:
    if not p.config.flags & Flags.DNS_COOKIES:
        return False
    cookie = dns.server_cookie(payload, query)
    source = p.packet.source if p.packet.family == 6 else p.packet.source[12:]
    wall = p.config.wall + p.now // 1_000_000_000
    return cookie is not None and dns.cookie_holds(cookie, source, p.config.dns_cookie_key, wall)


def _sent_to_tcp(p: Passage, query: dns.Query) -> Reason:
    if p.packet.extras & (Extras.IPV4_OPTIONS | Extras.IPV6_EXTENSIONS):
        return Reason.DROP_DNS_LIMIT
    p.frame_out = truncated(p.packet, query.question_end)
    return Reason.TX_DNS_TRUNCATED
