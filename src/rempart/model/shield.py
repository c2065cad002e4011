"""What the packet shield is told to do: limits, measures, rules. Pure.

These are the engine's own terms; ``shield_settings`` is what an operator writes, rules come from the defence
loop.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from rempart.model.base import Value

RULES_MAX = 64
DERIVED = 2**31
"""Numbers of rules from here on are the defence loop's."""
QNAME_LABELS_MAX = 8
PAYLOAD_BYTES = 8
_TCP, _UDP = 6, 17
_PROTOCOLS_WITH_PORTS = (_TCP, _UDP)

Network = IPv4Network | IPv6Network


class When(StrEnum):
    """When a measure is taken that costs honest clients something."""

    NEVER = "never"
    ABOVE = "above"  # its threshold
    ALWAYS = "always"


class Limit(Value):
    """A bucket: so many packets a second, and so many at once after a pause."""

    per_second: float = Field(gt=0, le=1e9)
    burst: float = Field(default=1, ge=1, le=1e9)
    """Packets that may come at once."""


class ClassLimits(Value):
    """Limits of one kind of key; None is no limit."""

    syn: Limit | None = None
    udp: Limit | None = None
    icmp: Limit | None = None
    dns: Limit | None = None


class Thresholds(Value):
    """Packets a second over the whole node above which a measure is taken, and for how long."""

    syn: int = Field(default=2_000, ge=10, le=1_000_000_000)
    dns: int = Field(default=20_000, ge=10, le=1_000_000_000)
    hold_seconds: float = Field(default=10, gt=0, le=86_400)


def _power_of_two(number: int) -> int:
    if number & (number - 1):
        raise ValueError("a power of two is meant, or 0 for none")
    return number


Every = Annotated[int, Field(ge=0, le=2**31), AfterValidator(_power_of_two)]
"""One packet in so many; 0: none."""


class ShieldOrders(Value):
    """Everything about the program's behaviour that is neither a list nor a rule."""

    on: bool = True
    drop_martians: bool = True
    only_served: bool = True
    pass_fragments: bool = False
    syn_cookies: When = When.ABOVE
    cookie_timestamps: bool = False
    """``net.ipv4.tcp_timestamps`` is 2, so that options may travel in a SYN-ACK's timestamp."""
    dns_challenge: When = When.ABOVE
    dns_slip: int = Field(default=2, ge=0, le=255)
    dns_cookie_key: bytes | None = Field(default=None, min_length=16, max_length=16, repr=False)
    """The name server's cookie secret (RFC 9018); without it cookies exempt nobody."""
    window_scale: int = Field(default=7, ge=0, le=14)
    mss4: int = Field(default=1460, ge=536, le=65_495)
    mss6: int = Field(default=1440, ge=1220, le=65_475)
    thresholds: Thresholds = Thresholds()
    proven_seconds: float = Field(default=600, gt=0, le=86_400)
    source: ClassLimits = ClassLimits()
    """Of a source: an IPv4 address, an IPv6 /64."""
    prefix: ClassLimits = ClassLimits()
    """Of a source's prefix: /24, /48."""
    proven_syn: Limit | None = None
    """Of a source that has returned a SYN cookie."""
    sample_passed: Every = 0
    sample_dropped: Every = 64
    capture: Every | None = None
    """One in so many packets is captured with up to 1,536 bytes; None: no capture runs."""


class RuleAction(StrEnum):
    """What a rule does with what it matches."""

    PASS = "pass"  # noqa: S105 - no secret
    DROP = "drop"
    LIMIT = "limit"
    SAMPLE = "sample"


class Bits(Value):
    """A byte of which some bits must have a value."""

    mask: int = Field(ge=0, le=255)
    value: int = Field(ge=0, le=255)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.value & ~self.mask:
            raise ValueError(
                f"value {self.value:#04x} has bits outside of mask {self.mask:#04x}: it never matches"
            )
        return self


class Span(Value):
    """Numbers from ``first`` to ``last``, both included."""

    first: int = Field(ge=0, le=65_535)
    last: int = Field(ge=0, le=65_535)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"{self.first} to {self.last} is empty: the smaller number comes first")
        return self


class ShieldRule(Value):
    """What a packet must be, all of it, and what then happens. What is None or empty is not looked at.

    ``id`` names the rule for ever: counters and buckets stay with it when rules around it change.
    """

    id: int = Field(ge=1, le=2**32 - 1)
    action: RuleAction
    note: str = Field(default="", max_length=200)
    family: int | None = None
    """4 or 6; follows from ``source`` and ``destination``."""
    protocol: int | None = Field(default=None, ge=0, le=255)
    source: Network | None = None
    destination: Network | None = None
    source_ports: Span | None = None
    destination_ports: Span | None = None
    icmp_type: int | None = Field(default=None, ge=0, le=255)
    length: Span | None = None
    """Of the IP packet with its header."""
    ttl: Span | None = None
    window: Span | None = None
    tcp_flags: Bits | None = None
    fragment: Bits | None = None
    traffic_class: Bits | None = None
    extras: Bits | None = None
    tcp_offset: int | None = Field(default=None, ge=5, le=15)
    tcp_options: tuple[Annotated[int, Field(ge=0, le=255)], ...] | None = Field(default=None, max_length=25)
    """The kinds of TCP options, in order; docs/shield.md, step 1, digest."""
    qname: str | None = None
    """The last labels of a DNS query's name. All rules of a set that have it name equally many labels."""
    payload: bytes = Field(default=b"", max_length=PAYLOAD_BYTES)
    """The first bytes after the transport header."""
    limit: Limit | None = None
    sample_every: Every = 1

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.family not in (None, 4, 6):
            raise ValueError("family is 4 or 6")
        families: set[int] = {one.version for one in (self.source, self.destination) if one is not None}
        families |= {self.family} if self.family else set()
        if len(families) > 1:
            raise ValueError("IPv4 and IPv6 in one rule: it never matches")
        if (self.action == RuleAction.LIMIT) != (self.limit is not None):
            raise ValueError("a limit belongs to the action limit, and to no other")
        if self.action == RuleAction.SAMPLE and not self.sample_every:
            raise ValueError("sample_every 0 samples nothing")
        with_ports = self.protocol in _PROTOCOLS_WITH_PORTS
        if (self.source_ports or self.destination_ports) and not with_ports:
            raise ValueError("ports need protocol 6 (TCP) or 17 (UDP)")
        if self.icmp_type is not None and self.protocol not in (1, 58):
            raise ValueError("icmp_type needs protocol 1 (ICMP) or 58 (ICMPv6)")
        tcp = (self.tcp_flags, self.tcp_offset, self.tcp_options, self.window)
        if any(one is not None for one in tcp) and self.protocol != _TCP:
            raise ValueError("tcp_flags, tcp_offset, tcp_options and window need protocol 6 (TCP)")
        if self.qname is not None:
            if self.protocol != _UDP:
                raise ValueError("qname needs protocol 17 (UDP)")
            labels = self.qname.rstrip(".").split(".")
            if not 1 <= len(labels) <= QNAME_LABELS_MAX or not all(1 <= len(one) <= 63 for one in labels):
                raise ValueError(f"qname is 1 to {QNAME_LABELS_MAX} labels of 1 to 63 characters")
            if not self.qname.isascii():
                raise ValueError("qname is written in A-labels (xn--…)")
        if self.ttl is not None and self.ttl.last > 255:
            raise ValueError("ttl is 255 at most")
        return self
