"""Orders and rules to bytes, without a kernel."""

from __future__ import annotations

import struct
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from rempart.engines.shield import compile as compiler
from rempart.engines.shield import layout
from rempart.engines.shield.layout import Flag, Needs, Ranged
from rempart.model.errors import InvalidInput
from rempart.model.shield import (
    Bits,
    ClassLimits,
    Limit,
    RuleAction,
    ShieldOrders,
    ShieldRule,
    Span,
    Thresholds,
    When,
)

DROP = RuleAction.DROP


def fields_of(record: Any, *names: str) -> tuple[int, ...]:
    return tuple(int(record[name]) for name in names)


def matched(**fields: Any) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What a rule looks at and wants: field of the vector → mask, and value, where a mask is set."""
    record = compiler.rule(ShieldRule(id=1, action=DROP, **fields), 0)
    mask = np.frombuffer(np.ascontiguousarray(record["word"]["mask"]).tobytes(), layout.VECTOR)[0]
    value = np.frombuffer(np.ascontiguousarray(record["word"]["value"]).tobytes(), layout.VECTOR)[0]
    names = [name for name in layout.VECTOR.names or () if any(mask[name].tobytes())]
    return {name: mask[name].tobytes() for name in names}, {name: value[name].tobytes() for name in names}


@pytest.mark.parametrize(
    ("fields", "mask", "value"),
    [
        ({}, {}, {}),
        ({"family": 6}, {"family": b"\xff"}, {"family": b"\x06"}),
        ({"protocol": 0}, {"protocol": b"\xff"}, {"protocol": b"\0"}),
        (
            {"source": ip_network("203.0.113.0/24")},
            {"family": b"\xff", "source": b"\xff" * 15 + b"\0"},
            {"family": b"\x04", "source": bytes(10) + b"\xff\xff\xcb\0\x71\0"},
        ),
        (
            {"source": ip_network("0.0.0.0/0")},
            {"family": b"\xff", "source": b"\xff" * 12 + bytes(4)},
            {"family": b"\x04", "source": bytes(10) + b"\xff\xff" + bytes(4)},
        ),
        (
            {"destination": ip_network("2001:db8::/33")},
            {"family": b"\xff", "destination": b"\xff\xff\xff\xff\x80" + bytes(11)},
            {"family": b"\x06", "destination": b"\x20\x01\x0d\xb8" + bytes(12)},
        ),
        (
            {"protocol": 6, "tcp_flags": Bits(mask=0x12, value=0x02)},
            {"protocol": b"\xff", "tcp_flags": b"\x12"},
            {"protocol": b"\x06", "tcp_flags": b"\x02"},
        ),
        (
            {"protocol": 1, "icmp_type": 8},
            {"protocol": b"\xff", "source_port": b"\xff\0"},
            {"protocol": b"\x01", "source_port": b"\x08\0"},
        ),
        (
            {"payload": b"\x00\x01"},
            {"payload": b"\xff\xff" + bytes(6)},
            {"payload": b"\x00\x01" + bytes(6)},
        ),
        (
            {"protocol": 6, "tcp_options": (2, 4, 8, 1, 3)},
            {"protocol": b"\xff", "options_digest": b"\xff" * 4},
            {"protocol": b"\x06", "options_digest": compiler.options_digest((2, 4, 8, 1, 3))},
        ),
        (
            {"protocol": 17, "qname": "Example.ORG."},
            {"protocol": b"\xff", "qname_hash": b"\xff" * 4},
            {"protocol": b"\x11", "qname_hash": compiler.qname_hash("example.org")},
        ),
    ],
)
def test_what_a_rule_looks_at(
    fields: dict[str, Any], mask: dict[str, bytes], value: dict[str, bytes]
) -> None:
    assert matched(**fields) == (mask, value)


def test_ranges_are_looked_at_when_they_are_given() -> None:
    whole = compiler.rule(ShieldRule(id=1, action=DROP), 5)
    assert fields_of(whole, "ranged", "slot", "length_max", "ttl_max") == (0, 5, 65_535, 255)
    some = compiler.rule(
        ShieldRule(
            id=1,
            action=DROP,
            protocol=17,
            source_ports=Span(first=53, last=53),
            ttl=Span(first=1, last=64),
        ),
        0,
    )
    assert some["ranged"] == Ranged.SOURCE_PORT | Ranged.TTL
    assert fields_of(some, "source_port_min", "source_port_max") == (53, 53)
    assert fields_of(some, "ttl_min", "ttl_max") == (1, 64)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, (0, 0)),
        (Limit(per_second=1_000), (1_000_000, 1_000_000)),
        (Limit(per_second=10, burst=5), (100_000_000, 500_000_000)),
        (Limit(per_second=1e9), (1, 1)),
        (Limit(per_second=0.5, burst=2), (2_000_000_000, 4_000_000_000)),
    ],
)
def test_a_limit_is_an_interval_and_a_depth(limit: Limit | None, expected: tuple[int, int]) -> None:
    assert compiler.bucket(limit) == expected


def test_fnv_is_the_published_one() -> None:
    # Landon Curt Noll's test vectors of 32 bit FNV-1a for "" and "foobar".
    assert compiler.options_digest(tuple(b"foobar")) == bytes.fromhex("bf9cf968")
    assert compiler.options_digest(()) == bytes(4)


def test_a_long_name_is_hashed_by_its_end() -> None:
    name = ".".join(["a" * 63, "b" * 20])
    wire = bytes((63,)) + b"a" * 63 + bytes((20,)) + b"b" * 20
    assert compiler.qname_hash(name) == compiler.options_digest(tuple(wire[-64:]))


def test_orders_become_settings() -> None:
    orders = ShieldOrders(
        syn_cookies=When.ALWAYS,
        dns_challenge=When.NEVER,
        thresholds=Thresholds(syn=2_000, dns=55, ack=3_000, hold_seconds=1.5),
        dns_cookie_key=bytes(range(16)),
        source=ClassLimits(udp=Limit(per_second=1_000)),
        prefix=ClassLimits(dns=Limit(per_second=100, burst=3)),
        sample_passed=0,
        sample_dropped=64,
    )
    record = compiler.config(orders, seed=7, wall=8, flags=Flag.HAS_BLOCKED4 | Flag.CAPTURING, capture_mask=3)
    assert Flag(int(record["flags"])) == (
        Flag.ON
        | Flag.DROP_MARTIANS
        | Flag.ONLY_SERVED
        | Flag.DNS_COOKIES
        | Flag.CAPTURING
        | Flag.HAS_BLOCKED4
    )
    assert fields_of(record, "syn_cookies", "dns_challenge") == (2, 0)
    assert fields_of(record, "syn_threshold", "dns_threshold", "ack_threshold") == (200, 5, 300)
    assert fields_of(record, "hold") == (1_500_000_000,)
    assert fields_of(record, "sample_mask", "drop_sample_mask", "capture_mask") == (0xFFFFFFFF, 63, 3)
    assert record["source"].tolist() == [(0, 0), (1_000_000, 1_000_000), (0, 0), (0, 0)]
    assert record["prefix"].tolist()[3] == (10_000_000, 30_000_000)
    assert struct.pack("<2Q", *record["dns_cookie_key"].tolist()) == bytes(range(16))
    assert fields_of(record, "seed", "wall") == (7, 8)


def test_a_set_needs_what_its_rules_look_at() -> None:
    rules = [
        ShieldRule(id=3, action=DROP, protocol=17, qname="a.b.c"),
        ShieldRule(id=9, action=DROP, payload=b"x"),
        ShieldRule(id=4, action=RuleAction.LIMIT, limit=Limit(per_second=10)),
    ]
    record = compiler.rule_set(rules, {3: 0, 9: 5, 4: 2}, 12)
    assert fields_of(record, "count", "generation", "qname_labels") == (3, 12, 3)
    assert record["needs"] == Needs.QNAME | Needs.PAYLOAD
    assert record["rule"]["id"][:4].tolist() == [3, 9, 4, 0]
    assert record["rule"]["slot"][:3].tolist() == [0, 5, 2]
    assert record["rule"]["interval"][2] == 100_000_000


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([ShieldRule(id=index + 1, action=DROP) for index in range(65)], "65 rules, and a set holds 64"),
        ([ShieldRule(id=1, action=DROP)] * 2, "two rules have the same id"),
        (
            [
                ShieldRule(id=index, action=DROP, protocol=17, qname=name)
                for index, name in ((1, "org"), (2, "a.org"))
            ],
            "qname of 1 and 2 labels",
        ),
    ],
)
def test_sets_that_cannot_be(rules: list[ShieldRule], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        compiler.rule_set(rules, {one.id: 0 for one in rules}, 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": "10.0.0.0/8", "destination": "::/0"}, "it never matches"),
        ({"family": 4, "source": "::/0"}, "it never matches"),
        ({"family": 5}, "family is 4 or 6"),
        ({"source_ports": {"first": 1, "last": 2}}, "ports need protocol"),
        ({"protocol": 6, "icmp_type": 8}, "icmp_type needs"),
        ({"tcp_flags": {"mask": 2, "value": 2}}, "need protocol 6"),
        ({"protocol": 6, "tcp_flags": {"mask": 1, "value": 2}}, "it never matches"),
        ({"protocol": 17, "destination_ports": {"first": 2, "last": 1}}, "is empty"),
        ({"qname": "example.org"}, "qname needs protocol 17"),
        ({"protocol": 17, "qname": "a..b"}, "labels of 1 to 63"),
        ({"protocol": 17, "qname": "bücher.example"}, "A-labels"),
        ({"limit": {"per_second": 5}}, "a limit belongs to the action limit"),
        ({"action": "limit"}, "a limit belongs to the action limit"),
        ({"action": "sample", "sample_every": 0}, "samples nothing"),
        ({"sample_every": 3}, "power of two"),
        ({"ttl": {"first": 0, "last": 256}}, "ttl is 255"),
        ({"source": "10.0.0.1/8"}, "not a valid IPv4 network"),
        ({"id": 0}, "greater than or equal to 1"),
        ({"payload": b"123456789"}, "at most 8"),
    ],
)
def test_rules_that_cannot_be(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ShieldRule.model_validate({"id": 1, "action": "drop"} | fields)


def test_a_rule_keeps_its_slot_and_a_new_one_gets_one_that_nobody_counts_in() -> None:
    first = compiler.assign_slots([10, 20, 30], {})
    assert first == {10: 0, 20: 1, 30: 2}
    second = compiler.assign_slots([40, 30, 10], first)
    assert second == {30: 2, 10: 0, 40: 3}
    assert compiler.assign_slots([50], second) == {50: 1}


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "::", "0.0.0.0"])
def test_addresses_go_to_bytes_and_back(text: str) -> None:
    address = ip_address(text)
    assert layout.address_of(layout.address_bytes(address)) == address


@pytest.mark.parametrize("text", ["192.0.2.0/24", "2001:db8::/32", "::/0", "0.0.0.0/0", "192.0.2.1/32"])
def test_prefixes_go_to_keys_and_back(text: str) -> None:
    assert layout.prefix_of(layout.prefix_key(ip_network(text))) == ip_network(text)
