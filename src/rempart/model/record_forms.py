"""The rows of fields that record types are made of, in presentation order.

``rdata`` reads and writes all types by this table; names are those of Cloudflare's ``data`` members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from rempart.model.records import RecordType


class FieldKind(Enum):
    """What a field holds. The last four take all that is left of the text, or one token."""

    U8 = auto()
    U16 = auto()
    MNEMONIC8 = auto()  # a number below 256, or its name in the registry
    MNEMONIC16 = auto()
    TAG = auto()  # CAA property tag (RFC 8659 section 4.1)
    STRING = auto()  # text, quoted
    TARGET = auto()
    HEX = auto()
    BASE64 = auto()
    PARAMS = auto()  # SvcParams (RFC 9460 section 2.1)


TAKES_REST = frozenset({FieldKind.HEX, FieldKind.BASE64, FieldKind.PARAMS})


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    """The member's name in Cloudflare's ``data``."""
    kind: FieldKind
    default: Any = None


@dataclass(frozen=True, slots=True)
class Form:
    fields: tuple[Field, ...]
    has_data: bool = True
    """Cloudflare has a ``data`` form of this type."""
    priority_apart: bool = False
    """The first field is the record's ``priority`` and no part of ``content``."""
    bare_targets: bool = False
    """Targets stand in ``content`` and ``data`` without their trailing dot."""
    root_target: bool = False
    """The target may be the root: «no such service», or «this very name»."""


def _form(*fields: tuple[str, FieldKind] | tuple[str, FieldKind, Any], **traits: bool) -> Form:
    return Form(tuple(Field(*field) for field in fields), **traits)


_TARGET_ONLY = _form(("target", FieldKind.TARGET), has_data=False, bare_targets=True)
_ASSOCIATION = _form(
    ("usage", FieldKind.U8),
    ("selector", FieldKind.U8),
    ("matching_type", FieldKind.U8),
    ("certificate", FieldKind.HEX),
)
_SERVICE_BINDING = _form(
    ("priority", FieldKind.U16),
    ("target", FieldKind.TARGET),
    ("value", FieldKind.PARAMS, ""),
    root_target=True,
)

FORMS: Mapping[RecordType, Form] = {
    RecordType.CNAME: _TARGET_ONLY,
    RecordType.NS: _TARGET_ONLY,
    RecordType.PTR: _TARGET_ONLY,
    RecordType.MX: _form(
        ("priority", FieldKind.U16),
        ("target", FieldKind.TARGET),
        has_data=False,
        priority_apart=True,
        bare_targets=True,
        root_target=True,  # RFC 7505: takes no mail
    ),
    RecordType.SRV: _form(
        ("priority", FieldKind.U16),
        ("weight", FieldKind.U16),
        ("port", FieldKind.U16),
        ("target", FieldKind.TARGET),
        bare_targets=True,
        root_target=True,  # RFC 2782: decidedly no such service
    ),
    RecordType.URI: _form(
        ("priority", FieldKind.U16),
        ("weight", FieldKind.U16),
        ("target", FieldKind.STRING),
        priority_apart=True,
    ),
    RecordType.CAA: _form(("flags", FieldKind.U8), ("tag", FieldKind.TAG), ("value", FieldKind.STRING)),
    RecordType.CERT: _form(
        ("type", FieldKind.MNEMONIC16),
        ("key_tag", FieldKind.U16),
        ("algorithm", FieldKind.MNEMONIC8),
        ("certificate", FieldKind.BASE64),
    ),
    RecordType.DNSKEY: _form(
        ("flags", FieldKind.U16),
        ("protocol", FieldKind.U8),
        ("algorithm", FieldKind.MNEMONIC8),
        ("public_key", FieldKind.BASE64),
    ),
    RecordType.DS: _form(
        ("key_tag", FieldKind.U16),
        ("algorithm", FieldKind.MNEMONIC8),
        ("digest_type", FieldKind.U8),
        ("digest", FieldKind.HEX),
    ),
    RecordType.NAPTR: _form(
        ("order", FieldKind.U16),
        ("preference", FieldKind.U16),
        ("flags", FieldKind.STRING),
        ("service", FieldKind.STRING),
        ("regex", FieldKind.STRING),
        ("replacement", FieldKind.TARGET),
        root_target=True,  # RFC 3403: the regular expression stands instead
    ),
    RecordType.OPENPGPKEY: _form(("public_key", FieldKind.BASE64), has_data=False),
    RecordType.SSHFP: _form(
        ("algorithm", FieldKind.U8), ("type", FieldKind.U8), ("fingerprint", FieldKind.HEX)
    ),
    RecordType.TLSA: _ASSOCIATION,
    RecordType.SMIMEA: _ASSOCIATION,
    RecordType.HTTPS: _SERVICE_BINDING,
    RecordType.SVCB: _SERVICE_BINDING,
}

IGNORED_MEMBERS: Mapping[RecordType, frozenset[str]] = {
    # Clients repeat the owner's name in its parts; the record's own name counts.
    RecordType.SRV: frozenset({"service", "proto", "name"}),
}

NAME_TOKENS: Mapping[RecordType, int] = {
    kind: next(place for place, field in enumerate(form.fields) if field.kind is FieldKind.TARGET)
    for kind, form in FORMS.items()
    if any(field.kind is FieldKind.TARGET for field in form.fields)
}
"""Which token of a type's presentation is a domain name; a zone file may write it relative to $ORIGIN."""
