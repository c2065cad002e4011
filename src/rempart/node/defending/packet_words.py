"""A signature of packets in words that somebody who knows what a packet is understands. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rempart.model.attacks import Signature, Term

_PROTOCOLS: Mapping[int, str] = {
    1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 41: "IPv6 in IPv4", 47: "GRE",
    50: "ESP", 51: "AH", 58: "ICMPv6", 132: "SCTP",
}  # fmt: skip
_FLAGS = (
    (0x02, "SYN"),
    (0x10, "ACK"),
    (0x01, "FIN"),
    (0x04, "RST"),
    (0x08, "PSH"),
    (0x20, "URG"),
    (0x40, "ECE"),
    (0x80, "CWR"),
)
_FRAGMENT = ((1, "don't-fragment bit"), (2, "more fragments to come"), (4, "later fragment"))
_EXTRAS = ((1, "IP options"), (2, "extension headers"), (4, "VLAN tag"), (8, "two VLAN tags"))
_OPTIONS: Mapping[int, str] = {
    1: "NOP",
    2: "MSS",
    3: "window scale",
    4: "SACK permitted",
    5: "SACK",
    8: "timestamps",
    34: "fast open",
    255: "cut off",
}

_ORDER = (
    "family",
    "protocol",
    "tcp_flags",
    "icmp_type",
    "source",
    "source_port",
    "destination",
    "destination_port",
)
"""What is said first."""


def packet_words(signature: Signature) -> str:
    """``TCP, SYN without ACK, to port 443, window 1024``."""
    ordered = sorted(signature.terms, key=lambda one: _ORDER.index(one.field) if one.field in _ORDER else 99)
    return ", ".join(map(_words, ordered)) or "every packet"


def _words(term: Term) -> str:
    if (special := _SPECIAL.get(term.field)) is not None:
        return special(term)
    name = {"source_port": "from port", "destination_port": "to port", "ttl": "TTL"}.get(
        term.field, term.field.replace("_", " ")
    )
    if term.mask is not None:
        return f"{name} & {term.mask:#x} = {term.first:#x}"
    several = name.replace(" port", " ports") if term.first != term.last else name
    return f"{several} {_span(term)}"


def _span(term: Term) -> str:
    return f"{term.first}" if term.first == term.last else f"{term.first}–{term.last}"


def _bits(names: tuple[tuple[int, str], ...], nothing: str) -> Callable[[Term], str]:
    def words(term: Term) -> str:
        mask = 0xFF if term.mask is None else term.mask
        there = [name for bit, name in names if mask & term.first & bit]
        missing = [name for bit, name in names if mask & ~term.first & bit]
        if mask == 0xFF:
            return " and ".join(there) or nothing
        parts = [" and ".join(there)] * bool(there) + [f"without {' and '.join(missing)}"] * bool(missing)
        return " ".join(parts) or nothing

    return words


def _options(term: Term) -> str:
    kinds = bytes.fromhex(term.text or "")
    return (
        f"TCP options {', '.join(_OPTIONS.get(one, str(one)) for one in kinds)}"
        if kinds
        else "no TCP options"
    )


_SPECIAL: Mapping[str, Callable[[Term], str]] = {
    "protocol": lambda term: _PROTOCOLS.get(term.first, f"protocol {term.first}"),
    "family": lambda term: f"IPv{term.first}",
    "tcp_flags": _bits(_FLAGS, "no TCP flags"),
    "fragment": _bits(_FRAGMENT, "no don't-fragment bit"),
    "extras": _bits(_EXTRAS, "plain IP header"),
    "options": _options,
    "source": lambda term: f"from {term.text}",
    "destination": lambda term: f"to {term.text}",
    "qname": lambda term: f"asking for names in {term.text}",
    "payload": lambda term: f"payload begins with {term.text}",
    "icmp_type": lambda term: f"ICMP type {term.first}",
    "tcp_offset": lambda term: f"TCP header of {4 * term.first} bytes",
}
