"""The ``[shield]`` section: what an operator can say about the packet shield. Pure.

Rates are packets a second, as an operator thinks of them; ``engines.shield`` makes nanoseconds of them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from rempart.model.base import Value

INTERFACE_NAME_BYTES = 15
"""IFNAMSIZ - 1, linux/if.h."""
UDP_SERVICES, PROTOCOL_SERVICES = 65_536, 131_072
"""Where UDP ports and other protocols begin in the table of services (bpf/tables.h)."""
_WITH_PORTS = {6: "tcp/PORT", 17: "udp/PORT"}
_ALWAYS = {1: "ICMP", 58: "ICMPv6"}

When = Literal["never", "above", "always"]


def served(text: str) -> str:
    """``tcp/22``, ``udp/51820``, ``protocol/50`` in one spelling; ValueError says what is meant."""
    kind, _, number = text.partition("/")
    kind = kind.lower()
    if kind not in ("tcp", "udp", "protocol") or not re.fullmatch(r"[0-9]{1,5}", number):
        raise ValueError(f"{text!r}: tcp/PORT, udp/PORT or protocol/NUMBER is meant, like tcp/22")
    value = int(number)
    if kind == "protocol":
        if value > 255:
            raise ValueError(f"{text!r}: a protocol's number is 255 at most")
        if value in _WITH_PORTS:
            raise ValueError(f"{text!r}: name its ports instead, as {_WITH_PORTS[value]}")
        if value in _ALWAYS:
            raise ValueError(f"{text!r}: {_ALWAYS[value]} is always served, within its limits")
    elif not 1 <= value <= 65_535:
        raise ValueError(f"{text!r}: a port is 1 to 65535")
    return f"{kind}/{value}"


def service_index(text: str) -> int:
    """The place of a service, as ``served`` spells it, in the table of services."""
    kind, _, number = text.partition("/")
    return {"tcp": 0, "udp": UDP_SERVICES, "protocol": PROTOCOL_SERVICES}[kind] + int(number)


def _prefix(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            loose = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{text!r}: an address or prefix like 203.0.113.0/24 is meant") from None
        raise ValueError(f"{text!r} is an address inside of a prefix: {loose} is the prefix") from None
    if network.prefixlen == 0:
        raise ValueError(f"{text!r}: everybody would be let through; enabled = false says that")
    return str(network)


def _interface(name: str) -> str:
    # As the kernel's dev_valid_name() has it.
    fits = 0 < len(name.encode()) <= INTERFACE_NAME_BYTES and name not in (".", "..")
    if not fits or re.search(r"[/:\s]", name):
        raise ValueError(f"{name!r} cannot be the name of an interface")
    return name


def _enabled(value: object) -> object:
    if value == "auto" or isinstance(value, bool):
        return value
    raise ValueError('"auto", true or false is meant')


def _every(number: int) -> int:
    if number & (number - 1):
        raise ValueError("a power of two is meant, or 0 for none")
    return number


Service = Annotated[str, AfterValidator(served)]
Prefix = Annotated[str, AfterValidator(_prefix)]
InterfaceName = Annotated[str, AfterValidator(_interface)]
Rate = Annotated[int, Field(ge=0, le=100_000_000)]
"""Packets a second; 0: no limit."""
Every = Annotated[int, Field(ge=0, le=2**30), AfterValidator(_every)]
"""One packet in so many; 0: none."""


class ShieldSection(Value):
    """The packet shield: what is dropped or answered before the kernel spends anything on it."""

    enabled: Annotated[Literal["auto"] | bool, BeforeValidator(_enabled)] = "auto"
    """``auto``: when started as root, and there is an interface to guard. ``true``: the same, and not to
    have it is a fault that ``rempart status`` ends with 1 for."""
    interfaces: tuple[InterfaceName, ...] = ()
    """Which ones. Empty: those that hold the addresses of ``edge.listen`` and ``dns.listen``; where one of
    them is every address, those of the default routes. Never ``lo`` unless named here."""
    mode: Literal["auto", "native", "generic"] = "auto"
    """``native``: in the driver, or not at all. ``generic``: in the kernel, after it has made its own
    structure of the packet, with any driver. ``auto``: native where it can be had."""
    at_stop: Literal["detach", "stay"] = "detach"
    """What an orderly end of ``rempart up`` does with it. It always stays when anything is killed, and while
    one supervisor takes over from another."""
    only_served: bool = True
    """Drop what comes to our addresses on ports and protocols that are not served here, unless it is an
    answer to something that this machine asked."""
    also_serves: tuple[Service, ...] = ("tcp/22",)
    """What this machine serves beside Rempart. With ``only_served`` whatever is missing here is cut off: the
    default keeps ssh."""
    allow: tuple[Prefix, ...] = Field(default=(), max_length=1_000)
    """Sources that nothing of the shield is ever applied to."""
    martians: bool = True
    """Drop sources that cannot be real here: special-purpose ranges (RFC 6890), our own addresses."""
    fragments: Literal["drop", "pass"] = "drop"
    """Of packets to us. Neither TCP nor DNS as it is used today needs any."""

    syn_cookies: When = "above"
    """Whether connections must prove that their source is real: when more than ``syn_threshold`` are
    begun."""
    syn_threshold: int = Field(default=2_000, ge=10, le=100_000_000)
    """Begun connections (SYNs) a second, all sources together."""
    ack_threshold: int = Field(default=5_000, ge=10, le=100_000_000)
    """TCP packets a second that belong to no connection, all sources together. Above it they are dropped, but
    for those that end a handshake; below it the kernel answers them with a reset, which tells a client whose
    connection this machine has forgotten."""
    dns_challenge: When = "above"
    """Whether questions are answered over TCP only, but for sources that have proven to be real: when more
    than ``dns_threshold`` come."""
    dns_threshold: int = Field(default=20_000, ge=10, le=100_000_000)
    """Questions a second, all sources together."""
    dns_slip: int = Field(default=2, ge=0, le=255)
    """Of the questions above ``dns_per_prefix`` every how-many-th is sent to TCP instead of dropped; 0:
    none."""
    hold_seconds: int = Field(default=10, ge=1, le=3_600)
    """How long a measure stays after the rate was last above its threshold."""
    proven_seconds: int = Field(default=600, ge=1, le=86_400)
    """How long a source counts as real after it has proven it."""

    syn_per_source: Rate = 200
    """Begun connections a second from one source (an IPv4 address, an IPv6 /64) …"""
    syn_per_prefix: Rate = 2_000
    """… and from its prefix (/24, /48)."""
    syn_per_proven: Rate = 1_000
    """Instead of the two, for a source that has proven to be real."""
    udp_per_source: Rate = 20_000
    """Packets to UDP services of ``also_serves`` …"""
    udp_per_prefix: Rate = 50_000
    icmp_per_source: Rate = 20
    icmp_per_prefix: Rate = 200
    dns_per_prefix: Rate = 2_000
    """Questions over UDP."""
    burst_seconds: float = Field(default=2.0, ge=0.01, le=60)
    """What may come at once, as seconds of the rate; at least one packet."""

    sample_dropped: Every = 64
    """One in so many dropped or answered packets is looked at closer (``rempart shield top``)."""
    sample_passed: Every = 0
