"""What callers hand to the record intents beside whole drafts, and what they get back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from rempart.model.base import Value
from rempart.model.records import Record, RecordDraft, RecordType
from rempart.model.zones import Zone


class RecordPatch(Value):
    """Fields to change; those not given stay (``model_fields_set`` tells)."""

    type: RecordType | None = None
    name: str | None = None
    content: str | None = None
    data: dict[str, Any] | None = None
    priority: int | None = Field(default=None, ge=0, le=65535)
    ttl: int | None = None
    proxied: bool | None = None
    flatten_cname: bool | None = None
    comment: str | None = None
    tags: tuple[str, ...] | None = None

    def applied_to(self, record: Record) -> RecordDraft:
        """The draft of ``record`` with the patch's fields in place of its own."""
        fields = {name: getattr(record, name) for name in RecordDraft.model_fields}
        given = {name: getattr(self, name) for name in self.model_fields_set}
        # None is a value for what may be absent; elsewhere it means "not given", as clients send it.
        given = {
            name: value
            for name, value in given.items()
            if value is not None or name in ("comment", "priority", "data", "content")
        }
        if given.get("content") is None and given.get("data") is None:
            given.pop("content", None)
            given.pop("data", None)
        elif given.get("data") is None:
            fields["data"] = None
        else:
            fields["content"] = given.pop("content", None)
        if "data" not in given and self.type not in (None, record.type):
            fields["data"] = None
        if "priority" in given and given["priority"] is not None and fields["data"] is not None:
            fields["data"] = None if fields["content"] is not None else fields["data"]
        return RecordDraft(**{**fields, **given})


class TagTest(Value):
    """A test of a record's tags, which are ``name:value`` each. ``text`` is a tag's name for ``present`` and
    ``absent``, a name and a (part of a) value otherwise."""

    operator: Literal["present", "absent", "exact", "contains", "startswith", "endswith"]
    text: str

    def holds(self, tags: Iterable[str]) -> bool:
        name, _, wanted = self.text.partition(":")
        name, wanted = name.strip().lower(), wanted.strip().lower()
        values = [value.lower() for tag in tags for (key, _, value) in (tag.partition(":"),) if key == name]
        match self.operator:
            case "present":
                return bool(values)
            case "absent":
                return not values
            case "exact":
                return wanted in values
            case "contains":
                return any(wanted in value for value in values)
            case "startswith":
                return any(value.startswith(wanted) for value in values)
            case "endswith":
                return any(value.endswith(wanted) for value in values)


class RecordFilter(Value):
    """Which records to list; all that is given must hold, or any of it."""

    type: RecordType | None = None
    name: str | None = None
    name_contains: str | None = None
    name_startswith: str | None = None
    name_endswith: str | None = None
    content: str | None = None
    content_contains: str | None = None
    content_startswith: str | None = None
    content_endswith: str | None = None
    comment: str | None = None
    comment_contains: str | None = None
    comment_startswith: str | None = None
    comment_endswith: str | None = None
    has_comment: bool | None = None
    tags: tuple[TagTest, ...] = ()
    tag_match: Literal["all", "any"] = "all"
    proxied: bool | None = None
    search: str | None = None
    """Text in name, content or comment."""
    match: Literal["all", "any"] = "all"
    order: Literal["name", "type", "content", "ttl", "proxied"] = "name"
    descending: bool = False


class RecordBatch(Value):
    """Changes to one zone that are made together or not at all; in this order, as in Cloudflare's API."""

    deletes: tuple[str, ...] = ()
    patches: tuple[tuple[str, RecordPatch], ...] = ()
    puts: tuple[tuple[str, RecordDraft], ...] = ()
    posts: tuple[RecordDraft, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordsChanged:
    """The records that a batch left, in the order of the request; the deleted ones as they were."""

    deletes: tuple[Record, ...]
    patches: tuple[Record, ...]
    puts: tuple[Record, ...]
    posts: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the drafts of an import."""

    added: int
    changed: int
    unchanged: int
    removed: int


@dataclass(frozen=True, slots=True)
class ZoneImported:
    """An import, and the zone that it made or found."""

    zone: Zone
    created: bool
    records: Imported
