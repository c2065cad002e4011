"""What lies in the shield's maps, byte for byte: ``bpf/tables.h`` in Python. Pure.

numpy's structured types, of the C structures' sizes and offsets; a test holds them equal to what the compiler
says. Numbers are in the host's byte order, addresses and what is in a vector in the network's (bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import numpy as np

from rempart.model.packets import ADDRESS as ADDRESS  # its place among the structures is here
from rempart.model.packets import VECTOR as VECTOR

RULES = 64
RULE_SLOTS = 1024
SOURCE_BUCKETS = 1 << 20
PREFIX_BUCKETS = 1 << 18
PROVEN_SOURCES = 1 << 17
BLOCKED_PREFIXES = 2_000_000
BLOCKED_HOSTS = 2_000_000
BLOCKED_NETS4 = 1 << 20
ALLOWED_PREFIXES = 4096
MARTIAN_PREFIXES = 8192
OWN_ADDRESSES = 4096
SNAP = 128
CAPTURE_SNAP = 1536
SAMPLE_NONE = 0xFFFFFFFF
WHERE_HOSTS, WHERE_NETS, WHERE_ANY = 1, 2, 3
WHERE_NETWORKS = 65536
SERVICES = 131072 + 256
UDP_SERVICES = 65536
"""Where UDP ports begin in ``services``; TCP ports begin at 0."""
PROTOCOL_SERVICES = 131072


class Reason(IntEnum):
    """What became of a packet, and why: exactly one for each. ``text`` is for people."""

    PASS_OFF = 0
    PASS_NOT_IP = 1
    PASS_ALLOWED = 2
    PASS_RULE = 3
    PASS_NOT_OURS = 4
    PASS_NEIGHBOUR = 5
    PASS_REPLY = 6
    PASS_PROVEN = 7
    PASS = 8
    PASS_FRAGMENT = 9
    PASS_SYN_QUEUE = 10
    TX_SYN_COOKIE = 16
    TX_DNS_TRUNCATED = 17
    DROP_ETHERNET = 32
    DROP_IP = 33
    DROP_EXTENSION = 34
    DROP_TCP = 35
    DROP_TCP_FLAGS = 36
    DROP_UDP = 37
    DROP_ICMP = 38
    DROP_BLOCKED = 39
    DROP_MARTIAN = 40
    DROP_RULE = 41
    DROP_RULE_LIMIT = 42
    DROP_FRAGMENT = 43
    DROP_NOT_SERVED = 44
    DROP_SOURCE_SYN = 45
    DROP_SOURCE_UDP = 46
    DROP_SOURCE_ICMP = 47
    DROP_PREFIX_SYN = 48
    DROP_PREFIX_UDP = 49
    DROP_PREFIX_ICMP = 50
    DROP_SYN_OPTIONS = 51
    DROP_ACK = 53
    DROP_DNS_MALFORMED = 54
    DROP_DNS_RESPONSE = 55
    DROP_DNS_OPCODE = 56
    DROP_DNS_LIMIT = 57

    @property
    def verdict(self) -> Verdict:
        """What XDP is told for it."""
        if self >= Reason.DROP_ETHERNET:
            return Verdict.DROP
        return Verdict.PASS if self < Reason.TX_SYN_COOKIE else Verdict.TX

    @property
    def text(self) -> str:
        """In a few words."""
        return _TEXTS[self]


REASONS = 64


class Verdict(IntEnum):
    """enum xdp_action, as far as the program uses it."""

    DROP = 1
    PASS = 2
    TX = 3


_TEXTS: Mapping[Reason, str] = {
    Reason.PASS_OFF: "the shield is switched off",
    Reason.PASS_NOT_IP: "neither IPv4 nor IPv6",
    Reason.PASS_ALLOWED: "on the allow list",
    Reason.PASS_RULE: "a rule lets it pass",
    Reason.PASS_NOT_OURS: "not to an address of ours",
    Reason.PASS_NEIGHBOUR: "IPv6 neighbour discovery",
    Reason.PASS_REPLY: "an answer to a socket of ours",
    Reason.PASS_PROVEN: "brought a valid SYN cookie back",
    Reason.PASS: "nothing spoke against it",
    Reason.PASS_FRAGMENT: "a fragment; they are let through",
    Reason.PASS_SYN_QUEUE: "a SYN that the kernel keeps: the listener's queue has room",
    Reason.TX_SYN_COOKIE: "a SYN, answered with a cookie",
    Reason.TX_DNS_TRUNCATED: "a DNS query, sent to TCP",
    Reason.DROP_ETHERNET: "an Ethernet frame that cannot be",
    Reason.DROP_IP: "an IP header that cannot be",
    Reason.DROP_EXTENSION: "IPv6 extension headers that nobody needs",
    Reason.DROP_TCP: "a TCP header that cannot be",
    Reason.DROP_TCP_FLAGS: "TCP flags that no TCP sends",
    Reason.DROP_UDP: "a UDP header that cannot be",
    Reason.DROP_ICMP: "an ICMP header that cannot be",
    Reason.DROP_BLOCKED: "on the block list",
    Reason.DROP_MARTIAN: "from an address that cannot be its source",
    Reason.DROP_RULE: "a rule drops it",
    Reason.DROP_RULE_LIMIT: "above a rule's limit",
    Reason.DROP_FRAGMENT: "a fragment",
    Reason.DROP_NOT_SERVED: "to a port or protocol that is not served",
    Reason.DROP_SOURCE_SYN: "too many SYNs from its source",
    Reason.DROP_SOURCE_UDP: "too much UDP from its source",
    Reason.DROP_SOURCE_ICMP: "too much ICMP from its source",
    Reason.DROP_PREFIX_SYN: "too many SYNs from its network",
    Reason.DROP_PREFIX_UDP: "too much UDP from its network",
    Reason.DROP_PREFIX_ICMP: "too much ICMP from its network",
    Reason.DROP_SYN_OPTIONS: "a SYN with IP options while cookies are made",
    Reason.DROP_ACK: "an ACK that belongs to no connection",
    Reason.DROP_DNS_MALFORMED: "a DNS query that cannot be",
    Reason.DROP_DNS_RESPONSE: "a DNS answer that nobody asked for",
    Reason.DROP_DNS_OPCODE: "a DNS operation that is not served",
    Reason.DROP_DNS_LIMIT: "too many DNS queries from its network",
}


class RuleAction(IntEnum):
    """enum rule_action."""

    PASS = 0
    DROP = 1
    LIMIT = 2
    SAMPLE = 3


class Ranged(IntFlag):
    """Which ranges of a rule are looked at."""

    LENGTH = 1
    TTL = 2
    SOURCE_PORT = 4
    DESTINATION_PORT = 8
    WINDOW = 16


class Needs(IntFlag):
    """Which costly parts of the vector a rule set looks at."""

    OPTIONS = 1
    QNAME = 2
    PAYLOAD = 4


class LimitClass(IntEnum):
    """enum limit_class."""

    SYN = 0
    UDP = 1
    ICMP = 2
    DNS = 3


LIMIT_CLASSES = 4


class Meter(IntEnum):
    """enum meter."""

    SYN = 0
    DNS = 1
    ACK = 2


METERS = 3


class Flag(IntFlag):
    """``config.flags``."""

    ON = 1
    DROP_MARTIANS = 2
    ONLY_SERVED = 4
    PASS_FRAGMENTS = 8
    DNS_COOKIES = 16
    HAS_ALLOWED = 32
    HAS_BLOCKED4 = 64
    HAS_BLOCKED6 = 128
    CAPTURING = 256
    HAS_BLOCKED_HOSTS4 = 512
    HAS_BLOCKED_NETS6 = 1024
    COOKIE_TIMESTAMPS = 2048


class When(IntEnum):
    """enum when."""

    NEVER = 0
    ABOVE_THRESHOLD = 1
    ALWAYS = 2


class Served(IntFlag):
    """Values of ``services``."""

    SERVED = 1
    DNS = 2


def _structure(*fields: tuple[Any, ...]) -> np.dtype[Any]:
    """A C structure: natural alignment, padding where C puts it."""
    return np.dtype(list(fields), align=True)


COUNT = _structure(("packets", "u8"), ("bytes", "u8"))
PREFIX4 = _structure(("length", "u4"), ("bytes", "u1", 4))
PREFIX6 = _structure(("length", "u4"), ("bytes", "u1", 16))
HOST4 = _structure(("bytes", "u1", 4))
NETWORK6 = _structure(("bytes", "u1", 8))
NET4 = _structure(("bytes", "u1", 3))
WHERE = _structure(("quads", "u1", 64))
LISTED = _structure(("until", "u8"), ("packets", "u8"), ("bytes", "u8"), ("tag", "u4"), ("length", "u4"))
WORD = _structure(("mask", "u8"), ("value", "u8"))
RULE = _structure(
    ("word", WORD, 8),
    ("action", "u1"),
    ("ranged", "u1"),
    ("slot", "u2"),
    ("id", "u4"),
    ("length_min", "u2"),
    ("length_max", "u2"),
    ("source_port_min", "u2"),
    ("source_port_max", "u2"),
    ("destination_port_min", "u2"),
    ("destination_port_max", "u2"),
    ("window_min", "u2"),
    ("window_max", "u2"),
    ("ttl_min", "u1"),
    ("ttl_max", "u1"),
    ("reserved", "u1", 2),
    ("sample_mask", "u4"),
    ("interval", "u8"),
    ("depth", "u8"),
)
RULE_SET = _structure(
    ("count", "u4"), ("generation", "u4"), ("needs", "u4"), ("qname_labels", "u4"), ("rule", RULE, RULES)
)
LIMIT = _structure(("interval", "u8"), ("depth", "u8"))
PROVEN = _structure(("until", "u8"), ("bucket", "u8"))
SOURCE_KEY = _structure(("network", "u8"), ("family", "u8"))
RATE = _structure(("window", "u8"), ("seen", "u8"), ("active_until", "u8"))
CONFIG = _structure(
    ("flags", "u4"),
    ("syn_cookies", "u1"),
    ("dns_challenge", "u1"),
    ("dns_slip", "u1"),
    ("window_scale", "u1"),
    ("mss4", "u2"),
    ("mss6", "u2"),
    ("syn_threshold", "u4"),
    ("dns_threshold", "u4"),
    ("sample_mask", "u4"),
    ("drop_sample_mask", "u4"),
    ("capture_mask", "u4"),
    ("ack_threshold", "u4"),
    ("hold", "u8"),
    ("seed", "u8"),
    ("proven_for", "u8"),
    ("wall", "u8"),
    ("dns_cookie_key", "u8", 2),
    ("source", LIMIT, LIMIT_CLASSES),
    ("prefix", LIMIT, LIMIT_CLASSES),
    ("proven_syn", LIMIT),
)
SAMPLE = _structure(
    ("time", "u8"),
    ("interface", "u4"),
    ("length", "u4"),
    ("captured", "u2"),
    ("verdict", "u1"),
    ("reason", "u1"),
    ("rule", "u4"),
    ("vector", VECTOR),
)

STRUCTURES: Mapping[str, np.dtype[Any]] = {
    "count": COUNT,
    "address": ADDRESS,
    "prefix4": PREFIX4,
    "prefix6": PREFIX6,
    "host4": HOST4,
    "network6": NETWORK6,
    "net4": NET4,
    "where": WHERE,
    "listed": LISTED,
    "vector": VECTOR,
    "rule": RULE,
    "rule_set": RULE_SET,
    "limit": LIMIT,
    "proven": PROVEN,
    "source_key": SOURCE_KEY,
    "rate": RATE,
    "config": CONFIG,
    "sample": SAMPLE,
}
"""By the names that they have in C."""

_MAPPED = bytes(10) + b"\xff\xff"


def address_bytes(address: IPv4Address | IPv6Address) -> bytes:
    """16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2)."""
    return _MAPPED + address.packed if isinstance(address, IPv4Address) else address.packed


def address_of(raw: bytes) -> IPv4Address | IPv6Address:
    """The address of 16 bytes; ::ffff:a.b.c.d is the IPv4 address."""
    return IPv4Address(raw[12:]) if raw[:12] == _MAPPED else IPv6Address(raw)


def prefix_key(network: IPv4Network | IPv6Network) -> bytes:
    """``struct prefix4`` or ``struct prefix6``."""
    return int(network.prefixlen).to_bytes(4, _ORDER) + network.network_address.packed


def prefix_of(key: bytes) -> IPv4Network | IPv6Network:
    """The network of a ``struct prefix4`` or ``struct prefix6``."""
    length = int.from_bytes(key[:4], _ORDER)
    if len(key) == PREFIX4.itemsize:
        return IPv4Network((key[4:], length))
    return IPv6Network((key[4:], length))


_ORDER: Any = "little" if np.little_endian else "big"
