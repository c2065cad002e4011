"""Which records a signature means, and the shield's rule that means the same packets. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rempart.model.attacks import Action, Layer, Mitigation, Records, Signature, Term
from rempart.model.shield import Bits, Limit, RuleAction, ShieldRule, Span

Flags = NDArray[np.bool_]

_MAPPED = 0xFFFF << 32
_FULL = 2**64 - 1
BITS = ("tcp_flags", "fragment", "traffic_class", "extras")
"""Bytes of the header of which a rule may look at single bits."""
_SPANS = {"source_port": "source_ports", "destination_port": "destination_ports"}


def matching(signature: Signature, records: Records) -> Flags:
    """True for each of ``records`` (``PACKET`` or ``REQUEST``) that the signature means."""
    found: Flags = np.ones(records.size, dtype=bool)
    if signature.layer is Layer.REQUEST:
        if signature.site is not None:
            found &= records["site"] == signature.site
        for term in signature.terms:
            found &= _between(records[term.field], term)
        return found
    for term in signature.terms:
        found &= _packet_term(records, term)
    return found


def _between(numbers: NDArray[Any], term: Term) -> Flags:
    values = numbers if term.mask is None else numbers & numbers.dtype.type(term.mask)
    if term.first == term.last:
        return np.asarray(values == term.first)
    return np.asarray((values >= term.first) & (values <= term.last))


def _packet_term(records: Records, term: Term) -> Flags:
    header = records["header"]
    match term.field:
        case "source" | "destination":
            return _in_network(header, term.field, ip_network(term.text or ""))
        case "qname":
            wanted = (term.text or "").encode()
            names = records["qname"]
            asked = (header["protocol"] == 17) & (header["destination_port"] == 53)
            return np.asarray(asked & ((names == wanted) | np.char.endswith(names, b"." + wanted)))
        case "options":
            return np.asarray(records["options"] == bytes.fromhex(term.text or ""))
        case "payload":
            octets = bytes.fromhex(term.text or "")
            shift = np.uint64(64 - 8 * len(octets))
            return np.asarray((header["payload"].astype(np.uint64) >> shift) == int.from_bytes(octets, "big"))
        case "icmp_type":
            return np.asarray((header["source_port"].astype(np.uint16) >> np.uint16(8)) == term.first)
    return _between(header[term.field], term)


def _in_network(header: Records, side: str, network: IPv4Network | IPv6Network) -> Flags:
    if isinstance(network, IPv4Network):
        number, mask = _MAPPED | int(network.network_address), (_MAPPED | int(network.netmask))
        high = 0
        full_high = _FULL
    else:
        number, mask = int(network.network_address) & _FULL, int(network.netmask) & _FULL
        high, full_high = int(network.network_address) >> 64, int(network.netmask) >> 64
    highs, lows = header[f"{side}_high"].astype(np.uint64), header[f"{side}_low"].astype(np.uint64)
    return np.asarray(
        ((highs & np.uint64(full_high)) == np.uint64(high)) & ((lows & np.uint64(mask)) == np.uint64(number))
    )


def shield_rule(mitigation: Mitigation) -> ShieldRule | None:
    """The rule of the shield that means exactly what the mitigation's signature means.

    None when the action is none that a rule can take (challenge and queue are other measures).
    """
    signature = mitigation.signature
    if signature.layer is not Layer.PACKET or mitigation.action not in (Action.DROP, Action.LIMIT):
        return None
    fields: dict[str, Any] = {}
    for term in signature.terms:
        fields |= _rule_field(term)
    limited = mitigation.action is Action.LIMIT
    per_second = mitigation.per_second or 1.0
    return ShieldRule(
        id=mitigation.id,
        action=RuleAction.LIMIT if limited else RuleAction.DROP,
        note=mitigation.cause[:200],
        limit=Limit(per_second=per_second, burst=max(1.0, per_second / 10)) if limited else None,
        **fields,
    )


def _rule_field(term: Term) -> dict[str, Any]:
    match term.field:
        case "source" | "destination":
            return {term.field: ip_network(term.text or "")}
        case "qname":
            # A rule's qname stands for a question to port 53 (docs/shield.md, step 1).
            return {"qname": term.text}
        case "options":
            return {"tcp_options": tuple(bytes.fromhex(term.text or ""))}
        case "payload":
            return {"payload": bytes.fromhex(term.text or "")}
        case "family" | "protocol" | "tcp_offset" | "icmp_type":
            return {term.field: term.first}
    if term.field in BITS:
        mask = 0xFF if term.mask is None else term.mask
        return {term.field: Bits(mask=mask, value=term.first)}
    return {_SPANS.get(term.field, term.field): Span(first=term.first, last=term.last)}


def labels(signature: Signature) -> int | None:
    """How many labels of a name the signature looks at; rules of one set must agree."""
    return next(
        (one.text.count(".") + 1 for one in signature.terms if one.field == "qname" and one.text), None
    )
