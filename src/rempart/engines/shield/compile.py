"""From orders and rules to the bytes that the packet program reads. Pure.

Where it stands: ``tables`` and ``rules`` write the result into the kernel's maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield import layout
from rempart.engines.shield.layout import Flag, LimitClass, Needs, Ranged
from rempart.model.errors import InvalidInput
from rempart.model.shield import Bits, ClassLimits, Limit, RuleAction, ShieldOrders, ShieldRule, Span, When

SECOND = 1_000_000_000
METER_WINDOWS = 10
"""The program counts in windows of 100 ms."""
_FNV_BASIS, _FNV_PRIME = 0x811C9DC5, 0x01000193
_HASHED_NAME_BYTES = 64
_QNAME_AT = 20
"""Where ``qname_hash`` lies in a header vector."""
_PORT_MAX, _LENGTH_MAX, _TTL_MAX = 65_535, 65_535, 255
_WHEN = {
    When.NEVER: layout.When.NEVER,
    When.ABOVE: layout.When.ABOVE_THRESHOLD,
    When.ALWAYS: layout.When.ALWAYS,
}
_ACTIONS = {
    RuleAction.PASS: layout.RuleAction.PASS,
    RuleAction.DROP: layout.RuleAction.DROP,
    RuleAction.LIMIT: layout.RuleAction.LIMIT,
    RuleAction.SAMPLE: layout.RuleAction.SAMPLE,
}

Record = NDArray[Any]


def bucket(limit: Limit | None) -> tuple[int, int]:
    """``interval`` and ``depth`` in nanoseconds; (0, 0) is no limit."""
    if limit is None:
        return 0, 0
    interval = max(1, round(SECOND / limit.per_second))
    return interval, max(interval, round(interval * limit.burst))


def config(orders: ShieldOrders, *, seed: int, wall: int, flags: Flag = Flag(0)) -> Record:  # noqa: B008
    """``struct config`` as one record.

    ``seed`` is of the buckets' hash, ``wall`` the Unix time in seconds at which the monotonic clock was 0,
    ``flags`` those that say which lists have anything in them.
    """
    record = np.zeros((), layout.CONFIG)
    wanted = {
        Flag.ON: orders.on,
        Flag.DROP_MARTIANS: orders.drop_martians,
        Flag.ONLY_SERVED: orders.only_served,
        Flag.PASS_FRAGMENTS: orders.pass_fragments,
        Flag.DNS_COOKIES: orders.dns_cookie_key is not None,
        Flag.CAPTURING: orders.capture is not None,
        Flag.COOKIE_TIMESTAMPS: orders.cookie_timestamps,
    }
    for flag, set_ in wanted.items():
        flags = flags | flag if set_ else flags & ~flag
    record["flags"] = int(flags)
    record["syn_cookies"] = _WHEN[orders.syn_cookies]
    record["dns_challenge"] = _WHEN[orders.dns_challenge]
    record["dns_slip"] = orders.dns_slip
    record["window_scale"] = orders.window_scale
    record["mss4"], record["mss6"] = orders.mss4, orders.mss6
    record["syn_threshold"] = max(1, orders.thresholds.syn // METER_WINDOWS)
    record["dns_threshold"] = max(1, orders.thresholds.dns // METER_WINDOWS)
    record["sample_mask"] = _mask(orders.sample_passed)
    record["drop_sample_mask"] = _mask(orders.sample_dropped)
    record["capture_mask"] = _mask(orders.capture or 0)
    record["hold"] = round(orders.thresholds.hold_seconds * SECOND)
    record["proven_for"] = round(orders.proven_seconds * SECOND)
    record["seed"], record["wall"] = seed, wall
    if orders.dns_cookie_key is not None:
        record["dns_cookie_key"] = np.frombuffer(orders.dns_cookie_key, "<u8")
    for name, limits in (("source", orders.source), ("prefix", orders.prefix)):
        for class_, limit in _by_class(limits).items():
            record[name][class_] = bucket(limit)
    record["proven_syn"] = bucket(orders.proven_syn)
    return record


def rule_set(rules: Sequence[ShieldRule], slots: Mapping[int, int], generation: int) -> Record:
    """``struct rule_set`` as one record, in the order given. ``slots`` has one for every rule's id.

    Raises InvalidInput(field="rules…") when a set cannot hold them, or when they contradict each other.
    """
    if len(rules) > layout.RULES:
        raise InvalidInput(
            f"{len(rules)} rules, and a set holds {layout.RULES}",
            field="rules",
            hint="let one rule match more, or drop those with the fewest hits",
        )
    if len({one.id for one in rules}) != len(rules):
        raise InvalidInput("two rules have the same id", field="rules")
    record = np.zeros((), layout.RULE_SET)
    record["count"], record["generation"] = len(rules), generation
    record["needs"] = int(_needs(rules))
    record["qname_labels"] = _qname_labels(rules)
    for index, one in enumerate(rules):
        record["rule"][index] = rule(one, slots[one.id])
    return record


def extend(record: Record, rules: Sequence[Record], of: Record) -> None:
    """Put compiled rules of another set, ``of``, behind those of ``record``, as far as they fit beside them.

    Where the sets look at names of different lengths, those that look at names are left out.
    """
    here = {int(one["id"]) for one in record["rule"][: int(record["count"])]}
    names = bool(int(record["needs"]) & Needs.QNAME)
    other_names = names and int(record["qname_labels"]) != int(of["qname_labels"])
    for one in rules:
        looks_at_name = bool(one["word"]["mask"].tobytes()[_QNAME_AT : _QNAME_AT + 4].strip(b"\0"))
        full = int(record["count"]) >= layout.RULES
        if full or int(one["id"]) in here or (looks_at_name and other_names):
            continue
        if looks_at_name and not names:
            record["qname_labels"], names = of["qname_labels"], True
        record["rule"][int(record["count"])] = one
        record["count"] += 1
        record["needs"] |= of["needs"]


def rule(given: ShieldRule, slot: int) -> Record:
    """``struct rule`` as one record."""
    record = np.zeros((), layout.RULE)
    mask, value = np.zeros((), layout.VECTOR), np.zeros((), layout.VECTOR)
    ranged = Ranged(0)
    for name, number in _exact(given).items():
        mask[name], value[name] = 0xFF, number
    for name, bits in _bits(given).items():
        mask[name], value[name] = bits.mask, bits.value
    for name, network in (("source", given.source), ("destination", given.destination)):
        if network is not None:
            mask[name]["bytes"], value[name]["bytes"] = _network(network)
    for name, text in _bytes(given).items():
        mask[name][: len(text)] = 0xFF
        value[name][: len(text)] = np.frombuffer(text, np.uint8)
    for name, (span, most, flag) in _spans(given).items():
        if span is None:
            record[f"{name}_max"] = most
            continue
        record[f"{name}_min"], record[f"{name}_max"] = span.first, span.last
        ranged |= flag
    record["word"]["mask"] = np.frombuffer(mask.tobytes(), np.uint64)
    record["word"]["value"] = np.frombuffer(value.tobytes(), np.uint64)
    record["action"], record["ranged"] = _ACTIONS[given.action], int(ranged)
    record["slot"], record["id"] = slot, given.id
    record["sample_mask"] = _mask(given.sample_every)
    record["interval"], record["depth"] = bucket(given.limit)
    return record


def assign_slots(ids: Sequence[int], before: Mapping[int, int]) -> dict[int, int]:
    """A counter and bucket for each rule: its own from before, else one that no rule before had.

    ``before`` are the slots of the set that is active; they are taken again only when the others are used up,
    since packets may still be counted in them.
    """
    slots = {one: before[one] for one in ids if one in before}
    used = set(before.values())
    free = iter(sorted(set(range(layout.RULE_SLOTS)) - used))
    for one in ids:
        if one not in slots:
            slots[one] = next(free)
    return slots


def options_digest(kinds: Sequence[int]) -> bytes:
    """The digest of TCP option kinds in order; network order. No option bytes at all: zero."""
    return _fnv(bytes(kinds)).to_bytes(4, "big") if kinds else bytes(4)


def qname_hash(name: str) -> bytes:
    """The hash of a name's labels as they stand in a query; network order."""
    wire = b"".join(bytes((len(one),)) + one.lower().encode() for one in name.rstrip(".").split("."))
    return _fnv(wire[-_HASHED_NAME_BYTES:]).to_bytes(4, "big")


def _fnv(data: bytes) -> int:
    number = _FNV_BASIS
    for byte in data:
        number = (number ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return number


def _mask(every: int) -> int:
    return every - 1 if every else layout.SAMPLE_NONE


def _by_class(limits: ClassLimits) -> Mapping[LimitClass, Limit | None]:
    return {
        LimitClass.SYN: limits.syn,
        LimitClass.UDP: limits.udp,
        LimitClass.ICMP: limits.icmp,
        LimitClass.DNS: limits.dns,
    }


def _exact(given: ShieldRule) -> Mapping[str, int]:
    networks = [one.version for one in (given.source, given.destination) if one is not None]
    family = given.family or next(iter(networks), None)
    found = {"family": family, "protocol": given.protocol, "tcp_offset": given.tcp_offset}
    return {name: number for name, number in found.items() if number is not None}


def _bits(given: ShieldRule) -> Mapping[str, Bits]:
    found = {
        "tcp_flags": given.tcp_flags,
        "fragment": given.fragment,
        "traffic_class": given.traffic_class,
        "extras": given.extras,
    }
    return {name: bits for name, bits in found.items() if bits is not None}


def _bytes(given: ShieldRule) -> Mapping[str, bytes]:
    found = {"payload": given.payload} if given.payload else {}
    if given.icmp_type is not None:
        found["source_port"] = bytes((given.icmp_type,))
    if given.tcp_options is not None:
        found["options_digest"] = options_digest(given.tcp_options)
    if given.qname is not None:
        found["qname_hash"] = qname_hash(given.qname)
    return found


def _spans(given: ShieldRule) -> Mapping[str, tuple[Span | None, int, Ranged]]:
    return {
        "length": (given.length, _LENGTH_MAX, Ranged.LENGTH),
        "ttl": (given.ttl, _TTL_MAX, Ranged.TTL),
        "source_port": (given.source_ports, _PORT_MAX, Ranged.SOURCE_PORT),
        "destination_port": (given.destination_ports, _PORT_MAX, Ranged.DESTINATION_PORT),
        "window": (given.window, _PORT_MAX, Ranged.WINDOW),
    }


def _network(network: IPv4Network | IPv6Network) -> tuple[Record, Record]:
    if isinstance(network, IPv4Network):
        mask = b"\xff" * 12 + network.netmask.packed
    else:
        mask = network.netmask.packed
    value = layout.address_bytes(network.network_address)
    return np.frombuffer(mask, np.uint8), np.frombuffer(value, np.uint8)


def _needs(rules: Sequence[ShieldRule]) -> Needs:
    needs = Needs(0)
    for one in rules:
        needs |= Needs.OPTIONS if one.tcp_options is not None else Needs(0)
        needs |= Needs.QNAME if one.qname is not None else Needs(0)
        needs |= Needs.PAYLOAD if one.payload else Needs(0)
    return needs


def _qname_labels(rules: Sequence[ShieldRule]) -> int:
    """How many labels of a query's name the program hashes: one number for all rules of a set."""
    counts = {len(one.qname.rstrip(".").split(".")) for one in rules if one.qname is not None}
    if len(counts) > 1:
        raise InvalidInput(
            f"qname of {' and '.join(map(str, sorted(counts)))} labels in one set",
            field="rules",
            hint="write all of them with equally many labels",
        )
    return next(iter(counts), 1)
