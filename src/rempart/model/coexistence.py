"""Which records may stand at one name: asked before a record is written, with those that are there already.

A CNAME that is served as one must be alone (RFC 1034 section 3.6.2). A CNAME that is never served as one
(proxied, flattened, or at the zone's apex) may have neighbours of other types, as at Cloudflare, since
visitors then get addresses in its place. A and AAAA never stand beside a CNAME, served or not: both would
say what the name's address is.
"""

from __future__ import annotations

from collections.abc import Iterable

from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import Conflict
from rempart.model.records import RecordFields, RecordType

_ADDRESSES = frozenset({RecordType.A, RecordType.AAAA})


def check_coexistence(
    existing: Iterable[RecordFields],
    new: RecordFields,
    *,
    zone: str | None = None,
    flatten_all_cnames: bool = False,
) -> None:
    """Raise Conflict when ``new`` cannot stand beside ``existing``; its ``code`` is a CloudflareCode.

    ``existing`` are records of the zone without the one that ``new`` replaces; those of other names are
    passed over. With ``zone`` (canonical) the DNS's own rule is held too, that a CNAME served as such is
    alone; without it only Cloudflare's are, since an apex cannot be told from another name.
    """

    def served(record: RecordFields) -> bool:
        return not (
            record.proxied
            or record.flatten_cname
            or flatten_all_cnames
            or zone is None
            or record.name == zone
        )

    for record in existing:
        if record.name != new.name:
            continue
        if record.type == new.type and record.rdata == new.rdata:
            raise _duplicate(record, new)
        if RecordType.CNAME in (record.type, new.type):
            _check_beside_cname(record, new, served(record if record.type is RecordType.CNAME else new))


def _duplicate(record: RecordFields, new: RecordFields) -> Conflict:
    identical = (record.ttl, record.proxied) == (new.ttl, new.proxied)
    return Conflict(
        "an identical record already exists"
        if identical
        else "the record already exists with other settings",
        field="content",
        code=CloudflareCode.IDENTICAL_RECORD_EXISTS if identical else CloudflareCode.RECORD_EXISTS,
    )


def _check_beside_cname(record: RecordFields, new: RecordFields, served: bool) -> None:
    other = record.type if new.type is RecordType.CNAME else new.type
    if new.type is RecordType.CNAME:
        code = CloudflareCode.ADDRESS_OR_CNAME_EXISTS
        message = f"{new.name} has {record.type} records; a CNAME cannot stand beside them"
    else:
        code = CloudflareCode.CNAME_EXISTS
        message = f"{new.name} has a CNAME record; {new.type} records cannot stand beside it"
    if other in _ADDRESSES or other in (RecordType.CNAME, RecordType.NS):
        raise Conflict(message, field="name", code=code)
    if served:
        raise Conflict(
            message, field="name", hint="a proxied or flattened CNAME may have neighbours", code=code
        )


def coexistence_warnings(existing: Iterable[RecordFields], new: RecordFields) -> tuple[str, ...]:
    """What is allowed but hardly meant, in words for the owner; ``existing`` as in check_coexistence."""
    beside = {record.type for record in existing if record.name == new.name}
    warnings = []
    if new.type is RecordType.DS and RecordType.NS not in beside:
        warnings.append(f"{new.name} has no NS records: its DS record says nothing until it has")
    delegated = RecordType.NS in beside or new.type is RecordType.NS
    others = (beside | {new.type}) - {RecordType.NS, RecordType.DS}
    if delegated and others - _ADDRESSES:
        hidden = ", ".join(sorted(others - _ADDRESSES))
        warnings.append(f"{new.name} is delegated by NS records: its {hidden} records are not seen")
    if delegated and new.proxied:
        warnings.append(f"{new.name} is delegated by NS records: visitors are not proxied")
    return tuple(warnings)
