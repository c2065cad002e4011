"""The grammar of zone files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.model.errors import InvalidInput
from rempart.model.master_file import entries, ttl_seconds


def read(text: str) -> list[tuple[int, bool, list[str], str]]:
    return [(entry.line, entry.indented, entry.words, entry.comment) for entry in entries(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n ; nothing\n\t\n", []),
        ("a A 1", [(1, False, ["a", "A", "1"], "")]),
        (
            "a\tA  1 ; why\r\nb B\rc C\n",
            [(1, False, ["a", "A", "1"], "why"), (2, False, ["b", "B"], ""), (3, False, ["c", "C"], "")],
        ),
        ("; first\n  A 1", [(2, True, ["A", "1"], "")]),
        ("a (\n b ; x\n c ) d ; y\ne", [(1, False, ["a", "b", "c", "d"], "y"), (4, False, ["e"], "")]),
        ("(\n a )", [(2, False, ["a"], "")]),
        ('a "b ; (c" d\\;e "\\"" "\\"', None),
        ('a "b ; (c" d\\;e "\\""', [(1, False, ["a", '"b ; (c"', "d\\;e", '"\\""'], "")]),
        ('k="a b"', [(1, False, ['k="a b"'], "")]),
        ("a ; x\n ; y\nb", [(1, False, ["a"], "x"), (3, False, ["b"], "")]),
    ],
)
def test_entries(text: str, expected: list[tuple[int, bool, list[str], str]] | None) -> None:
    if expected is None:
        with pytest.raises(InvalidInput):
            read(text)
    else:
        assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb (\nc\n", 4),
        ("a\n) b", 2),
        ("a ((b))", 1),
        ('a\nb "c\nd"', 2),
        ("a\n\nb\x00", 3),
        ("a\nb\u00a0\x0b", 2),
        ("a \\", 1),
        ("a \\12", 1),
    ],
)
def test_broken_grammar_names_its_line(text: str, line: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert caught.value.field == f"line {line}"


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("3600", 3600),
        ("1h30m", 5400),
        ("1W2D", 777_600),
        ("5s", 5),
        ("0", 0),
        ("h", None),
        ("1x", None),
        ("", None),
        ("٣", None),
        ("9" * 30, None),
    ],
)
def test_ttls(word: str, seconds: int | None) -> None:
    assert ttl_seconds(word) == seconds


@given(st.text(alphabet='ab \t\n\r;()"\\01\x00é', max_size=60))
def test_any_text_is_entries_or_invalid_input(text: str) -> None:
    try:
        found = read(text)
    except InvalidInput as error:
        line = (error.field or "").removeprefix("line ")
        if not 1 <= int(line) <= text.count("\n") + text.count("\r") + 1:
            raise
        return
    assert all(words for _, _, words, _ in found)
