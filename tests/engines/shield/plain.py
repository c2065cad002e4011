"""One ordinary world, with nothing random in it, and the recorded frames with what becomes of them there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rempart.engines.shield.layout import PROTOCOL_SERVICES, UDP_SERVICES, Reason, RuleAction, When
from rempart.engines.shield.model.tables import (
    MAPPED,
    Config,
    Flags,
    Needs,
    Prefixes,
    Rule,
    RuleSet,
    Sockets,
    Tables,
)

from .worlds import DNS, LISTENED, OURS4, OURS6, UDP_SERVED, WILD, prefix

NOW = 1_000_000_000_000
CONFIG = Config(
    flags=Flags.ON
    | Flags.DROP_MARTIANS
    | Flags.ONLY_SERVED
    | Flags.DNS_COOKIES
    | Flags.HAS_ALLOWED
    | Flags.HAS_BLOCKED_HOSTS4
    | Flags.HAS_BLOCKED6
    | Flags.HAS_BLOCKED_NETS6
    | Flags.COOKIE_TIMESTAMPS,
    syn_cookies=When.ALWAYS,
    sample_mask=0,
    drop_sample_mask=0,
    wall=1_790_000_000,
    dns_cookie_key=bytes(range(16)),
)
SOCKETS = Sockets(
    {
        (4, MAPPED + OURS4[0], LISTENED): True,
        (6, OURS6[0], LISTENED): True,
        (4, None, WILD): True,
        (6, None, WILD): True,
    }
)
MEMCACHED = Rule(
    # UDP (byte 1) from port 11211 (bytes 4 and 5)
    mask=0x00FF0000_FFFF0000 << 448,
    value=0x00110000_2BCB0000 << 448,
    action=RuleAction.DROP,
    slot=5,
    id=99,
)
TABLES = Tables(
    config=CONFIG,
    allowed4=Prefixes.of(32, [(prefix("203.0.113.1/32"), 0)]),
    blocked4=Prefixes.of(32, [(prefix("203.0.113.2/32"), 0), (prefix("203.0.113.1/32"), 0)]),
    blocked6=Prefixes.of(128, [(prefix("2001:db8:bad::/48"), 0), (prefix("2001:db8:2:2::/64"), NOW + 1)]),
    martians4=Prefixes.of(32, [(prefix("10.0.0.0/8"), 1), (prefix("10.1.0.0/16"), 0)]),
    rules=RuleSet((MEMCACHED,), Needs.OPTIONS | Needs.QNAME | Needs.PAYLOAD, 2),
    addresses=frozenset([*(MAPPED + four for four in OURS4), *OURS6]),
    services={
        LISTENED: 1,
        WILD: 1,
        UDP_SERVICES + DNS: 3,
        UDP_SERVICES + UDP_SERVED: 1,
        PROTOCOL_SERVICES + 47: 1,
    },
    sockets=SOCKETS,
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A frame of the corpus."""

    reason: Reason
    what: str
    frame: bytes


def recorded() -> list[Recorded]:
    """The corpus, frames.txt."""
    lines = Path(__file__).with_name("frames.txt").read_text().splitlines()
    parts = [line.split(" | ") for line in lines if line and not line.startswith("#")]
    return [Recorded(Reason[reason], what, bytes.fromhex(frame)) for reason, what, frame in parts]
