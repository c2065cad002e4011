"""Addresses that the Internet cannot reach, and what is said of them."""

from __future__ import annotations

import pytest

from rempart.model.reachability import glue_warnings, record_warnings, why_unreachable
from rempart.model.record_parsing import parse_record
from rempart.model.records import RecordDraft, RecordFields, RecordType


def record(name: str, kind: str, content: str, *, proxied: bool = False) -> RecordFields:
    draft = RecordDraft(type=RecordType(kind), name=name, content=content, proxied=proxied)
    return parse_record("example.org", draft)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.7.7.7", "a loopback address"),
        ("::1", "a loopback address"),
        ("10.1.2.3", "a private address"),
        ("172.31.255.255", "a private address"),
        ("192.168.0.1", "a private address"),
        ("fd00::1", "a private address"),
        ("::ffff:10.0.0.1", "a private address"),
        ("100.64.0.1", "a shared address"),
        ("169.254.169.254", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("0.0.0.0", "an unspecified address"),
        ("224.0.0.1", "a multicast address"),
        ("172.32.0.1", None),
        ("203.0.113.5", None),
        ("2001:db8::1", None),
        ("9.9.9.9", None),
    ],
)
def test_addresses(address: str, words: str | None) -> None:
    assert why_unreachable(address) == words


def test_records_are_warned_of_together_and_only_when_they_answer_with_it() -> None:
    quiet = [
        record("a", "A", "203.0.113.1"),
        record("b", "A", "10.0.0.1", proxied=True),
        record("t", "TXT", "10.0.0.1"),
    ]
    assert record_warnings(quiet) == ()
    loud = [record("c", "A", "10.0.0.1"), record("d", "AAAA", "::1"), record("e", "A", "127.0.0.1")]
    (one,) = record_warnings([*quiet, *loud])
    assert one.startswith("c.example.org A 10.0.0.1 is a private address, and 2 more are such")


def test_glue() -> None:
    found = glue_warnings([("ns1.example.org", "127.0.0.1"), ("ns1.example.org", "203.0.113.5")])
    (one,) = found
    assert one.startswith("the name server ns1.example.org would have 127.0.0.1, a loopback address")
