"""Step 7: buckets of sources and prefixes."""

from __future__ import annotations

from rempart.engines.shield.layout import PREFIX_BUCKETS, SOURCE_BUCKETS, LimitClass, Reason, Served
from rempart.engines.shield.model.hashing import bucket_hashes
from rempart.engines.shield.model.parse import ACK, FIN, RST, SYN, TCP, UDP
from rempart.engines.shield.model.passage import Passage, service, source_key
from rempart.engines.shield.model.state import SourceKey, charge_pair, charged
from rempart.engines.shield.model.tables import Limit

SERVED_DNS = int(Served.DNS)
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


def buckets(p: Passage) -> Reason | None:
    """Step 7: a proven source's own bucket for its SYNs, or those of source and prefix."""
    limited = limit_class(p)
    if limited is None:
        return None
    key = source_key(p.packet)
    known = p.state.proven.get(key) if limited is LimitClass.SYN else None
    if known is not None and p.now < known.until:
        bucket = charged(known.bucket, p.config.proven_syn, p.now)
        if bucket is None:
            return Reason.DROP_SOURCE_SYN
        known.bucket = bucket
        return None
    if not _within(p, p.state.source_buckets, SOURCE_BUCKETS, p.config.source[limited], limited, key):
        return SOURCE_OVER[limited]
    if not within_prefix(p, limited):
        return PREFIX_OVER[limited]
    return None if limited is LimitClass.SYN else Reason.PASS


def limit_class(p: Passage) -> LimitClass | None:
    """What a packet to us is limited as; None: it is not, or it is DNS, which step 9 limits."""
    packet = p.packet
    if packet.protocol == TCP:
        return LimitClass.SYN if packet.tcp_flags & (SYN | ACK | RST | FIN) == SYN else None
    if packet.protocol == UDP:
        return None if service(p) & SERVED_DNS else LimitClass.UDP
    return LimitClass.ICMP


def within_prefix(p: Passage, limited: LimitClass) -> bool:
    """Charge the buckets of the source's /24 or /48; False when they are over."""
    network, family = source_key(p.packet)
    unused = 8 if family == 4 else 16
    key = (network >> unused << unused, family + 16)
    return _within(p, p.state.prefix_buckets, PREFIX_BUCKETS, p.config.prefix[limited], limited, key)


def _within(
    p: Passage, buckets: dict[int, int], size: int, limit: Limit, limited: LimitClass, key: SourceKey
) -> bool:
    h1, h2 = bucket_hashes(p.config.seed, limited, *key)
    return charge_pair(buckets, (h1 & (size - 1), h2 & (size - 1)), limit, p.now)
