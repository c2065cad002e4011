"""Which records of a zone to list."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from rempart.controller.intents.record_values import RecordFilter
from rempart.controller.store.tables import RecordRow
from rempart.model.errors import InvalidInput
from rempart.model.rdata import from_content
from rempart.model.records import RecordType

TAGGED_MAX = 20_000
"""Records that tag tests may select: their ids are named in the query."""


def condition_of(session: Session, zone_id: str, wanted: RecordFilter) -> ColumnElement[bool]:
    """The records of the zone that the filter means. InvalidInput when its tag tests select too many."""
    tests = [*_equalities(wanted), *_parts(wanted), *_tag_tests(session, zone_id, wanted)]
    here = RecordRow.zone_id == zone_id
    if not tests:
        return here
    return and_(here, or_(*tests) if wanted.match == "any" else and_(*tests))


def _equalities(wanted: RecordFilter) -> list[ColumnElement[bool]]:
    row = RecordRow
    exactly = ((row.type, wanted.type), (row.name, wanted.name))
    conditions = [attribute == str(exact) for attribute, exact in exactly if exact is not None]
    if wanted.content is not None:
        conditions.append(row.content.in_(_same_contents(wanted.content)))
    if wanted.comment is not None:
        conditions.append(func.lower(row.comment) == wanted.comment.lower())
    if wanted.has_comment is not None:
        conditions.append(row.comment.is_not(None) if wanted.has_comment else row.comment.is_(None))
    if wanted.proxied is not None:
        conditions.append(row.proxied.is_(wanted.proxied))
    return conditions


def _same_contents(text: str) -> set[str]:
    """The forms in which ``text`` may be stored: text records are quoted, targets lack their last dot."""
    forms = {text, text.removesuffix(".")}
    with suppress(InvalidInput):
        forms.add(from_content(RecordType.TXT, text, "", None).content)
    return forms


def _parts(wanted: RecordFilter) -> list[ColumnElement[bool]]:
    row = RecordRow
    conditions: list[ColumnElement[bool]] = []
    parts: tuple[tuple[ColumnElement[Any], str | None, str | None, str | None], ...] = (
        (func.lower(row.name), wanted.name_contains, wanted.name_startswith, wanted.name_endswith),
        (
            func.lower(row.content),
            wanted.content_contains,
            wanted.content_startswith,
            wanted.content_endswith,
        ),
        (
            func.lower(row.comment),
            wanted.comment_contains,
            wanted.comment_startswith,
            wanted.comment_endswith,
        ),
    )
    for column, contains, starts, ends in parts:
        if contains is not None:
            conditions.append(column.contains(contains.lower(), autoescape=True))
        if starts is not None:
            conditions.append(column.startswith(starts.lower(), autoescape=True))
        if ends is not None:
            conditions.append(column.endswith(ends.lower(), autoescape=True))
    if wanted.search is not None:
        text = wanted.search.lower()
        columns = (row.name, row.content, row.comment)
        conditions.append(or_(*(func.lower(column).contains(text, autoescape=True) for column in columns)))
    return conditions


def _tag_tests(session: Session, zone_id: str, wanted: RecordFilter) -> list[ColumnElement[bool]]:
    """Tags are JSON, which the two databases search differently: they are tested here."""
    if not wanted.tags:
        return []
    together = any if wanted.tag_match == "any" else all
    rows = session.execute(select(RecordRow.id, RecordRow.tags).where(RecordRow.zone_id == zone_id))
    found = [id_ for id_, tags in rows if together(test.holds(tags) for test in wanted.tags)]
    if len(found) > TAGGED_MAX:
        raise InvalidInput(f"this selects more than {TAGGED_MAX} records", field="tag")
    return [RecordRow.id.in_(found) if found else false()]
