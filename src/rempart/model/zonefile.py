"""Zone files (RFC 1035 section 5): how a zone comes to us from another operator, and how it leaves.

``read_zone_file`` says of every record that it does not take why not, and refuses a file with a faulty one,
naming the lines. ``write_zone_file`` writes what it reads back the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.rdatatype
from pydantic import Field

from rempart.model.base import Value
from rempart.model.errors import InvalidInput
from rempart.model.master_file import Entry, entries, ttl_seconds
from rempart.model.names import parse_domain_name, parse_zone_name, shown, within
from rempart.model.record_forms import NAME_TOKENS
from rempart.model.record_parsing import COMMENT_MAX, TTL_MAX, TTL_MIN, parse_record
from rempart.model.records import PROXIABLE, TTL_AUTO, RecordDraft, RecordFields, RecordType
from rempart.model.zonefile_comments import read_annotation, write_annotation

SIZE_MAX = 64 * 1024 * 1024
"""Octets of a file."""
RECORDS_MAX = 500_000
ERRORS_SHOWN = 10

_TYPES = {kind.value: kind for kind in RecordType}
_CLASSES = frozenset({"IN", "CH", "HS", "CS", "NONE", "ANY"})
_SIGNING = frozenset(
    [
        *("RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "SIG", "KEY", "NXT"),
        *("DLV", "CSYNC", "ZONEMD", "TYPE65534"),
    ]
)
"""Types that signers make (the last is BIND's own note of its progress); ours makes them anew."""
_ADVICE = {"SPF": "RFC 7208 has TXT records for this", "ALIAS": "write a CNAME", "ANAME": "write a CNAME"}


class Skipped(Value):
    """A record that was not taken, or what was changed in one that was."""

    line: int
    name: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """What a zone file says."""

    records: tuple[RecordFields, ...]
    """In the file's order, validated, without duplicates."""
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    """What was changed in records that were taken, in words."""

    @property
    def drafts(self) -> tuple[RecordDraft, ...]:
        """The records as drafts; ``parse_record`` makes each into its record again."""
        return tuple(
            RecordDraft(
                type=record.type,
                name=record.name,
                content=record.content,
                priority=record.priority,
                ttl=record.ttl,
                proxied=record.proxied,
                flatten_cname=record.flatten_cname,
                comment=record.comment,
                tags=record.tags,
            )
            for record in self.records
        )


def read_zone_file(text: str, zone: str, *, proxied: bool = False) -> ZoneFile:
    """The records of ``zone`` in ``text``, which is a master file as RFC 1035 has it, with $TTL (RFC 2308).

    ``proxied`` holds for A, AAAA and CNAME records that say nothing themselves. Skipped are the SOA, the
    zone's own NS and DS records, what signers make, unknown types, other classes, names outside the zone,
    duplicates. TTLs outside of what is allowed are moved to its bounds, with a note.

    Raises InvalidInput(field="line N") for broken syntax, faulty records (the message lists the first ten),
    $INCLUDE and $GENERATE; with field "file" for more than 64 MiB or 500,000 records, and for a file
    that has neither a record of the zone nor its SOA.
    """
    if len(text) > SIZE_MAX or (not text.isascii() and len(text.encode(errors="replace")) > SIZE_MAX):
        raise InvalidInput(f"the file is larger than {SIZE_MAX // 2**20} MiB", field="file")
    reader = _Reader(parse_zone_name(zone), proxied)
    for number, entry in enumerate(entries(text.removeprefix("\ufeff")), start=1):
        if number > RECORDS_MAX:
            raise InvalidInput(f"the file has more than {RECORDS_MAX} records", field="file")
        reader.take(entry)
    return reader.result()


@dataclass(slots=True)
class _Line:
    """A record's entry, its parts told apart."""

    owner: str
    ttl: int | None
    kind: str
    words: list[str]


class _Reader:
    """The state that a master file's lines leave for those after them."""

    def __init__(self, zone: str, proxied: bool) -> None:
        self._zone = zone
        self._proxied = proxied
        self._origin = zone  # "" is the root
        self._owner: str | None = None
        self._default_ttl: int | None = None
        self._last_ttl: int | None = None
        self._records: list[RecordFields] = []
        self._seen: set[tuple[str, str, str]] = set()
        self._skipped: list[Skipped] = []
        self._errors: list[InvalidInput] = []
        self._moved_ttls: dict[int, list[int]] = {}
        self._dotless = [0, 0]  # the first line, and how many
        self._notes: list[str] = []
        self._has_soa = False

    def take(self, entry: Entry) -> None:
        where = f"line {entry.line}"
        try:
            if entry.words[0].startswith("$") and not entry.indented:
                self._directive(entry.words)
            else:
                self._record(entry)
        except InvalidInput as error:
            at = f"{error.field}: " if error.field and error.field != "content" else ""
            self._errors.append(
                InvalidInput(at + error.message, field=where, hint=error.hint, code=error.code)
            )
            if len(self._errors) == ERRORS_SHOWN:
                raise self._all_errors() from None

    def result(self) -> ZoneFile:
        if self._errors:
            raise self._all_errors()
        if not self._records and not self._has_soa:
            found = [f" (line {one.line}: {one.name} {one.type}: {one.reason})" for one in self._skipped[:1]]
            raise InvalidInput(f"it holds no record of {self._zone}{''.join(found)}", field="file")
        notes = list(self._notes)
        for ttl, lines in sorted(self._moved_ttls.items()):
            first, count = lines
            kept = min(max(ttl, TTL_MIN), TTL_MAX)
            notes.append(f"TTL {ttl} became {kept} in {count} records, the first in line {first}")
        if self._dotless[1]:
            first, count = self._dotless
            notes.append(
                f"{count} names end in {self._zone} without a trailing dot and so are below it, "
                f"the first in line {first}"
            )
        return ZoneFile(tuple(self._records), tuple(self._skipped), tuple(notes))

    def _all_errors(self) -> InvalidInput:
        first, *others = self._errors
        message = "; ".join([first.message, *(f"{error.field}: {error.message}" for error in others)])
        return InvalidInput(message, field=first.field, hint=first.hint, code=first.code)

    def _directive(self, words: list[str]) -> None:
        name = words[0].upper()
        if name == "$ORIGIN" and len(words) == 2:
            origin = self._absolute(words[1])
            self._origin = parse_domain_name(origin) if origin else ""
        elif name == "$TTL" and len(words) == 2 and (ttl := ttl_seconds(words[1])) is not None:
            self._default_ttl = ttl
        elif name in ("$ORIGIN", "$TTL"):
            raise InvalidInput(f"{name} needs one {'name' if name == '$ORIGIN' else 'TTL'}")
        elif name in ("$INCLUDE", "$GENERATE"):
            raise InvalidInput(f"{name} is not carried out here", hint="give the records themselves")
        else:
            raise InvalidInput(f"{shown(words[0])} is not a directive of RFC 1035 or RFC 2308")

    def _record(self, entry: Entry) -> None:
        line = self._split(entry)
        if not within(line.owner, self._zone):
            return self._skip(entry, line, f"outside the zone {self._zone}")
        self._has_soa |= line.kind == "SOA"
        reason = self._why_skip(line)
        if reason:
            return self._skip(entry, line, reason)
        kind = _TYPES[line.kind]
        annotation = read_annotation(entry.comment)
        if annotation.unread:
            self._notes.append(
                f"line {entry.line}: cf_tags= is not followed by tags and was left in the comment"
            )
        comment = annotation.comment
        if comment:
            comment = "".join(letter for letter in comment if letter.isprintable())
            if len(comment) > COMMENT_MAX:
                comment = comment[:COMMENT_MAX]
                self._notes.append(f"line {entry.line}: the comment was cut to {COMMENT_MAX} characters")
        says = annotation.proxied if annotation.proxied is not None else self._proxied
        record = parse_record(
            self._zone,
            RecordDraft(
                type=kind,
                name=line.owner,
                content=self._content(kind, line.words),
                ttl=self._ttl(line.ttl, entry.line),
                proxied=says and kind in PROXIABLE,
                flatten_cname=annotation.flatten_cname and kind is RecordType.CNAME,
                comment=comment,
                tags=annotation.tags,
            ),
        )
        identity = (record.name, record.type.value, record.rdata)
        if identity in self._seen:
            return self._skip(entry, line, "the same record stood before")
        self._seen.add(identity)
        self._records.append(record)

    def _split(self, entry: Entry) -> _Line:
        words = entry.words
        if entry.indented:
            if self._owner is None:
                raise InvalidInput("the first record has no owner name")
            place = 0
        else:
            self._owner = parse_domain_name(self._absolute(words[0]) or ".", wildcard=True)
            place = 1
            if self._owner.endswith(f"{self._zone}.{self._zone}") and not words[0].endswith("."):
                self._dotless = [self._dotless[0] or entry.line, self._dotless[1] + 1]
        ttl: int | None = None
        rdclass: str | None = None
        while place < len(words):
            word = words[place]
            upper = word.upper()
            if ttl is None and word[0].isdigit() and (seconds := ttl_seconds(word)) is not None:
                ttl = seconds
            elif rdclass is None and (upper in _CLASSES or (upper[:5] == "CLASS" and upper[5:].isdigit())):
                rdclass = "IN" if upper == "CLASS1" else upper
            else:
                break
            place += 1
        if place == len(words):
            raise InvalidInput("the record has no type")
        kind = _known_type(words[place])
        if rdclass not in (None, "IN"):
            kind = f"{rdclass} {kind}"
        if ttl is not None:
            self._last_ttl = ttl
        return _Line(self._owner, ttl, kind, words[place + 1 :])

    def _why_skip(self, line: _Line) -> str | None:
        kind = line.kind
        if " " in kind:
            return "only records of class IN are kept"
        if kind == "SOA":
            return "the SOA record is made here"
        if kind in _SIGNING:
            return "the zone is signed anew here"
        if kind not in _TYPES:
            if kind in _ADVICE:
                return f"records of type {kind} are not kept: {_ADVICE[kind]}"
            return f"records of type {kind} are not kept{'' if _has_a_number(kind) else ', nor known here'}"
        if line.owner == self._zone and kind in ("NS", "DS"):
            own = "name servers" if kind == "NS" else "DS records"
            return f"the zone's own {own} are not records of it: they change with the operator"
        return None

    def _skip(self, entry: Entry, line: _Line, reason: str) -> None:
        self._skipped.append(Skipped(line=entry.line, name=line.owner, type=line.kind, reason=reason))

    def _absolute(self, word: str) -> str:
        """``word`` as an absolute name without trailing dot; the root is empty."""
        if word == "@":
            return self._origin
        if word.endswith(".") and not word.endswith("\\."):
            return word[:-1]
        return f"{word}.{self._origin}" if self._origin else word

    def _content(self, kind: RecordType, words: list[str]) -> str:
        if not words:
            raise InvalidInput(f"the {kind} record has no data")
        if words[0] != "\\#":
            place = NAME_TOKENS.get(kind)
            if place is not None and place < len(words):
                words[place] = self._absolute(words[place]) + "."
            elif kind is RecordType.TXT:
                # Each word is a string of its own here, quoted or not; in the API bare text is one string.
                words = [word if word.startswith('"') else f'"{word}"' for word in words]
        return " ".join(words)

    def _ttl(self, stated: int | None, line: int) -> int:
        ttl = stated
        if ttl is None:
            ttl = self._default_ttl if self._default_ttl is not None else self._last_ttl
        if ttl is None or ttl == TTL_AUTO:
            return TTL_AUTO
        if TTL_MIN <= ttl <= TTL_MAX:
            return ttl
        self._moved_ttls.setdefault(ttl, [line, 0])[1] += 1
        return min(max(ttl, TTL_MIN), TTL_MAX)


def _known_type(word: str) -> str:
    """The mnemonic of a type, also of ``TYPE65`` (RFC 3597 section 5); upper case."""
    kind = word.upper()
    if kind in _TYPES:
        return kind
    if not kind.isascii() or not kind.replace("-", "").isalnum() or not kind[0].isalpha() or len(kind) > 20:
        raise InvalidInput(f"{shown(word)} is not a record type")
    if kind.startswith("TYPE"):
        try:
            return str(dns.rdatatype.to_text(dns.rdatatype.from_text(kind)))
        except (dns.exception.DNSException, ValueError):
            raise InvalidInput(f"{shown(word)} is not a record type") from None
    return kind


def _has_a_number(kind: str) -> bool:
    """Whether ``kind`` is a type at all."""
    try:
        dns.rdatatype.from_text(kind)
    except (dns.exception.DNSException, ValueError):
        return False
    return True


class Soa(Value):
    """The SOA record of a written zone file (RFC 1035 section 3.3.13); names canonical."""

    mname: str
    rname: str
    serial: int = Field(ge=0, le=2**32 - 1)
    refresh: int = 10_000
    retry: int = 2_400
    expire: int = 604_800
    minimum: int = 1_800
    ttl: int = 3_600


def write_zone_file(
    zone: str,
    records: Iterable[RecordFields],
    *,
    soa: Soa | None = None,
    name_servers: Sequence[str] = (),
    name_server_ttl: int = TTL_MAX,
    auto_ttl: int = TTL_AUTO,
) -> str:
    """A zone file of ``records``, in the DNSSEC order of names (RFC 4034 section 6.1), all names absolute.

    An automatic TTL is written as ``auto_ttl``: 1 as Cloudflare does, and as ``read_zone_file`` knows it;
    a file for another name server needs seconds. Without ``soa`` and ``name_servers`` there are none.
    """
    zone = parse_zone_name(zone)
    lines = [f"$ORIGIN {zone}."]
    if soa is not None:
        numbers = f"{soa.serial} {soa.refresh} {soa.retry} {soa.expire} {soa.minimum}"
        lines.append(f"{zone}.\t{soa.ttl}\tIN\tSOA\t{soa.mname}. {soa.rname}. {numbers}")
    lines.extend(f"{zone}.\t{name_server_ttl}\tIN\tNS\t{name}." for name in name_servers)
    for record in sorted(records, key=_order):
        ttl = auto_ttl if record.ttl == TTL_AUTO else record.ttl
        lines.append(f"{record.name}.\t{ttl}\tIN\t{record.type}\t{record.rdata}{write_annotation(record)}")
    return "\n".join(lines) + "\n"


def _order(record: RecordFields) -> tuple[list[str], str, str]:
    return record.name.split(".")[::-1], record.type, record.rdata
