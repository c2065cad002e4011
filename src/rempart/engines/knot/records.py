"""RRsets as values: checked, compared, and the difference between two sets of them as operations. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from rempart.model.errors import InvalidInput
from rempart.snapshot.items import RRsetItem

SIGNER_TYPES = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "CDS", "CDNSKEY"})
"""Types that the signer alone writes; no item may bring them."""

_NEVER = SIGNER_TYPES | {"SOA"}
_PLAIN_NAME = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TYPE = re.compile(r"[A-Z][A-Z0-9]{0,15}", re.ASCII)

RRsetKey = tuple[str, str]
"""Owner (absolute, lower case, trailing dot) and type."""


@dataclass(frozen=True, slots=True)
class Records:
    """An RRset: ``rdata`` in presentation format with absolute names, sorted."""

    owner: str
    type: str
    ttl: int
    rdata: tuple[str, ...]

    @property
    def key(self) -> RRsetKey:
        return self.owner, self.type


@dataclass(frozen=True, slots=True)
class Operation:
    """A record to add (``ttl`` and ``rdata`` are given) or to take away (no ``rdata``: the whole RRset)."""

    add: bool
    owner: str
    type: str
    ttl: int | None = None
    rdata: str | None = None


@dataclass(frozen=True, slots=True)
class RRsetChange:
    """The operations that make one RRset right."""

    owner: str
    type: str
    operations: tuple[Operation, ...]

    @property
    def removal(self) -> bool:
        return not any(operation.add for operation in self.operations)

    def item_key(self, zone: str) -> str:
        """The key of the item this change came from."""
        return f"rrset/{zone}/{self.owner.rstrip('.')}/{self.type}"


def absolute(name: str) -> str:
    """``name`` in lower case with a trailing dot and one spelling of its escapes. Raises InvalidInput."""
    bare = name[:-1] if name.endswith(".") else name
    if _PLAIN_NAME.fullmatch(bare):
        text = f"{bare}."
    else:
        try:
            text = dns.name.from_text(name.lower()).canonicalize().to_text()
        except (dns.exception.DNSException, ValueError) as error:
            raise InvalidInput(f"not a domain name: {error}", field="name") from None
    if len(text) > 255:  # escapes make this longer than the name is on the wire; those names are refused too
        raise InvalidInput("longer than 255 octets", field="name")
    return text


def in_zone(owner: str, zone: str) -> bool:
    """True when ``owner`` is ``zone`` or below it; both absolute with trailing dot."""
    return owner == zone or owner.endswith(f".{zone}") or zone == "."


def parse_item(item: RRsetItem, *, signed: bool) -> Records:
    """The RRset of ``item``, every record parsed and written anew, so that what is sent is one record each.

    Raises InvalidInput for a name outside the zone, a type the signer owns, or rdata that does not parse.
    """
    rrset = item.rrset
    zone, owner = absolute(item.zone), absolute(rrset.name)
    if not in_zone(owner, zone):
        raise InvalidInput(f"{owner} is not in the zone {zone}", field="name")
    if not _TYPE.fullmatch(rrset.type):
        raise InvalidInput("not a record type", field="type")
    if rrset.type in _NEVER or (signed and rrset.type == "DNSKEY" and owner == zone):
        raise InvalidInput(f"{rrset.type} records are made by the name server", field="type")
    if not rrset.rdata:
        raise InvalidInput("an RRset has at least one record", field="rdata")
    texts = {_wire(rrset.type, text): text for text in (_rewritten(rrset.type, text) for text in rrset.rdata)}
    return Records(owner, rrset.type, rrset.ttl, tuple(sorted(texts.values())))


def _rdata(type_: str, text: str) -> dns.rdata.Rdata:
    if _CONTROL.search(text):
        raise InvalidInput("control characters in rdata", field="rdata")
    try:
        return dns.rdata.from_text(
            dns.rdataclass.IN, dns.rdatatype.from_text(type_), text, origin=None, relativize=False
        )
    except (dns.exception.DNSException, ValueError, KeyError, IndexError) as error:
        reason = str(error) or type(error).__name__
        raise InvalidInput(f"not {type_} data: {reason}", field="rdata") from None


def _rewritten(type_: str, text: str) -> str:
    return _rdata(type_, text).to_text()


def _wire(type_: str, text: str) -> bytes:
    """Canonical wire form (RFC 4034 section 6.2): what tells records apart, whatever their spelling."""
    try:
        return _rdata(type_, text).to_digestable()
    except (dns.name.NeedAbsoluteNameOrOrigin, dns.exception.DNSException, ValueError) as error:
        raise InvalidInput(f"names in rdata must be absolute: {error}", field="rdata") from None


def _identity(type_: str, text: str) -> bytes:
    """As _wire; what cannot be read, because it never was an item, is like nothing that is desired."""
    try:
        return _wire(type_, text)
    except InvalidInput:
        return b"unreadable " + text.encode()


def difference(desired: Records | None, observed: Records | None) -> RRsetChange | None:
    """What makes ``observed`` into ``desired``; None when they are the same RRset in whatever spelling."""
    if desired is None:
        if observed is None:
            return None
        return RRsetChange(*observed.key, (Operation(False, *observed.key),))
    add = [Operation(True, *desired.key, desired.ttl, text) for text in desired.rdata]
    if observed is None:
        return RRsetChange(*desired.key, tuple(add))
    if desired.ttl != observed.ttl:
        return RRsetChange(*desired.key, (Operation(False, *desired.key), *add))
    if set(desired.rdata) == set(observed.rdata):
        return None
    wanted = {_wire(desired.type, text): text for text in desired.rdata}
    present = {_identity(observed.type, text): text for text in observed.rdata}
    operations = [
        *(Operation(False, *desired.key, None, text) for wire, text in present.items() if wire not in wanted),
        *(
            Operation(True, *desired.key, desired.ttl, text)
            for wire, text in wanted.items()
            if wire not in present
        ),
    ]
    return RRsetChange(*desired.key, tuple(operations)) if operations else None


def differences(
    desired: Mapping[RRsetKey, Records], observed: Mapping[RRsetKey, Records]
) -> tuple[RRsetChange, ...]:
    """Everything that makes ``observed`` into ``desired``, removals first: a name must be rid of its A record
    before it can bear a CNAME."""
    keys = [*(key for key in observed if key not in desired), *desired]
    changes = [change for key in keys if (change := difference(desired.get(key), observed.get(key)))]
    return tuple(sorted(changes, key=lambda change: not change.removal))


def owned(rows: Iterable[Records], zone: str, *, signed: bool) -> dict[RRsetKey, Records]:
    """Of a zone's RRsets, those that items account for: not the SOA, and in a signed zone nothing that the
    signer writes. In an unsigned zone a left-over signature is something to be taken away."""
    apex = absolute(zone)
    kept: dict[RRsetKey, Records] = {}
    for row in rows:
        if row.type == "SOA":
            continue
        if signed and (row.type in SIGNER_TYPES or (row.type == "DNSKEY" and row.owner == apex)):
            continue
        kept[row.key] = row
    return kept
