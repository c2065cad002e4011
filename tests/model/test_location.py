"""Places: text, members and the wire must agree to the millisecond and the centimetre."""

from __future__ import annotations

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.model.errors import InvalidInput
from rempart.model.location import Location, from_members, from_text


def test_nothing_but_the_altitude_is_needed() -> None:
    assert from_text("51 N 0 W 10") == Location(51 * 3_600_000, 0, 1_000)
    assert from_text("51 30 N 0 7 39.6 w -10.57m 2") == Location(185_400_000, -459_600, -1_057, 200)


def test_a_size_has_one_digit() -> None:
    assert from_text("1 N 1 E 0m 1234.56m 0.09m 99m").presentation.endswith("0.00m 1000.00m 0.09m 90.00m")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90 0 0.001 N 0 E 0m",
        "0 N 180 0 1 E 0m",
        "1 60 N 1 E 0m",
        "1 1 60 N 1 E 0m",
        "1 E 1 N 0m",
        "1 N 1 E",
        "1 N 1 E 42849672.96m",
        "1 N 1 E -100000.01m",
        "1 N 1 E 0m 90000000.01m",
        "1 N 1 E 0m -1m",
        "1 N 1 E 0m 1m 1m 1m 1m",
        "1 N 1 E 1e3m",
        "١ N 1 E 0m",
    ],
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        from_text(text)
    assert caught.value.field == "content"


_sizes = st.builds(lambda digit, power: digit * 10**power, st.integers(0, 9), st.integers(0, 9))
places = st.builds(
    Location,
    st.integers(-90 * 3_600_000, 90 * 3_600_000),
    st.integers(-180 * 3_600_000, 180 * 3_600_000),
    st.integers(-10_000_000, 2**32 - 1 - 10_000_000),
    *(_sizes, _sizes, _sizes),
)


@given(places)
def test_all_forms_agree(place: Location) -> None:
    assert from_text(place.presentation) == place
    assert from_members(place.members) == place
    assert from_members({name: str(value) for name, value in place.members.items()}) == place


@given(places)
def test_the_wire_agrees(place: Location) -> None:
    altitude = place.altitude // 100 * 100  # dnspython multiplies floats by 100 and cuts
    whole = Location(place.latitude, place.longitude, altitude, place.size, place.horizontal, place.vertical)
    wire = dns.rdata.from_text("IN", "LOC", whole.presentation).to_wire()
    assert wire is not None
    numbers = [int.from_bytes(wire[start : start + 4]) for start in (4, 8, 12)]
    assert numbers == [whole.latitude + 2**31, whole.longitude + 2**31, whole.altitude + 10_000_000]


@given(st.text(alphabet="0123456789. NSEWm-", max_size=40))
def test_any_text_is_a_place_or_invalid_input(text: str) -> None:
    try:
        place = from_text(text)
    except InvalidInput:
        return
    assert from_text(place.presentation) == place
