"""What clients send, read strictly: JSON without duplicates or surprises, then a model of the route.

Members that a model does not know are refused, unless they are null: clients send those for everything they
have no opinion on. Numbers may come as text. Queries know more than we do (their parameters grow with every
version of a client), so what is unknown there is ignored; what is known is checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from rempart.controller.intents.context import PER_PAGE_MAX
from rempart.model.base import Value
from rempart.model.errors import InvalidInput
from rempart.model.validation import in_words

PAGE_MAX = 2**31 - 1
DEPTH_MAX = 32
M = TypeVar("M", bound=BaseModel)


class Body(Value):
    """Base of all bodies."""

    echoed: ClassVar[frozenset[str]] = frozenset()
    """Members of our own answers, which clients send back with what they changed: they change nothing."""

    @model_validator(mode="before")
    @classmethod
    def _drop_what_says_nothing(cls, members: Any) -> Any:
        if not isinstance(members, Mapping):
            return members
        known = _names(cls)
        return {
            name: value
            for name, value in members.items()
            if name in known or (value is not None and name not in cls.echoed)
        }


class Query(BaseModel):
    """Base of all queries."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    many: ClassVar[frozenset[str]] = frozenset()
    """Parameters that may be given several times: they come joined by commas."""


Q = TypeVar("Q", bound=Query)


class PageQuery(Query):
    """Lists by page. More items than ``PER_PAGE_MAX`` on one page are not given; ``result_info`` says so."""

    page: int = Field(default=1, ge=1, le=PAGE_MAX)
    per_page: int = Field(default=20, ge=1, le=PAGE_MAX)

    @property
    def size(self) -> int:
        return min(self.per_page, PER_PAGE_MAX)


def read_json(text: bytes) -> Any:
    """The JSON value (RFC 8259) in ``text``. InvalidInput for what is none, or is ambiguous."""
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_members, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("Malformed JSON in request body", code=6007) from error
    _check(value, 0)
    return value


def parse_body(model: type[M], value: Any) -> M:
    """The body as ``model``. InvalidInput names the first member that is not right."""
    if not isinstance(value, dict):
        raise InvalidInput("a JSON object is meant")
    return _validated(model, value)


def parse_query(model: type[Q], items: Iterable[tuple[str, str]]) -> Q:
    """The query as ``model``; of what is given twice the last counts unless the model takes many, empty means
    not given."""
    given: dict[str, str] = {}
    for name, value in items:
        if any(ord(character) < 32 for character in value):
            raise InvalidInput("control characters are not allowed", field=name[:50])
        if value:
            given[name] = f"{given[name]},{value}" if name in model.many and name in given else value
    return _validated(model, given)


def _validated(model: type[M], members: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(members)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(in_words(first), field=where[:200] or None) from error


def _names(model: type[BaseModel]) -> frozenset[str]:
    names = set(model.model_fields)
    for field in model.model_fields.values():
        match field.validation_alias:
            case str() as alias:
                names.add(alias)
            case AliasChoices(choices=choices):
                names.update(one for one in choices if isinstance(one, str))
            case _:
                pass
    return frozenset(names)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _check(value: Any, depth: int) -> None:
    """Refuse what nothing further in could hold: lone surrogates, U+0000, infinities, deep nests."""
    if depth > DEPTH_MAX:
        raise InvalidInput("nested too deeply", code=6007)
    match value:
        case str():
            if "\0" in value or not _encodable(value):
                raise InvalidInput("a text with characters that are none", code=6007)
        case float():
            if value in (float("inf"), float("-inf")):
                raise InvalidInput("a number is too large", code=6007)
        case dict():
            for name, member in value.items():
                _check(name, depth + 1)
                _check(member, depth + 1)
        case list():
            for member in value:
                _check(member, depth + 1)
        case _:
            pass


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
