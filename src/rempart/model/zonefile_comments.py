"""What a zone file's comments say of a record: its own comment, its tags, whether it is proxied.

Cloudflare's convention, so that files can travel: ``; comment cf_tags=name:value,cf-proxied:true``.
A tag's value with ``"``, ``=``, ``,`` or a backslash in it is written as a JSON string.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from rempart.model.records import PROXIABLE, RecordFields

_MARK = "cf_tags="
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Annotation:
    """A record's comment in a zone file, taken apart."""

    comment: str | None = None
    tags: tuple[str, ...] = ()
    proxied: bool | None = None
    """None when nothing is said."""
    flatten_cname: bool = False
    unread: bool = False
    """There was a ``cf_tags=`` that is not a list of tags; it was taken as part of the comment."""


def read_annotation(comment: str) -> Annotation:
    """The annotation in ``comment``, which is without its semicolon. The last ``cf_tags=`` counts."""
    start = comment.rfind(_MARK)
    if start < 0 or (start > 0 and comment[start - 1] not in " \t"):
        return Annotation(comment=comment or None)
    tags = _read_tags(comment[start + len(_MARK) :].strip())
    if tags is None:
        return Annotation(comment=comment, unread=True)
    proxied: bool | None = None
    flatten = False
    own = []
    for name, value in tags:
        if name == "cf-proxied" and value in ("true", "false"):
            proxied = value == "true"
        elif name == "cf-flatten-cname":
            flatten = value != "false"
        elif not name.startswith("cf-"):
            own.append(f"{name}:{value}")
    return Annotation(comment[:start].strip() or None, tuple(own), proxied, flatten)


def _read_tags(text: str) -> list[tuple[str, str]] | None:
    tags: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        end = min((at for at in (text.find(sign, position) for sign in ":,") if at >= 0), default=len(text))
        name = text[position:end].strip().lower()
        if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
            return None
        value = ""
        if text[end : end + 2] == ':"':
            try:
                decoded, end = _DECODER.raw_decode(text, end + 1)
            except (ValueError, RecursionError):
                return None
            value = str(decoded)
        elif text[end : end + 1] == ":":
            start, end = end + 1, text.find(",", end)
            end = len(text) if end < 0 else end
            value = text[start:end].strip()
            if any(sign in value for sign in '"=\\'):
                return None
        if end < len(text) and text[end] != ",":
            return None
        tags.append((name, value))
        position = end + 1
    return tags


def write_annotation(record: RecordFields) -> str:
    """The comment of ``record``, beginning with `` ; ``; empty when there is nothing to say."""
    tags = [_written_tag(tag) for tag in record.tags]
    if record.flatten_cname:
        tags.append("cf-flatten-cname")
    if record.type in PROXIABLE:
        tags.append(f"cf-proxied:{'true' if record.proxied else 'false'}")
    words = [record.comment] if record.comment else []
    if tags or (record.comment and _MARK in record.comment):
        words.append(_MARK + ",".join(tags))
    return f" ; {' '.join(words)}" if words else ""


def _written_tag(tag: str) -> str:
    name, _, value = tag.partition(":")
    if not value:
        return name
    if any(sign in value for sign in '"=,\\'):
        # An equals sign never stands as such, so the last cf_tags= of a line is always the real one.
        value = json.dumps(value, ensure_ascii=False).replace("=", "\\u003d")
    return f"{name}:{value}"
