"""From what an owner sent (RecordDraft) to a validated record (RecordFields).

The API, the zone file reader and the command line all come through ``parse_record``; the store keeps only
what it returned. Parsing what it returned gives the same again. Which records may stand beside each other
is ``coexistence``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache

from rempart.model import rdata
from rempart.model.coexistence import check_coexistence, coexistence_warnings
from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_owner, parse_zone_name, shown
from rempart.model.records import PROXIABLE, TTL_AUTO, RecordDraft, RecordFields, RecordType

__all__ = ["TTL_MAX", "TTL_MIN", "check_coexistence", "coexistence_warnings", "parse_record"]

TTL_MIN = 30
TTL_MAX = 86_400
COMMENT_MAX = 500
TAGS_MAX = 20
TAG_NAME_MAX = 32
TAG_VALUE_MAX = 100

_TAG_NAME = re.compile(rf"[a-z0-9_-]{{1,{TAG_NAME_MAX}}}")


def parse_record(zone: str, draft: RecordDraft) -> RecordFields:
    """The record that ``draft`` means in ``zone``, every field canonical.

    The name may be ``@``, short or full; content may be Cloudflare's text or its ``data``, of which ``data``
    wins when both are given. A proxied record's TTL is automatic. Raises InvalidInput whose ``field`` is
    the draft's (``name``, ``content``, ``data.port``, ``ttl`` …); nothing else.
    """
    zone = parse_zone_name(zone)
    kind = draft.type
    name = _owner(zone, draft)
    if not (draft.ttl == TTL_AUTO or TTL_MIN <= draft.ttl <= TTL_MAX):
        raise InvalidInput(
            f"a TTL is {TTL_AUTO} (automatic) or from {TTL_MIN} to {TTL_MAX} seconds",
            field="ttl",
            code=CloudflareCode.TTL_INVALID,
        )
    if draft.proxied and kind not in PROXIABLE:
        raise InvalidInput(
            f"a {kind} record cannot be proxied",
            field="proxied",
            hint="only A, AAAA and CNAME records can",
            code=CloudflareCode.PROXIED_INVALID,
        )
    if draft.flatten_cname and kind is not RecordType.CNAME:
        raise InvalidInput(f"a {kind} record has nothing to flatten", field="flatten_cname")
    _refuse_misplaced(kind, name, zone)
    if draft.data and (not draft.content or rdata.has_data_form(kind)):
        parsed = rdata.from_data(kind, draft.data, zone, draft.priority)
    elif draft.content:
        parsed = rdata.from_content(kind, draft.content, zone, draft.priority)
    else:
        raise InvalidInput(
            f"{kind} records need content", field="content", code=CloudflareCode.RECORD_INVALID
        )
    if kind is RecordType.CNAME and parsed.content == name:
        raise InvalidInput(
            "a CNAME cannot point to itself", field="content", code=CloudflareCode.RECORD_INVALID
        )
    return RecordFields(
        type=kind,
        name=name,
        content=parsed.content,
        rdata=parsed.rdata,
        data=parsed.data,
        priority=parsed.priority,
        ttl=TTL_AUTO if draft.proxied else draft.ttl,
        proxied=draft.proxied,
        flatten_cname=draft.flatten_cname,
        comment=_comment(draft.comment),
        tags=_tags(draft.tags) if draft.tags else (),
    )


def _owner(zone: str, draft: RecordDraft) -> str:
    if draft.name or draft.type is not RecordType.SRV:
        return parse_owner(draft.name, zone)
    # Older clients give an SRV record's name in its parts only (RFC 2782: _service._proto.name).
    parts = [str((draft.data or {}).get(part) or "")[:300] for part in ("service", "proto", "name")]
    if not all(parts):
        raise InvalidInput("a name is needed", field="name")
    base = parse_owner(parts[2], zone)
    return parse_owner(f"{parts[0]}.{parts[1]}.{base}", zone)


def _refuse_misplaced(kind: RecordType, name: str, zone: str) -> None:
    if kind is RecordType.NS and name == zone:
        raise InvalidInput(
            "the zone's own name servers are the operator's, not records of it",
            field="name",
            hint="NS records delegate names below the zone",
        )
    if kind is RecordType.DS and name == zone:
        raise InvalidInput("a zone's own DS records stand in its parent zone", field="name")
    if kind in (RecordType.NS, RecordType.DS) and name.startswith("*."):
        raise InvalidInput("a wildcard cannot be delegated (RFC 4592 section 4.2)", field="name")


def _comment(comment: str | None) -> str | None:
    comment = (comment or "").strip()
    if len(comment) > COMMENT_MAX:
        raise InvalidInput(f"{len(comment)} characters; {COMMENT_MAX} are allowed", field="comment")
    _refuse_unprintable(comment, "comment")
    return comment or None


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    if len(tags) > TAGS_MAX:
        raise InvalidInput(f"{len(tags)} tags; {TAGS_MAX} are allowed", field="tags")
    return tuple(dict.fromkeys(_tag(tag) for tag in tags))


@lru_cache(maxsize=1024)
def _tag(tag: str) -> str:
    name, _, value = tag.partition(":")
    name, value = name.strip().lower(), value.strip()
    if not _TAG_NAME.fullmatch(name):
        raise InvalidInput(
            f"{shown(tag)}: a tag is name:value, its name 1 to {TAG_NAME_MAX} letters, digits, - and _",
            field="tags",
        )
    if name.startswith("cf-"):
        raise InvalidInput(f"{shown(tag)}: names that begin with cf- are reserved", field="tags")
    if len(value) > TAG_VALUE_MAX:
        raise InvalidInput(f"{shown(tag)}: a value has at most {TAG_VALUE_MAX} characters", field="tags")
    _refuse_unprintable(value, "tags")
    return f"{name}:{value}"


def _refuse_unprintable(text: str, field: str) -> None:
    """Only graphic characters: these texts go into zone files, where a line's end begins a record."""
    if text.isascii() and text.isprintable():
        return
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise InvalidInput(f"{json.dumps(character)} is not allowed", field=field)
