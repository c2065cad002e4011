"""Steps: one text for each, and seals that bind without saying anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rempart.governance.log.step import Step, parse_step, seal, sealed_in
from rempart.model.errors import InvalidInput

SALT = bytes(range(32))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
PUBLIC = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), JSON, max_size=4)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(PUBLIC, TIMES)
def test_a_step_comes_back_and_has_one_text(public: dict[str, Any], at: datetime) -> None:
    step = Step(id="case/2026-1/0", kind="report", at=at, public=public, sealed={"a": seal("a", b"x", SALT)})
    entry = step.encode()
    assert parse_step(entry) == step
    assert json.loads(entry)["public"] == public
    shuffled = json.dumps(
        dict(reversed(json.loads(entry).items())), separators=(",", ":"), ensure_ascii=False
    )
    with pytest.raises(InvalidInput):
        parse_step(shuffled.encode())


def test_how_it_is_written() -> None:
    berlin = timezone(timedelta(hours=2))
    step = Step(
        id="case/1", kind="decision", at=datetime(2026, 7, 1, 12, 0, 0, 999, berlin), public={"é": [1]}
    )
    assert (
        step.encode()
        == (
            '{"at":"2026-07-01T10:00:00Z","format":"rempart-step/1","id":"case/1","kind":"decision",'
            '"public":{"é":[1]},"sealed":{}}'
        ).encode()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"at": "2026-07-01T10:00:00+00:00"},
        {"at": 1_782_900_000},
        {"at": "2026-07-01T10:00:00.5Z"},
        {"format": "x"},
        {"other": 1},
        {"sealed": None},
        {"sealed": {"a": "AAAA"}},
        {"id": "Case"},
        {"id": "a//b"},
        {"id": ""},
        {"id": "a\n"},
        {"kind": "two words"},
        {"public": []},
        {"public": {"x": 1.5}},
        {"sealed": ...},
    ],
)
def test_what_is_no_step(change: dict[str, Any]) -> None:
    value = json.loads(Step(id="case/1", kind="decision", at=datetime(2026, 7, 1, tzinfo=UTC)).encode())
    value = {name: one for name, one in {**value, **change}.items() if one is not ...}
    with pytest.raises(InvalidInput):
        parse_step(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
    for entry in (b"", b"[]", b"null", b"\xff"):
        with pytest.raises(InvalidInput):
            parse_step(entry)


def test_a_step_without_a_time_zone_or_too_long_is_refused() -> None:
    with pytest.raises(ValidationError, match="time zone"):
        Step(id="a", kind="b", at=datetime(2026, 1, 1))  # noqa: DTZ001
    long = Step(id="a", kind="b", at=datetime(2026, 1, 1, tzinfo=UTC), public={"text": "é" * 33_000})
    with pytest.raises(InvalidInput, match="SHA-256") as caught:
        long.encode()
    assert caught.value.field == "a"


def test_a_seal_binds_name_salt_and_content() -> None:
    made = seal("reporter", b"anne@example.org", SALT)
    step = Step(id="a", kind="b", at=datetime(2026, 1, 1, tzinfo=UTC), sealed={"reporter": made})
    assert sealed_in(step, "reporter", b"anne@example.org", SALT)
    assert not sealed_in(step, "reporter", b"anna@example.org", SALT)
    assert not sealed_in(step, "reporter", b"anne@example.org", bytes(32))
    assert not sealed_in(step, "owner", b"anne@example.org", SALT)
    assert seal("owner", b"anne@example.org", SALT) != made
    with pytest.raises(InvalidInput):
        seal("reporter", b"", b"short")
    with pytest.raises(InvalidInput):
        seal("a\nb", b"", SALT)
