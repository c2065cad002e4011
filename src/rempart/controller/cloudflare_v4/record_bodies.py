"""What clients send for records, in all the shapes they send it in."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field, field_validator

from rempart.controller.cloudflare_v4.bodies import PAGE_MAX, Body, PageQuery
from rempart.controller.intents.record_values import RecordFilter, RecordPatch, TagTest
from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_owner
from rempart.model.records import TTL_AUTO, Record, RecordDraft, RecordType


class RecordSettings(Body):
    flatten_cname: bool | None = None
    ipv4_only: bool = False
    ipv6_only: bool = False

    def check(self) -> None:
        for name in ("ipv4_only", "ipv6_only"):
            if getattr(self, name):
                raise InvalidInput(
                    "proxied names answer with all of the edge's addresses", field=f"settings.{name}"
                )


class _RecordMembers(Body):
    """What whole records and changes to records have in common."""

    echoed: ClassVar[frozenset[str]] = frozenset(
        (
            *("id", "zone_id", "zone_name", "created_on", "modified_on", "proxiable", "locked", "meta"),
            *("comment_modified_on", "tags_modified_on", "include_shadow_metadata"),
        )
    )

    type: RecordType | None = None
    name: str | None = Field(default=None, max_length=1_000)
    content: str | None = Field(default=None, max_length=200_000)
    data: dict[str, Any] | None = None
    priority: int | None = Field(default=None, ge=0, le=65535)
    ttl: int | None = None
    proxied: bool | None = None
    comment: str | None = Field(default=None, max_length=10_000)
    tags: tuple[str, ...] | None = Field(default=None, max_length=200)
    settings: RecordSettings | None = None
    private_routing: bool = False

    @field_validator("type", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @property
    def flatten(self) -> bool | None:
        if self.settings is None:
            return None
        self.settings.check()
        return self.settings.flatten_cname

    def check(self) -> None:
        if self.private_routing:
            raise InvalidInput("there are no private networks here", field="private_routing")


class RecordBody(_RecordMembers):
    """A whole record. Type, name and content may be left out of one that replaces another: they stay then."""

    @property
    def complete(self) -> bool:
        return self.type is not None and self.name is not None and bool(self.content or self.data)

    def draft(self, before: Record | None = None) -> RecordDraft:
        """The record as it is to be. InvalidInput when something is missing."""
        self.check()
        kind = self.type or (before.type if before else None)
        if kind is None:
            raise InvalidInput("a record has a type", field="type", code=CloudflareCode.RECORD_INVALID)
        name = self.name or (before.name if before else "")
        content, data, priority = self.content, self.data, self.priority
        if not content and not data and before is not None and before.type is kind:
            content, data = before.content, before.data
            priority = before.priority if priority is None else priority
        return RecordDraft(
            type=kind,
            name=name,
            content=content,
            data=data,
            priority=priority,
            ttl=TTL_AUTO if self.ttl is None else self.ttl,
            proxied=bool(self.proxied),
            flatten_cname=bool(self.flatten),
            comment=self.comment,
            tags=self.tags or (),
        )


class RecordChange(_RecordMembers):
    """Some of a record."""

    def patch(self) -> RecordPatch:
        """What is to change; the rest stays."""
        self.check()
        given = {
            name: getattr(self, name) for name in RecordPatch.model_fields if name in self.model_fields_set
        }
        if self.flatten is not None:
            given["flatten_cname"] = self.flatten
        return RecordPatch(**given)


class BatchDelete(Body):
    echoed: ClassVar[frozenset[str]] = RecordBody.echoed | frozenset(RecordBody.model_fields)

    id: str


class BatchPatch(RecordChange):
    id: str


class BatchPut(RecordBody):
    id: str


class BatchBody(Body):
    deletes: tuple[BatchDelete, ...] = ()
    patches: tuple[BatchPatch, ...] = ()
    puts: tuple[BatchPut, ...] = ()
    posts: tuple[RecordBody, ...] = ()

    @field_validator("deletes", "patches", "puts", "posts", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value is None else value


class RecordQuery(PageQuery):
    per_page: int = Field(default=100, ge=1, le=PAGE_MAX)
    type: str | None = None
    name: str | None = Field(default=None, validation_alias=AliasChoices("name.exact", "name"))
    name_contains: str | None = Field(default=None, alias="name.contains")
    name_startswith: str | None = Field(default=None, alias="name.startswith")
    name_endswith: str | None = Field(default=None, alias="name.endswith")
    content: str | None = Field(default=None, validation_alias=AliasChoices("content.exact", "content"))
    content_contains: str | None = Field(default=None, alias="content.contains")
    content_startswith: str | None = Field(default=None, alias="content.startswith")
    content_endswith: str | None = Field(default=None, alias="content.endswith")
    comment: str | None = Field(default=None, validation_alias=AliasChoices("comment.exact", "comment"))
    comment_contains: str | None = Field(default=None, alias="comment.contains")
    comment_startswith: str | None = Field(default=None, alias="comment.startswith")
    comment_endswith: str | None = Field(default=None, alias="comment.endswith")
    comment_present: str | None = Field(default=None, alias="comment.present")
    comment_absent: str | None = Field(default=None, alias="comment.absent")
    tag_exact: str | None = Field(default=None, validation_alias=AliasChoices("tag.exact", "tag"))
    tag_contains: str | None = Field(default=None, alias="tag.contains")
    tag_startswith: str | None = Field(default=None, alias="tag.startswith")
    tag_endswith: str | None = Field(default=None, alias="tag.endswith")
    tag_present: str | None = Field(default=None, alias="tag.present")
    tag_absent: str | None = Field(default=None, alias="tag.absent")
    tag_match: Literal["any", "all"] = Field(
        default="all", validation_alias=AliasChoices("tag_match", "tag-match")
    )
    proxied: bool | None = None
    search: str | None = None
    match: Literal["any", "all"] = "all"
    order: Literal["type", "name", "content", "ttl", "proxied"] = "name"
    direction: Literal["asc", "desc"] = "asc"


def filter_of(query: RecordQuery, zone: str) -> RecordFilter:
    """The filter that the query means in ``zone``. An unknown type is InvalidInput."""
    kind = None if query.type is None else _kind(query.type)
    tests = tuple(
        TagTest(operator=operator, text=text)
        for operator in ("exact", "contains", "startswith", "endswith", "present", "absent")
        if (text := getattr(query, f"tag_{operator}")) is not None
    )
    has_comment = None
    if query.comment_present is not None:
        has_comment = True
    elif query.comment_absent is not None:
        has_comment = False
    return RecordFilter(
        type=kind,
        name=None if query.name is None else _owner(query.name, zone),
        name_contains=query.name_contains,
        name_startswith=query.name_startswith,
        name_endswith=query.name_endswith,
        content=query.content,
        content_contains=query.content_contains,
        content_startswith=query.content_startswith,
        content_endswith=query.content_endswith,
        comment=query.comment,
        comment_contains=query.comment_contains,
        comment_startswith=query.comment_startswith,
        comment_endswith=query.comment_endswith,
        has_comment=has_comment,
        tags=tests,
        tag_match=query.tag_match,
        proxied=query.proxied,
        search=query.search,
        match=query.match,
        order=query.order,
        descending=query.direction == "desc",
    )


def _kind(text: str) -> RecordType:
    try:
        return RecordType(text.upper())
    except ValueError as error:
        raise InvalidInput("no such record type", field="type") from error


def _owner(text: str, zone: str) -> str:
    """The canonical name; a text that is no name of the zone matches nothing."""
    try:
        return parse_owner(text, zone) if text == "@" or text.endswith(".") or "." in text else text.lower()
    except InvalidInput:
        return text
