"""RRsets as values: what is refused, what is the same, and that a difference carried out leaves none."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.engines.knot.records import (
    Operation,
    Records,
    RRsetChange,
    RRsetKey,
    absolute,
    difference,
    differences,
    in_zone,
    owned,
    parse_item,
)
from rempart.model.errors import InvalidInput
from tests.engines.knot.server import rrset_item

ZONE = "example.org"
ADDRESSES = tuple(f"192.0.2.{number}" for number in range(6))
ROWS = st.builds(
    Records,
    owner=st.sampled_from(["example.org.", "a.example.org.", "b.example.org."]),
    type=st.just("A"),
    ttl=st.sampled_from([60, 300]),
    rdata=st.sets(st.sampled_from(ADDRESSES), min_size=1).map(lambda found: tuple(sorted(found))),
)
ZONES = st.lists(ROWS).map(lambda rows: {row.key: row for row in rows})


def carried_out(zone: dict[RRsetKey, Records], changes: Iterable[RRsetChange]) -> dict[RRsetKey, Records]:
    """What a name server makes of the operations; strict, as Knot is, about what is not there."""
    state: dict[RRsetKey, tuple[int, set[str]]] = {
        key: (row.ttl, set(row.rdata)) for key, row in zone.items()
    }
    for operation in (operation for change in changes for operation in change.operations):
        key = (operation.owner, operation.type)
        if operation.add:
            assert operation.ttl is not None
            assert operation.rdata is not None
            ttl, rdata = state.setdefault(key, (operation.ttl, set()))
            assert operation.rdata not in rdata
            assert ttl == operation.ttl
            rdata.add(operation.rdata)
        elif operation.rdata is None:
            del state[key]
        else:
            state[key][1].remove(operation.rdata)
            if not state[key][1]:
                del state[key]
    return {key: Records(*key, ttl, tuple(sorted(rdata))) for key, (ttl, rdata) in state.items()}


@given(ZONES, ZONES)
def test_a_difference_carried_out_leaves_none(
    desired: dict[RRsetKey, Records], observed: dict[RRsetKey, Records]
) -> None:
    changes = differences(desired, observed)
    assert carried_out(observed, changes) == desired
    assert (changes == ()) is (desired == observed)
    removals = [change.removal for change in changes]
    assert removals == sorted(removals, reverse=True)


@given(ZONES)
def test_of_equal_zones_there_is_no_difference(zone: dict[RRsetKey, Records]) -> None:
    assert differences(zone, zone) == ()


def test_only_what_differs_within_an_rrset_is_touched() -> None:
    desired = Records("a.", "A", 300, ("192.0.2.1", "192.0.2.2"))
    observed = Records("a.", "A", 300, ("192.0.2.2", "192.0.2.3"))
    change = difference(desired, observed)
    assert change is not None
    assert change.operations == (
        Operation(False, "a.", "A", None, "192.0.2.3"),
        Operation(True, "a.", "A", 300, "192.0.2.1"),
    )


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("AAAA", "2001:db8::1", "2001:0DB8:0:0:0:0:0:1"),
        ("MX", "10 mail.example.org.", "10 MAIL.example.org."),
        ("TXT", '"a b"', '"a\\032b"'),
        ("TXT", "plain", '"plain"'),
        ("CAA", '0 issue "ca.example.net"', "0 issue ca.example.net"),
        ("TLSA", "3 1 0 AB CD", "3 1 0 abcd"),
        ("CERT", "PKIX 1 RSASHA256 MIIB", "1 1 8 MIIB"),
        ("TYPE65534", "\\# 2 ABCD", "\\# 2 abcd"),
    ],
)
def test_spellings_of_the_same_record_are_no_difference(type_: str, one: str, other: str) -> None:
    assert difference(Records("a.", type_, 300, (one,)), Records("a.", type_, 300, (other,))) is None


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("TXT", '"a"', '"A"'),
        ("TXT", '"ab"', '"a" "b"'),
        ("MX", "10 a.", "20 a."),
        ("CAA", '0 issue "a"', '128 issue "a"'),
    ],
)
def test_records_that_differ_are_told_apart(type_: str, one: str, other: str) -> None:
    assert difference(Records("a.", type_, 300, (one,)), Records("a.", type_, 300, (other,))) is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("example.org", "example.org."),
        ("EXAMPLE.org.", "example.org."),
        ("*.example.org", "*.example.org."),
        ("_dmarc.example.org", "_dmarc.example.org."),
        ("a\\.b.example.org", "a\\.b.example.org."),
        ("a\\046b.example.org", "a\\.b.example.org."),
        ("sp\\032ace.example.org", "sp\\032ace.example.org."),
        (".", "."),
    ],
)
def test_names_have_one_spelling(name: str, expected: str) -> None:
    assert absolute(name) == expected


@pytest.mark.parametrize("name", ["a..b", ".a", "a" * 64 + ".org", ".".join(["a" * 60] * 5), "a\\"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        absolute(name)


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        name = absolute(text)
    except InvalidInput:
        return
    assert absolute(name) == name
    assert name.endswith(".")
    assert not any(character.isspace() or ord(character) < 32 for character in name)


def test_what_is_below_a_zone() -> None:
    assert in_zone("a.example.org.", "example.org.")
    assert in_zone("example.org.", "example.org.")
    assert not in_zone("anexample.org.", "example.org.")
    assert not in_zone("org.", "example.org.")


@pytest.mark.parametrize(
    ("name", "type_", "rdata"),
    [
        (f"a.{ZONE}", "A", ("192.0.2.256",)),
        (f"a.{ZONE}", "A", ()),
        (f"a.{ZONE}", "A", ("192.0.2.1\n",)),
        (f"a.{ZONE}", "TXT", ('"a\x00"',)),
        (f"a.{ZONE}", "NOSUCHTYPE", ("x",)),
        (f"a.{ZONE}", "a", ("192.0.2.1",)),
        (f"a.{ZONE}", "CNAME", ("relative",)),
        (f"a.{ZONE}", "MX", ("70000 mail.example.org.",)),
        ("example.net", "A", ("192.0.2.1",)),
        (f"x{ZONE}", "A", ("192.0.2.1",)),
        (ZONE, "SOA", ("a. b. 1 2 3 4 5",)),
        (ZONE, "RRSIG", ("A 13 2 300 20301204112906 20261120095906 6214 example.org. TBsL",)),
        (ZONE, "NSEC3PARAM", ("1 0 0 -",)),
        (ZONE, "CDS", ("0 0 0 00",)),
    ],
)
def test_bad_items_are_refused(name: str, type_: str, rdata: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_item(rrset_item(ZONE, name, type_, *rdata), signed=False)
    assert caught.value.field in ("name", "type", "rdata")


def test_a_key_at_the_apex_is_the_signers_when_there_is_one() -> None:
    key = "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="
    item = rrset_item(ZONE, ZONE, "DNSKEY", key)
    assert parse_item(item, signed=False).rdata
    with pytest.raises(InvalidInput):
        parse_item(item, signed=True)


def test_the_same_record_twice_is_one() -> None:
    item = rrset_item(ZONE, f"a.{ZONE}", "AAAA", "2001:db8::1", "2001:DB8::1")
    assert parse_item(item, signed=False).rdata == ("2001:db8::1",)


def test_what_items_account_for() -> None:
    apex = "example.org."
    rows = [
        Records(apex, "SOA", 300, ("a. b. 1 2 3 4 5",)),
        Records(apex, "NS", 300, ("ns1.example.org.",)),
        Records(apex, "DNSKEY", 300, ("x",)),
        Records("a.example.org.", "DNSKEY", 300, ("x",)),
        *(Records(apex, type_, 300, ("x",)) for type_ in ("RRSIG", "CDS", "CDNSKEY", "NSEC3PARAM")),
        Records("hash.example.org.", "NSEC3", 300, ("x",)),
    ]
    assert set(owned(rows, ZONE, signed=True)) == {(apex, "NS"), ("a.example.org.", "DNSKEY")}
    assert set(owned(rows, ZONE, signed=False)) == {row.key for row in rows if row.type != "SOA"}


def test_what_cannot_be_read_is_replaced() -> None:
    change = difference(Records("a.", "A", 300, ("192.0.2.1",)), Records("a.", "A", 300, ("strange",)))
    assert change is not None
    assert change.operations == (
        Operation(False, "a.", "A", None, "strange"),
        Operation(True, "a.", "A", 300, "192.0.2.1"),
    )
