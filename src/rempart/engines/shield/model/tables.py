"""What the packet shield is told: settings, lists, rules, services, and the sockets there are. All frozen.

These are the oracle's own forms of the tables in bpf/tables.h, made for reading: times in nanoseconds,
addresses as 16 bytes in network order (IPv4: ::ffff:a.b.c.d), masks and values of rules as one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rempart.engines.shield import layout
from rempart.engines.shield.layout import LIMIT_CLASSES, SAMPLE_NONE, RuleAction, When

MAPPED = bytes(10) + b"\xff\xff"
"""What comes before an IPv4 address where both families share a table (RFC 4291, 2.5.5.2)."""


class Flags:
    """The bits of `config.flags`."""

    ON = int(layout.Flag.ON)
    DROP_MARTIANS = int(layout.Flag.DROP_MARTIANS)
    ONLY_SERVED = int(layout.Flag.ONLY_SERVED)
    PASS_FRAGMENTS = int(layout.Flag.PASS_FRAGMENTS)
    DNS_COOKIES = int(layout.Flag.DNS_COOKIES)
    HAS_ALLOWED = int(layout.Flag.HAS_ALLOWED)
    HAS_BLOCKED4 = int(layout.Flag.HAS_BLOCKED4)
    HAS_BLOCKED6 = int(layout.Flag.HAS_BLOCKED6)
    CAPTURING = int(layout.Flag.CAPTURING)
    HAS_BLOCKED_HOSTS4 = int(layout.Flag.HAS_BLOCKED_HOSTS4)
    HAS_BLOCKED_NETS6 = int(layout.Flag.HAS_BLOCKED_NETS6)
    COOKIE_TIMESTAMPS = int(layout.Flag.COOKIE_TIMESTAMPS)


class Needs:
    """The costly fields of the vector that a rule set looks at."""

    OPTIONS = int(layout.Needs.OPTIONS)
    QNAME = int(layout.Needs.QNAME)
    PAYLOAD = int(layout.Needs.PAYLOAD)


class Ranged:
    """Which ranges of a rule are looked at."""

    LENGTH = int(layout.Ranged.LENGTH)
    TTL = int(layout.Ranged.TTL)
    SOURCE_PORT = int(layout.Ranged.SOURCE_PORT)
    DESTINATION_PORT = int(layout.Ranged.DESTINATION_PORT)
    WINDOW = int(layout.Ranged.WINDOW)


@dataclass(frozen=True, slots=True)
class Limit:
    """`interval` ns a packet, and `depth` ns of packets that may come at once. Interval 0 is no limit."""

    interval: int = 0
    depth: int = 0


NO_LIMIT = Limit()
NO_LIMITS = (NO_LIMIT,) * LIMIT_CLASSES
WHOLE16 = (0, 0xFFFF)
WHOLE8 = (0, 0xFF)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: matches when `vector & mask == value` and every range in `ranged` holds (inclusive)."""

    mask: int
    value: int
    action: RuleAction
    slot: int
    id: int
    ranged: int = 0
    length: tuple[int, int] = WHOLE16
    source_port: tuple[int, int] = WHOLE16
    destination_port: tuple[int, int] = WHOLE16
    window: tuple[int, int] = WHOLE16
    ttl: tuple[int, int] = WHOLE8
    sample_mask: int = SAMPLE_NONE
    limit: Limit = NO_LIMIT


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order in which they are asked."""

    rules: tuple[Rule, ...] = ()
    needs: int = 0
    qname_labels: int = 1


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix of one family; `network` is the number of its leading `length` bits."""

    length: int
    network: int


@dataclass(frozen=True, slots=True)
class Prefixes:
    """A table of prefixes of one family (`bits` 32 or 128) → a number: what an LPM trie holds."""

    bits: int
    entries: Mapping[Prefix, int] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()

    @classmethod
    def of(cls, bits: int, entries: Iterable[tuple[Prefix, int]]) -> Prefixes:
        """Of pairs; the last of two for the same prefix holds."""
        table = dict(entries)
        return cls(bits, table, tuple(sorted({prefix.length for prefix in table}, reverse=True)))

    def longest(self, address: bytes, lengths: tuple[int, ...] | None = None) -> tuple[Prefix, int] | None:
        """The longest prefix of an address of 16 bytes, and what stands there; only of some lengths."""
        number = int.from_bytes(address[16 - self.bits // 8 :], "big")
        for length in self.lengths if lengths is None else lengths:
            prefix = Prefix(length, number >> (self.bits - length))
            found = self.entries.get(prefix)
            if found is not None:
                return prefix, found
        return None


NOTHING4 = Prefixes(32)
NOTHING6 = Prefixes(128)


@dataclass(frozen=True, slots=True)
class Sockets:
    """The sockets of the network namespace. A local address of None is the wildcard of the family."""

    listening: Mapping[tuple[int, bytes | None, int], bool] = field(default_factory=dict)
    """(family, address, port) of TCP listeners → whether the kernel makes cookies for it."""
    established: frozenset[tuple[bytes, int, bytes, int]] = frozenset()
    """(remote address, port, local address, port) of connections that stand, which proves their source."""
    ending: frozenset[tuple[bytes, int, bytes, int]] = frozenset()
    """The same of all other TCP sockets that do not listen: half-open, half-closed, in TIME-WAIT."""
    udp: frozenset[tuple[int, bytes | None, int]] = frozenset()

    def listener(self, family: int, address: bytes, port: int) -> bool | None:
        """Whether the listener that a SYN would reach makes cookies; None: there is none."""
        exact = self.listening.get((family, address, port))
        return exact if exact is not None else self.listening.get((family, None, port))

    def has_flow(self, flow: tuple[bytes, int, bytes, int]) -> bool:
        """Whether a TCP socket that does not listen belongs to a packet's addresses and ports."""
        return flow in self.established or flow in self.ending

    def has_udp(self, family: int, address: bytes, port: int) -> bool:
        """Whether a UDP socket would take a datagram to this address and port."""
        return (family, address, port) in self.udp or (family, None, port) in self.udp


@dataclass(frozen=True, slots=True)
class Config:
    """`struct config`; see there for units."""

    flags: int = Flags.ON
    syn_cookies: When = When.NEVER
    dns_challenge: When = When.NEVER
    dns_slip: int = 0
    window_scale: int = 7
    mss4: int = 1460
    mss6: int = 1440
    syn_threshold: int = 0xFFFFFFFF
    dns_threshold: int = 0xFFFFFFFF
    ack_threshold: int = 0xFFFFFFFF
    sample_mask: int = SAMPLE_NONE
    drop_sample_mask: int = SAMPLE_NONE
    capture_mask: int = SAMPLE_NONE
    hold: int = 0
    seed: int = 0
    proven_for: int = 0
    wall: int = 0
    dns_cookie_key: bytes = bytes(16)
    source: tuple[Limit, ...] = NO_LIMITS
    prefix: tuple[Limit, ...] = NO_LIMITS
    proven_syn: Limit = NO_LIMIT


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that decides besides the packet, the time, and what was before."""

    config: Config
    allowed4: Prefixes = NOTHING4
    allowed6: Prefixes = NOTHING6
    blocked4: Prefixes = NOTHING4
    blocked6: Prefixes = NOTHING6
    martians4: Prefixes = NOTHING4
    martians6: Prefixes = NOTHING6
    rules: RuleSet | None = None
    addresses: frozenset[bytes] = frozenset()
    services: Mapping[int, int] = field(default_factory=dict)
    sockets: Sockets = Sockets()
