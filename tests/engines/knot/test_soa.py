"""Serial number arithmetic and SOA records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.engines.knot.soa import (
    desired_soa,
    first_serial,
    parse_soa,
    same_but_serial,
    serial_add,
    serial_greater,
)
from rempart.model.errors import InvalidInput
from tests.engines.knot.server import zone_item

SERIALS = st.integers(0, 2**32 - 1)


@given(SERIALS, st.integers(1, 2**31 - 1))
def test_a_serial_added_to_is_greater(serial: int, steps: int) -> None:
    later = serial_add(serial, steps)
    assert 0 <= later < 2**32
    assert serial_greater(later, serial)
    assert not serial_greater(serial, later)


@given(SERIALS, SERIALS)
def test_of_two_serials_at_most_one_is_greater(one: int, other: int) -> None:
    greater = (serial_greater(one, other), serial_greater(other, one))
    opposite = (one - other) % 2**32 == 2**31
    assert sum(greater) == (0 if one == other or opposite else 1)


@given(SERIALS)
def test_a_serial_is_not_greater_than_itself(serial: int) -> None:
    assert not serial_greater(serial, serial)
    assert serial_add(serial, 0) == serial


@given(st.integers(0, 2**40), st.none() | SERIALS)
def test_a_first_serial_is_the_time_or_above_the_last(now: int, last: int | None) -> None:
    first = first_serial(now, last)
    assert 0 <= first < 2**32
    assert first == now % 2**32 or (last is not None and first == serial_add(last, 1))
    assert last is None or serial_greater(first, last)


@pytest.mark.parametrize(
    ("one", "other", "greater"),
    [
        (1, 0, True),
        (0, 2**32 - 1, True),  # around the end
        (2**31 - 1, 0, True),
        (2**31, 0, False),  # opposites are not comparable
        (0, 2**31, False),
        (2**31 + 1, 0, False),
    ],
)
def test_the_cases_of_rfc_1982(one: int, other: int, greater: bool) -> None:
    assert serial_greater(one, other) is greater


@pytest.mark.parametrize("steps", [-1, 2**31])
def test_a_step_too_far_is_refused(steps: int) -> None:
    with pytest.raises(InvalidInput):
        serial_add(1, steps)


@given(SERIALS, SERIALS)
def test_an_soa_is_read_back_as_it_was_written(one: int, other: int) -> None:
    soa = desired_soa(zone_item("example.org"), one)
    assert parse_soa(soa.rdata, soa.ttl) == soa
    assert same_but_serial(soa, desired_soa(zone_item("example.org"), other))
    assert not same_but_serial(soa, desired_soa(zone_item("example.org", contact="abuse"), one))


def test_names_are_made_absolute_and_lower_case() -> None:
    item = zone_item("example.org").model_copy(
        update={"soa_mname": "NS1.Example.ORG", "soa_rname": "me.example.org."}
    )
    assert desired_soa(item, 7).rdata == "ns1.example.org. me.example.org. 7 10000 2400 604800 1800"


def test_what_is_no_soa_is_refused() -> None:
    with pytest.raises(InvalidInput):
        parse_soa("a. b. 1 2 3", 300)
