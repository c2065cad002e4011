"""The grammar of master files (RFC 1035 section 5.1): text in, entries with their line numbers out.

Knows lines, blanks, quotes, parentheses and comments, nothing of records: ``zonefile`` makes those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rempart.model.errors import InvalidInput
from rempart.model.names import shown

_LEXEME = re.compile(
    r"""(?P<word> (?: [^\s"\\;()\x00-\x20\x7f]++ | \\[0-9]{3} | \\[^0-9\r\n]
                    | "(?: [^"\\\r\n]++ | \\[0-9]{3} | \\[^0-9\r\n] )*+" )++ )
      | (?P<blank> [ \t]++ )
      | (?P<newline> \r\n | \n | \r )
      | (?P<comment> ;[^\r\n]*+ )
      | (?P<parenthesis> [()] )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One directive or record, unfolded."""

    line: int
    """Where it begins; the first line is 1."""
    indented: bool
    """Begins with a blank: the owner is that of the record before."""
    words: list[str]
    """As written, quotes and escapes kept."""
    comment: str
    """What followed the semicolon on its last line."""


def entries(text: str) -> Iterator[Entry]:
    """The entries of ``text``. Raises InvalidInput(field="line N") where the grammar is broken."""
    match_at = _LEXEME.match
    line = begun = 1
    position, depth = 0, 0
    words: list[str] = []
    comment = ""
    indented = False
    at_start = True
    while match := match_at(text, position):
        position = match.end()
        kind = match.lastgroup
        if kind == "word":
            if not words:
                begun = line
            words.append(match.group())
        elif kind == "blank":
            indented = indented or at_start
        elif kind == "comment":
            comment = match.group()[1:].strip()
        elif kind == "parenthesis":
            depth += 1 if match.group() == "(" else -1
            if depth not in (0, 1):
                raise InvalidInput("parentheses do not match", field=f"line {line}")
        else:
            line += 1
            if depth == 0:
                if words:
                    yield Entry(begun, indented, words, comment)
                    words = []
                indented = False
            comment = ""
        at_start = kind == "newline" and depth == 0
    if position < len(text):
        raise InvalidInput(_stray(text[position]), field=f"line {line}")
    if depth:
        raise InvalidInput("the file ends within parentheses", field=f"line {line}")
    if words:
        yield Entry(begun, indented, words, comment)


def _stray(character: str) -> str:
    if character == '"':
        return "a quotation mark is not closed on its line"
    if character == "\\":
        return "a backslash is followed by an octet's three digits or by the character it escapes"
    return f"the character {shown(character)} does not belong here"


_TTL_PART = re.compile(r"([0-9]{1,10})([wdhms]?)", re.IGNORECASE)
_TTL = re.compile(rf"(?:{_TTL_PART.pattern.replace('(', '(?:')})+", re.IGNORECASE)
_UNIT = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "": 1}


def ttl_seconds(word: str) -> int | None:
    """Seconds of ``3600`` or ``1h30m`` (BIND's units); None when ``word`` is not a TTL."""
    if word.isdigit():
        return int(word) if word.isascii() and len(word) <= 10 else None
    if not _TTL.fullmatch(word):
        return None
    return sum(int(number) * _UNIT[unit.lower()] for number, unit in _TTL_PART.findall(word))
