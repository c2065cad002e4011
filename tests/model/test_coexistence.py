"""Which records may stand at one name, and under which code it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rempart.model.coexistence import check_coexistence, coexistence_warnings
from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import Conflict
from rempart.model.record_parsing import parse_record
from rempart.model.records import RecordFields
from tests.model.record_cases import SHA256, ZONE, draft


def record(kind: str, content: str, name: str = "host", **others: Any) -> RecordFields:
    return parse_record(ZONE, draft(kind, content, name, **others))


A = record("A", "192.0.2.1")
AAAA = record("AAAA", "2001:db8::1")
CNAME = record("CNAME", "a.example.net")
PROXIED = record("CNAME", "a.example.net", proxied=True)
FLATTENED = record("CNAME", "a.example.net", flatten_cname=True)
APEX = record("CNAME", "a.example.net", "@")
TXT = record("TXT", "x")
NS = record("NS", "ns1.example.net")
MX = record("MX", "10 mail.example.net")


@pytest.mark.parametrize(
    ("existing", "new", "code"),
    [
        (A, A, CloudflareCode.IDENTICAL_RECORD_EXISTS),
        (A, record("A", "192.0.2.1", comment="other"), CloudflareCode.IDENTICAL_RECORD_EXISTS),
        (A, record("A", "192.0.2.1", ttl=60), CloudflareCode.RECORD_EXISTS),
        (A, record("A", "192.0.2.1", proxied=True), CloudflareCode.RECORD_EXISTS),
        (AAAA, record("AAAA", "2001:DB8:0::1"), CloudflareCode.IDENTICAL_RECORD_EXISTS),
        (TXT, record("TXT", '"x"'), CloudflareCode.IDENTICAL_RECORD_EXISTS),
        (CNAME, CNAME, CloudflareCode.IDENTICAL_RECORD_EXISTS),
        (A, CNAME, CloudflareCode.ADDRESS_OR_CNAME_EXISTS),
        (AAAA, PROXIED, CloudflareCode.ADDRESS_OR_CNAME_EXISTS),
        (CNAME, record("CNAME", "b.example.net"), CloudflareCode.ADDRESS_OR_CNAME_EXISTS),
        (CNAME, A, CloudflareCode.CNAME_EXISTS),
        (PROXIED, AAAA, CloudflareCode.CNAME_EXISTS),
        (CNAME, NS, CloudflareCode.CNAME_EXISTS),
        (PROXIED, NS, CloudflareCode.CNAME_EXISTS),
        (TXT, CNAME, CloudflareCode.ADDRESS_OR_CNAME_EXISTS),
        (CNAME, TXT, CloudflareCode.CNAME_EXISTS),
    ],
)
def test_what_cannot_stand_together(existing: RecordFields, new: RecordFields, code: CloudflareCode) -> None:
    with pytest.raises(Conflict) as caught:
        check_coexistence([record("A", "192.0.2.9", "elsewhere"), existing], new, zone=ZONE)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("existing", "new"),
    [
        (A, record("A", "192.0.2.2")),
        (A, AAAA),
        (A, TXT),
        (A, NS),  # glue
        (MX, record("MX", "20 mail.example.net")),
        (MX, record("MX", "10 mail2.example.net")),
        (PROXIED, TXT),
        (TXT, PROXIED),
        (FLATTENED, MX),
        (MX, FLATTENED),
        (APEX, record("MX", "10 mail.example.net", "@")),
        (record("TXT", "x", "@"), APEX),
        (A, record("CNAME", "a.example.net", "other")),
    ],
)
def test_what_may_stand_together(existing: RecordFields, new: RecordFields) -> None:
    check_coexistence([existing], new, zone=ZONE)


def test_a_cname_that_is_never_served_may_have_neighbours() -> None:
    check_coexistence([CNAME], TXT, zone=ZONE, flatten_all_cnames=True)
    check_coexistence([CNAME], TXT)  # which name is the apex is not known
    with pytest.raises(Conflict):
        check_coexistence([CNAME], A, flatten_all_cnames=True)


def test_warnings() -> None:
    ds = record("DS", f"1 13 2 {SHA256}")
    assert "no NS records" in coexistence_warnings([], ds)[0]
    assert coexistence_warnings([NS], ds) == ()
    assert coexistence_warnings([A], NS) == ()
    assert "TXT records are not seen" in coexistence_warnings([NS], TXT)[0]
    assert "not proxied" in coexistence_warnings([NS], record("A", "192.0.2.1", proxied=True))[0]
    assert coexistence_warnings([record("NS", "ns1.example.net", "other")], TXT) == ()
