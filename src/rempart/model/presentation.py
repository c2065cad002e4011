"""The small words of DNS presentation format (RFC 1035 section 5.1): tokens, character-strings, numbers.

``rdata`` builds the record types from these, from text and from Cloudflare's ``data`` members alike.
"""

from __future__ import annotations

import base64
import binascii
import re

from rempart.model.errors import InvalidInput
from rempart.model.names import shown

STRING_MAX = 255
"""Octets of one character-string (RFC 1035 section 3.3)."""

_TOKEN = re.compile(
    r"""(?: [^\s"\\;()\x00-\x20\x7f]++ | \\[0-9]{3} | \\[^0-9\s]
        | "(?: [^"\\]++ | \\[0-9]{3} | \\[^0-9] )*+" )++""",
    re.VERBOSE,
)
_BLANK = re.compile(r"[ \t\r\n]*+")
_ESCAPE = re.compile(rb"\\([0-9]{3}|[^0-9])", re.DOTALL)
_INTEGER = re.compile(r"([0-9]{1,20})(?:\.0*)?")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


def tokens(text: str, field: str) -> list[str]:
    """The tokens of ``text`` as written, quotes and escapes kept.

    Refuses what would end or fold a line of a zone file: comments, parentheses, control characters.
    """
    found = []
    position = _blank_end(text, 0)
    while position < len(text):
        match = _TOKEN.match(text, position)
        end = match.end() if match else position
        if match is None or (end < len(text) and text[end] not in " \t\r\n"):
            raise InvalidInput(_stray(text, end), field=field)
        found.append(match.group())
        position = _blank_end(text, end)
    return found


def _blank_end(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _stray(text: str, position: int) -> str:
    character = text[position]
    if character == '"':
        return f"a quotation mark at position {position + 1} is not closed, or not where one may stand"
    return f"{shown(character)} at position {position + 1} must stand in quotes or be escaped"


def unquoted(token: str, field: str) -> bytes:
    """The octets of a token that is quoted as a whole or not at all; text is UTF-8, ``\\DDD`` one octet."""
    body = token
    if token.startswith('"'):
        body = token[1:-1]
        if not token.endswith('"') or len(token) < 2 or _has_bare_quote(body):
            raise InvalidInput(f"{shown(token)} is quoted in part only", field=field)
    elif _has_bare_quote(token):
        raise InvalidInput(f"{shown(token)} is quoted in part only", field=field)
    octets = octets_of(body, field)
    if b"\\" not in octets:
        return octets
    return _ESCAPE.sub(lambda match: _escaped_octet(match.group(1), field), octets)


def octets_of(text: str, field: str) -> bytes:
    """UTF-8 of ``text``; lone surrogates, which JSON can carry, are refused."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("not valid Unicode text", field=field) from None


def _has_bare_quote(body: str) -> bool:
    if '"' not in body:
        return False
    return '"' in re.sub(r"\\(?:[0-9]{3}|[^0-9])", "", body, flags=re.DOTALL)


def _escaped_octet(escape: bytes, field: str) -> bytes:
    if not escape.isdigit() or len(escape) != 3:
        return escape
    value = int(escape)
    if value > 255:
        raise InvalidInput(f"the escape \\{escape.decode()} is not an octet", field=field)
    return bytes((value,))


_QUOTED = [
    f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"
    for octet in range(256)
]


def quoted(octets: bytes) -> str:
    """One character-string in presentation format, always in quotes."""
    return '"' + "".join([_QUOTED[octet] for octet in octets]) + '"'


def character_strings(octets: bytes) -> list[bytes]:
    """``octets`` cut into character-strings; none at all is one empty string."""
    return [octets[start : start + STRING_MAX] for start in range(0, len(octets), STRING_MAX)] or [b""]


def integer(value: object, maximum: int, field: str) -> int:
    """A whole number from 0 to ``maximum``; numbers may arrive as strings or as floats."""
    number: int | None = None
    if isinstance(value, bool):
        pass
    elif isinstance(value, int):
        number = value
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else None
    elif isinstance(value, str):
        match = _INTEGER.fullmatch(value.strip())
        number = int(match.group(1)) if match else None
    if number is None or not 0 <= number <= maximum:
        given = f", not {shown(value)}" if isinstance(value, str) else ""
        raise InvalidInput(f"a whole number from 0 to {maximum} is needed{given}", field=field)
    return number


def hexadecimal(text: str, field: str) -> str:
    """Lower-case hexadecimal of at least one octet; blanks are left out (RFC 6698 section 2.2)."""
    digits = "".join(text.split()).lower()
    if not _HEX.fullmatch(digits):
        raise InvalidInput("pairs of hexadecimal digits are needed", field=field)
    return digits


def base64_text(text: str, field: str) -> str:
    """Canonical base64 of at least one octet; blanks are left out."""
    try:
        octets = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"not base64: {error}", field=field) from None
    if not octets:
        raise InvalidInput("base64 of at least one octet is needed", field=field)
    return base64.b64encode(octets).decode("ascii")
