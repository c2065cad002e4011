"""The packet shield in plain Python: the oracle that the program is held to.

`decide` follows docs/shield.md step by step; each step is a function here that has its number and either ends
with a reason or says None. It is written for being right and read, not for speed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rempart.engines.shield.layout import (
    CAPTURE_SNAP,
    PREFIX_BUCKETS,
    PROTOCOL_SERVICES,
    RULES,
    SAMPLE_NONE,
    SNAP,
    SOURCE_BUCKETS,
    UDP_SERVICES,
    LimitClass,
    Meter,
    Reason,
    RuleAction,
    Served,
    Verdict,
    When,
)
from rempart.engines.shield.model import dns
from rempart.engines.shield.model.decision import Decision, Sample
from rempart.engines.shield.model.hashing import bucket_hashes
from rempart.engines.shield.model.parse import ACK, FIN, RST, SYN, TCP, UDP, Extras, Packet, parse
from rempart.engines.shield.model.replies import MSS4, cookie_origin, syn_ack, truncated
from rempart.engines.shield.model.state import Count, Proven, SourceKey, State, charge_pair, charged
from rempart.engines.shield.model.tables import Config, Flags, Limit, Prefix, Prefixes, Ranged, Rule, Tables
from rempart.engines.shield.model.vector import vector

LOOPBACK = 1
SERVED, SERVED_DNS = int(Served.SERVED), int(Served.DNS)
NEIGHBOUR_DISCOVERY = range(133, 138)
SOURCE_OVER = {
    LimitClass.SYN: Reason.DROP_SOURCE_SYN,
    LimitClass.UDP: Reason.DROP_SOURCE_UDP,
    LimitClass.ICMP: Reason.DROP_SOURCE_ICMP,
}
PREFIX_OVER = {
    LimitClass.SYN: Reason.DROP_PREFIX_SYN,
    LimitClass.UDP: Reason.DROP_PREFIX_UDP,
    LimitClass.ICMP: Reason.DROP_PREFIX_ICMP,
}


@dataclass(slots=True)
class _Passage:
    """One packet on its way through the steps."""

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


def decide(
    tables: Tables, state: State, frame: bytes, now: int, answer: bytes = b"", interface: int = LOOPBACK
) -> Decision:
    """What the shield does with a frame at `now` (ns, monotonic). Changes `state`.

    `answer` is the frame that the program made of it. Only the cookie and the upper bits of the timestamp are
    read from it, and only when the decision here is TX_SYN_COOKIE: the kernel's secret is not ours.
    """
    config = tables.config
    if not config.flags & Flags.ON:
        passage = _Passage(tables, state, Packet(frame), bytes(64), now, answer, interface)
        return _ended(passage, Reason.PASS_OFF)
    packet = parse(frame)
    passage = _Passage(tables, state, packet, vector(packet), now, answer, interface)
    if packet.fault is not None:
        return _ended(passage, packet.fault)
    for step in _STEPS:
        reason = step(passage)
        if reason is not None:
            return _ended(passage, reason)
    raise AssertionError("the last step always ends with a reason")


def _lists(p: _Passage) -> Reason | None:
    """Steps 2 and 3: the allow list, then the block list, then neighbour discovery."""
    tables, four = p.tables, p.packet.family == 4
    allowed, blocked = (tables.allowed4, tables.blocked4) if four else (tables.allowed6, tables.blocked6)
    if p.config.flags & Flags.HAS_ALLOWED and _listed(p, allowed, p.state.allowed):
        return Reason.PASS_ALLOWED
    if _listed(p, blocked, p.state.blocked, _blocked_lengths(p.config.flags, four, blocked.lengths)):
        return Reason.DROP_BLOCKED
    packet = p.packet
    if not four and packet.is_icmp and packet.ttl == 255 and not packet.is_fragment:
        return Reason.PASS_NEIGHBOUR if packet.source_port >> 8 in NEIGHBOUR_DISCOVERY else None
    return None


def _blocked_lengths(flags: int, four: bool, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """The lengths that exist: hosts and networks of one subscriber have a map and a flag of their own."""
    alone = 32 if four else 64
    alone_flag = Flags.HAS_BLOCKED_HOSTS4 if four else Flags.HAS_BLOCKED_NETS6
    others_flag = Flags.HAS_BLOCKED4 if four else Flags.HAS_BLOCKED6
    return tuple(one for one in lengths if flags & (alone_flag if one == alone else others_flag))


def _listed(
    p: _Passage,
    prefixes: Prefixes,
    hits: dict[tuple[int, Prefix], Count],
    lengths: tuple[int, ...] | None = None,
) -> bool:
    found = prefixes.longest(p.packet.source, lengths)
    if found is None:
        return False
    prefix, until = found
    if until != 0 and p.now >= until:
        return False
    hits.setdefault((p.packet.family, prefix), Count()).add(p.packet.frame)
    return True


def _martians(p: _Passage) -> Reason | None:
    """Step 4."""
    if not p.config.flags & Flags.DROP_MARTIANS:
        return None
    packet = p.packet
    found = (p.tables.martians4 if packet.family == 4 else p.tables.martians6).longest(packet.source)
    if (found is not None and found[1] == 1) or packet.source == packet.destination:
        return Reason.DROP_MARTIAN
    return None


def _rules(p: _Passage) -> Reason | None:
    """Step 5."""
    if p.tables.rules is None:
        return None
    p.vector = vector(p.packet, p.tables.rules)
    number = int.from_bytes(p.vector, "big")
    for rule in p.tables.rules.rules[:RULES]:
        if number & rule.mask != rule.value or (rule.ranged and not _in_ranges(rule, p.packet)):
            continue
        matched = p.state.rule_counters.setdefault(rule.slot, Count()).add(p.packet.frame)
        if rule.action is RuleAction.PASS:
            p.rule = rule.id
            return Reason.PASS_RULE
        if rule.action is RuleAction.DROP:
            p.rule = rule.id
            return Reason.DROP_RULE
        if rule.action is RuleAction.LIMIT:
            bucket = charged(p.state.rule_limits.get(rule.slot, 0), rule.limit, p.now)
            if bucket is None:
                p.rule = rule.id
                return Reason.DROP_RULE_LIMIT
            p.state.rule_limits[rule.slot] = bucket
        elif _is_sampled(matched, rule.sample_mask):
            p.samples.append(_sample(p, Reason.PASS, rule.id, SNAP))
    return None


def _in_ranges(rule: Rule, packet: Packet) -> bool:
    return (
        _in(rule, Ranged.LENGTH, rule.length, packet.length)
        and _in(rule, Ranged.TTL, rule.ttl, packet.ttl)
        and _in(rule, Ranged.SOURCE_PORT, rule.source_port, packet.source_port)
        and _in(rule, Ranged.DESTINATION_PORT, rule.destination_port, packet.destination_port)
        and _in(rule, Ranged.WINDOW, rule.window, packet.window)
    )


def _in(rule: Rule, which: int, bounds: tuple[int, int], number: int) -> bool:
    return not rule.ranged & which or bounds[0] <= number <= bounds[1]


def _ours(p: _Passage) -> Reason | None:
    """Step 6, up to what is served."""
    if p.packet.destination not in p.tables.addresses:
        return Reason.PASS_NOT_OURS
    if p.packet.is_fragment:
        return Reason.PASS_FRAGMENT if p.config.flags & Flags.PASS_FRAGMENTS else Reason.DROP_FRAGMENT
    return None


def _served(p: _Passage) -> Reason | None:
    """Step 6, the rest: services, and answers to ourselves."""
    packet = p.packet
    if packet.is_icmp:
        return None
    if p.config.flags & Flags.ONLY_SERVED and not _service(p) & SERVED:
        return Reason.PASS_REPLY if _is_reply(p) else Reason.DROP_NOT_SERVED
    return None if packet.protocol in (TCP, UDP) else Reason.PASS


def _service(p: _Passage) -> int:
    packet = p.packet
    if packet.protocol == TCP:
        return p.tables.services.get(packet.destination_port, 0)
    if packet.protocol == UDP:
        return p.tables.services.get(UDP_SERVICES + packet.destination_port, 0)
    return p.tables.services.get(PROTOCOL_SERVICES + packet.protocol, 0)


def _is_reply(p: _Passage) -> bool:
    packet, sockets = p.packet, p.tables.sockets
    if packet.protocol == UDP:
        return sockets.has_udp(packet.family, packet.destination, packet.destination_port)
    if packet.protocol != TCP or packet.tcp_flags & (SYN | ACK) == SYN:
        return False
    return sockets.has_flow(_flow(packet))


def _flow(packet: Packet) -> tuple[bytes, int, bytes, int]:
    return packet.source, packet.source_port, packet.destination, packet.destination_port


def _buckets(p: _Passage) -> Reason | None:
    """Step 7."""
    limited = _class(p)
    if limited is None:
        return None
    key = _source_key(p.packet)
    known = p.state.proven.get(key) if limited is LimitClass.SYN else None
    if known is not None and p.now < known.until:
        bucket = charged(known.bucket, p.config.proven_syn, p.now)
        if bucket is None:
            return Reason.DROP_SOURCE_SYN
        known.bucket = bucket
        return None
    if not _within(p, p.state.source_buckets, SOURCE_BUCKETS, p.config.source[limited], limited, key):
        return SOURCE_OVER[limited]
    if not _within_prefix(p, limited):
        return PREFIX_OVER[limited]
    return None if limited is LimitClass.SYN else Reason.PASS


def _class(p: _Passage) -> LimitClass | None:
    packet = p.packet
    if packet.protocol == TCP:
        return LimitClass.SYN if packet.tcp_flags & (SYN | ACK | RST | FIN) == SYN else None
    if packet.protocol == UDP:
        return None if _service(p) & SERVED_DNS else LimitClass.UDP
    return LimitClass.ICMP


def _source_key(packet: Packet) -> SourceKey:
    if packet.family == 4:
        return int.from_bytes(packet.source[12:], "big"), 4
    return int.from_bytes(packet.source[:8], "big"), 6


def _within_prefix(p: _Passage, limited: LimitClass) -> bool:
    network, family = _source_key(p.packet)
    unused = 8 if family == 4 else 16
    key = (network >> unused << unused, family + 16)
    return _within(p, p.state.prefix_buckets, PREFIX_BUCKETS, p.config.prefix[limited], limited, key)


def _within(
    p: _Passage, buckets: dict[int, int], size: int, limit: Limit, limited: LimitClass, key: SourceKey
) -> bool:
    h1, h2 = bucket_hashes(p.config.seed, limited, *key)
    return charge_pair(buckets, (h1 & (size - 1), h2 & (size - 1)), limit, p.now)


def _cookies(p: _Passage) -> Reason | None:
    """Step 8: what becomes of TCP."""
    if p.packet.protocol != TCP:
        return None
    flags = p.packet.tcp_flags
    meter = p.state.meters[Meter.SYN]
    is_syn = _class(p) is LimitClass.SYN
    if is_syn:
        meter.count(p.now, p.config.syn_threshold, p.config.hold)
    made = _stands(p.config.syn_cookies, p.now, meter.active_until) or _dns_challenged(p)
    if not made:
        return Reason.PASS
    if is_syn:
        return _answered_syn(p)
    if flags & ACK and not flags & (SYN | RST):
        return _checked_ack(p)
    return Reason.PASS


def _stands(when: When, now: int, active_until: int) -> bool:
    return when is When.ALWAYS or (when is When.ABOVE_THRESHOLD and now < active_until)


def _dns_challenged(p: _Passage) -> bool:
    return _stands(p.config.dns_challenge, p.now, p.state.meters[Meter.DNS].active_until)


def _answered_syn(p: _Passage) -> Reason:
    packet, sockets = p.packet, p.tables.sockets
    if packet.extras & (Extras.IPV4_OPTIONS | Extras.IPV6_EXTENSIONS):
        return Reason.DROP_SYN_OPTIONS
    if sockets.has_flow(_flow(packet)):
        return Reason.PASS
    cookies = sockets.listener(packet.family, packet.destination, packet.destination_port)
    if cookies is None:
        return Reason.PASS
    if not cookies:
        return Reason.PASS_SYN_QUEUE
    p.frame_out, origin = syn_ack(packet, p.config, p.answer)
    p.state.cookies.add((*_flow(packet), origin))
    return Reason.TX_SYN_COOKIE


def _number(packet: Packet, at: int) -> int:
    """The sequence (4) or acknowledgement (8) number of a TCP header."""
    return int.from_bytes(packet.frame[packet.transport + at : packet.transport + at + 4], "big")


def _checked_ack(p: _Passage) -> Reason:
    packet, sockets = p.packet, p.tables.sockets
    if sockets.has_flow(_flow(packet)):
        if _flow(packet) in sockets.established:
            _prove(p)
        return Reason.PASS
    if sockets.listener(packet.family, packet.destination, packet.destination_port) is None:
        return Reason.DROP_ACK if _service(p) & SERVED else Reason.PASS
    origin = cookie_origin(_number(packet, 8), _number(packet, 4))
    origins = [(*_flow(packet), (origin - index) & 0xFFFFFFFF) for index in range(len(MSS4))]
    if p.state.cookies.isdisjoint(origins):
        return Reason.DROP_ACK
    _prove(p)
    return Reason.PASS_PROVEN


def _prove(p: _Passage) -> None:
    p.state.proven.setdefault(_source_key(p.packet), Proven(0)).until = p.now + p.config.proven_for


def _dns(p: _Passage) -> Reason | None:
    """Step 9: UDP to a DNS service, all that is left."""
    packet, config = p.packet, p.config
    payload = packet.frame[packet.payload : packet.payload_end]
    query = dns.read(payload)
    if isinstance(query, Reason):
        return query
    p.state.meters[Meter.DNS].count(p.now, config.dns_threshold, config.hold)
    known = p.state.proven.get(_source_key(packet))
    if (known is not None and p.now < known.until) or _has_cookie(p, payload, query):
        return Reason.PASS
    if _dns_challenged(p):
        return _sent_to_tcp(p, query) if query.opcode == dns.QUERY else Reason.DROP_DNS_LIMIT
    if _within_prefix(p, LimitClass.DNS):
        return Reason.PASS
    over = sum(
        p.state.counters[reason].packets for reason in (Reason.DROP_DNS_LIMIT, Reason.TX_DNS_TRUNCATED)
    )
    slipped = config.dns_slip != 0 and over % config.dns_slip == 0
    return _sent_to_tcp(p, query) if query.opcode == dns.QUERY and slipped else Reason.DROP_DNS_LIMIT


def _has_cookie(p: _Passage, payload: bytes, query: dns.Query) -> bool:
    if not p.config.flags & Flags.DNS_COOKIES:
        return False
    cookie = dns.server_cookie(payload, query)
    source = p.packet.source if p.packet.family == 6 else p.packet.source[12:]
    wall = p.config.wall + p.now // 1_000_000_000
    return cookie is not None and dns.cookie_holds(cookie, source, p.config.dns_cookie_key, wall)


def _sent_to_tcp(p: _Passage, query: dns.Query) -> Reason:
    if p.packet.extras & (Extras.IPV4_OPTIONS | Extras.IPV6_EXTENSIONS):
        return Reason.DROP_DNS_LIMIT
    p.frame_out = truncated(p.packet, query.question_end)
    return Reason.TX_DNS_TRUNCATED


_STEPS = (_lists, _martians, _rules, _ours, _served, _buckets, _cookies, _dns)


def _ended(p: _Passage, reason: Reason) -> Decision:
    """Count, and step 10: samples and captures."""
    config, frame = p.config, p.packet.frame
    n = p.state.counters[reason].add(frame)
    mask = config.sample_mask if reason.verdict is Verdict.PASS else config.drop_sample_mask
    if _is_sampled(n, mask):
        p.samples.append(_sample(p, reason, p.rule, SNAP))
    captured = config.flags & Flags.CAPTURING and _is_sampled(n, config.capture_mask)
    return Decision(
        verdict=reason.verdict,
        reason=reason,
        rule=p.rule,
        vector=p.vector,
        frame_out=frame if p.frame_out is None else p.frame_out,
        samples=tuple(p.samples),
        captures=(_sample(p, reason, p.rule, CAPTURE_SNAP),) if captured else (),
    )


def _is_sampled(n: int, mask: int) -> bool:
    return mask != SAMPLE_NONE and n & mask == 0


def _sample(p: _Passage, reason: Reason, rule: int, snap: int) -> Sample:
    return Sample(p.now, p.interface, reason, rule, p.vector, p.packet.frame, snap)
