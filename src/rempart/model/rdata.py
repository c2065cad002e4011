"""Record data of every type, between Cloudflare's two forms of it and the one that name servers read.

A type is a row of fields in presentation order. ``content`` (text) and ``data`` (named members) are both
cut into those fields, each field is made canonical, dnspython judges the whole, and all three forms are
written from the result: so they cannot disagree. LOC, whose fields depend on each other, is in ``location``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from rempart.model import location
from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_target, shown
from rempart.model.presentation import (
    base64_text,
    character_strings,
    hexadecimal,
    integer,
    octets_of,
    quoted,
    tokens,
    unquoted,
)
from rempart.model.record_forms import FORMS, IGNORED_MEMBERS, TAKES_REST, Field, FieldKind, Form
from rempart.model.records import RecordType

RDATA_MAX = 64_000
"""Octets of a record's data. The wire allows 65,535, but then no message has room for name and signature."""
CONTENT_MAX = 4 * RDATA_MAX + 1_024
"""Characters of text looked at: an escaped octet takes four."""


@dataclass(frozen=True, slots=True)
class Rdata:
    """One record's data in all its forms; see RecordFields for what they are."""

    content: str
    rdata: str
    data: dict[str, Any] | None
    priority: int | None


def from_content(kind: RecordType, text: str, zone: str, priority: int | None) -> Rdata:
    """Record data from its text. ``priority`` fills in for a first field that the text lacks.

    Raises InvalidInput(field="content" or "priority").
    """
    if len(text) > CONTENT_MAX:
        raise _invalid(f"{len(text)} characters; {CONTENT_MAX} are allowed")
    text = text.strip(" \t\r\n")
    if not text:
        raise _invalid(f"{kind} records need content")
    if text.startswith("\\#"):
        text = _from_generic(kind, text)
    if kind is RecordType.TXT:
        return _text(text)
    if kind in _ADDRESS_TYPES:
        return _address(kind, text)
    words = tokens(text, "content")
    if kind is RecordType.LOC:
        return _location(location.from_text(" ".join(words)))
    form = FORMS[kind]
    return _build(kind, form, _pieces(kind, form, words, zone, priority))


def from_data(kind: RecordType, members: Mapping[str, Any], zone: str, priority: int | None) -> Rdata:
    """Record data from Cloudflare's ``data``. Members that are null count as absent.

    Raises InvalidInput(field="data.<member>"), or "data" when the type has no such form.
    """
    present = {name: value for name, value in members.items() if value is not None}
    if kind is RecordType.LOC:
        return _location(location.from_members(present))
    form = FORMS.get(kind)
    if form is None or not form.has_data:
        raise InvalidInput(f"{kind} records are given by their content", field="data")
    known = {field.name for field in form.fields} | IGNORED_MEMBERS.get(kind, frozenset())
    for name in present:
        if name not in known:
            raise InvalidInput(f"{kind} records have no such member", field=f"data.{name[:40]}")
    if form.fields[0].name == "priority" and "priority" not in present and priority is not None:
        present["priority"] = priority
    pieces = []
    for field in form.fields:
        where = "priority" if form.priority_apart and field.name == "priority" else f"data.{field.name}"
        value = present.get(field.name, field.default)
        if value is None:
            raise InvalidInput(f"{kind} records need it", field=where)
        pieces.append(_piece_of_value(field, value, zone, where, form))
    return _build(kind, form, pieces)


def has_data_form(kind: RecordType) -> bool:
    """True when Cloudflare's API gives this type in a ``data`` member."""
    return kind is RecordType.LOC or (kind in FORMS and FORMS[kind].has_data)


# --- fields to canonical pieces ---------------------------------------------------------------------------


def _pieces(kind: RecordType, form: Form, words: list[str], zone: str, priority: int | None) -> list[str]:
    """The fields of the text in canonical presentation."""
    fields = form.fields
    least = sum(1 for field in fields if field.kind is not FieldKind.PARAMS)
    if fields[0].name == "priority" and fields[-1].kind is not FieldKind.PARAMS and len(words) == least - 1:
        if priority is None:
            raise InvalidInput(f"{kind} records need a priority", field="priority")
        words = [str(priority), *words]
    elif (
        form.priority_apart
        and priority is not None
        and len(words) == least
        and integer(words[0], 65_535, "content") != priority
    ):
        raise InvalidInput(f"{priority} here, but the content begins with {words[0]}", field="priority")
    if len(words) < least or (len(words) > least and fields[-1].kind not in TAKES_REST):
        expected = " ".join(field.name for field in fields)
        raise _invalid(f"{kind} takes «{expected}», {len(fields)} parts; given: {len(words)}")
    last = len(fields) - 1
    pieces = [
        _piece_of_text(field, word, zone, form) for field, word in zip(fields[:last], words, strict=False)
    ]
    pieces.append(_piece_of_text(fields[last], " ".join(words[last:]), zone, form))
    return pieces


def _piece_of_text(field: Field, word: str, zone: str, form: Form) -> str:
    if field.kind is FieldKind.STRING:
        return _string(unquoted(word, "content"), "content", field)
    if field.kind is FieldKind.PARAMS:
        return _params(word.split(" ") if word else [])
    return _piece(field, word, zone, "content", form)


def _piece_of_value(field: Field, value: object, zone: str, where: str, form: Form) -> str:
    if field.kind in (
        FieldKind.U8,
        FieldKind.U16,
        FieldKind.MNEMONIC8,
        FieldKind.MNEMONIC16,
    ) and not isinstance(value, str):
        return _piece(field, value, zone, where, form)
    if not isinstance(value, str):
        raise InvalidInput("text is needed", field=where)
    if len(value) > CONTENT_MAX:
        raise InvalidInput(f"{len(value)} characters; {CONTENT_MAX} are allowed", field=where)
    if field.kind is FieldKind.STRING:
        octets = octets_of(value, where)
        if field.name == "value" and len(value) >= 2 and value[0] == value[-1] == '"':
            octets = unquoted(value, where)  # a client's habit: CAA values with quotes inside the string
        return _string(octets, where, field)
    if field.kind is FieldKind.PARAMS:
        return _params(tokens(value, where))
    return _piece(field, value.strip(), zone, where, form)


def _piece(field: Field, value: object, zone: str, where: str, form: Form) -> str:
    match field.kind:
        case FieldKind.U8:
            return str(integer(value, 255, where))
        case FieldKind.U16:
            return str(integer(value, 65_535, where))
        case FieldKind.MNEMONIC8 | FieldKind.MNEMONIC16:
            if (
                isinstance(value, str)
                and value[:1].isalpha()
                and value.isascii()
                and value.replace("-", "").isalnum()
            ):
                return value.upper()
            return str(integer(value, 255 if field.kind is FieldKind.MNEMONIC8 else 65_535, where))
    text = str(value)
    match field.kind:
        case FieldKind.TAG:
            if not (text.isascii() and text.isalnum()) or len(text) > 255:
                raise InvalidInput(f"letters and digits are needed, not {shown(text)}", field=where)
            return text.lower()
        case FieldKind.HEX:
            return hexadecimal(text, where)
        case FieldKind.BASE64:
            return base64_text(text, where)
        case _:
            name = parse_target(text, zone, field=where, root=form.root_target)
            return name if name == "." else name + "."


def _string(octets: bytes, where: str, field: Field) -> str:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise InvalidInput("text in UTF-8 is needed", field=where) from None
    if field.name == "value" and len(text) >= 2 and text[0] == text[-1] == '"':
        raise InvalidInput("the value is quoted twice", field=where)
    if field.name == "regex" and text:
        _check_substitution(text, where)
    return quoted(octets)


def _check_substitution(text: str, where: str) -> None:
    """A substitution expression, ``!pattern!replacement!i`` (RFC 3402 section 3.2), as BIND checks it too."""
    delimiter = text[0]
    parts = re.split(rf"(?<!\\){re.escape(delimiter)}", text)
    if delimiter in "0123456789\\i\0" or len(parts) != 4 or parts[3] not in ("", "i"):
        raise InvalidInput(f"{shown(text)} is not a substitution: !pattern!replacement!", field=where)
    groups = len(re.findall(r"(?<!\\)\(", parts[1]))
    for reference in re.findall(r"\\([0-9])", parts[2]):
        if not 1 <= int(reference) <= groups:
            raise InvalidInput(f"\\{reference} refers to a group that the pattern has not", field=where)


_NEWER_PARAMS = {"dohpath": "key7", "ohttp": "key8"}
"""Names that not every name server knows yet; by number all take them (RFC 9460 section 2.1)."""


def _params(words: list[str]) -> str:
    renamed = []
    for word in words:
        name, equals, value = word.partition("=")
        renamed.append(_NEWER_PARAMS.get(name.lower(), name.lower()) + equals + value)
    return " ".join(renamed)


# --- canonical pieces to all forms ------------------------------------------------------------------------


def _build(kind: RecordType, form: Form, pieces: list[str]) -> Rdata:
    fields = form.fields
    judged = _judged(kind, " ".join(pieces))
    for place, field in enumerate(fields):
        if field.kind is FieldKind.PARAMS and pieces[place]:
            # dnspython writes parameters in the order of their numbers, which is the wire's.
            words = tokens(judged.to_text().split(" ", 2)[2], "content")
            pieces[place] = _params(words)
        elif field.kind in (FieldKind.MNEMONIC8, FieldKind.MNEMONIC16) and not pieces[place].isdigit():
            pieces[place] = str(int(getattr(judged, _ATTRIBUTES.get((kind, field.name), field.name))))
    rdata = " ".join(piece for piece in pieces if piece)
    shown_pieces = [
        piece.removesuffix(".") or "." if form.bare_targets and field.kind is FieldKind.TARGET else piece
        for field, piece in zip(fields, pieces, strict=True)
    ]
    content = " ".join(piece for piece in shown_pieces[form.priority_apart :] if piece)
    data = None
    if form.has_data:
        data = {
            field.name: _value(field, piece)
            for field, piece in zip(
                fields[form.priority_apart :], shown_pieces[form.priority_apart :], strict=True
            )
        }
    return Rdata(content, rdata, data, int(pieces[0]) if form.priority_apart else None)


_ATTRIBUTES = {(RecordType.CERT, "type"): "certificate_type"}


def _value(field: Field, piece: str) -> int | str:
    if field.kind in (FieldKind.U8, FieldKind.U16, FieldKind.MNEMONIC8, FieldKind.MNEMONIC16):
        return int(piece)
    if field.kind is FieldKind.STRING:
        return unquoted(piece, "content").decode()
    return piece


def _judged(kind: RecordType, presentation: str) -> dns.rdata.Rdata:
    """dnspython's reading of the canonical presentation, or InvalidInput with its reason."""
    try:
        rdata = dns.rdata.from_text(dns.rdataclass.IN, kind.value, presentation, relativize=False)
        size = len(rdata.to_wire() or b"")
    except Exception as error:  # dnspython lets struct.error, OverflowError and others through for bad data
        raise _invalid(f"not a valid {kind} record: {error}") from None
    if size > RDATA_MAX:
        raise _invalid(f"{size} octets; {RDATA_MAX} are allowed")
    return rdata


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, field="content", code=CloudflareCode.RECORD_INVALID)


# --- types without a row ----------------------------------------------------------------------------------

_ADDRESS_CHARACTERS = re.compile(r"[0-9A-Fa-f:.]+")
_ADDRESS_TYPES = frozenset({RecordType.A, RecordType.AAAA})


def _address(kind: RecordType, text: str) -> Rdata:
    # Blanks, quotes and comments would mean something to the tokenizer; an address has none.
    if not _ADDRESS_CHARACTERS.fullmatch(text):
        raise _invalid(f"{shown(text)} is not an {'IPv4' if kind is RecordType.A else 'IPv6'} address")
    try:
        address = dns.rdata.from_text(dns.rdataclass.IN, kind.value, text).to_text()
    except dns.exception.DNSException:
        raise _invalid(
            f"{shown(text)} is not an {'IPv4' if kind is RecordType.A else 'IPv6'} address"
        ) from None
    return Rdata(address, address, None, None)


def _text(text: str) -> Rdata:
    """TXT: text that begins with a quotation mark is presentation format, other text is meant as it is."""
    if text.startswith('"'):
        strings = [unquoted(word, "content") for word in tokens(text, "content")]
    else:
        strings = [octets_of(text, "content")]
    pieces = [piece for string in strings for piece in character_strings(string)]
    size = sum(len(piece) + 1 for piece in pieces)
    if size > RDATA_MAX:
        raise _invalid(f"{size} octets; {RDATA_MAX} are allowed")
    presentation = " ".join(quoted(piece) for piece in pieces)
    return Rdata(presentation, presentation, None, None)


def _location(place: location.Location) -> Rdata:
    return Rdata(place.presentation, place.presentation, place.members, None)


def _from_generic(kind: RecordType, text: str) -> str:
    r"""Presentation of a known type from ``\# length hex`` (RFC 3597 section 5)."""
    return _judged(kind, " ".join(tokens(text, "content"))).to_text()
