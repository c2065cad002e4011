"""What pydantic finds wrong, in Rempart's words. Pure.

Where it stands: every rim that reads values of strangers (commands, bodies, settings) has its findings worded
here; the library's own sentences are for programmers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from rempart.model.base import Value
from rempart.model.errors import InvalidInput

A = TypeVar("A", bound=Value)

_WORDS: Mapping[str, str] = {
    "missing": "is needed",
    "extra_forbidden": "unknown, and not ignored",
    "int_parsing": "a whole number is meant",
    "int_type": "a whole number is meant",
    "int_from_float": "a whole number is meant",
    "float_parsing": "a number is meant",
    "bool_parsing": "true or false is meant",
    "bool_type": "true or false is meant",
    "string_type": "a text is meant",
    "list_type": "a list is meant",
    "tuple_type": "a list is meant",
    "dict_type": "an object is meant",
    "model_type": "an object is meant",
    "model_attributes_type": "an object is meant",
    "json_invalid": "no JSON",
    "greater_than": "more than {gt} is meant",
    "greater_than_equal": "at least {ge} is meant",
    "less_than": "less than {lt} is meant",
    "less_than_equal": "{le} at most is meant",
    "string_too_long": "longer than {max_length} characters",
    "string_too_short": "shorter than {min_length} characters",
    "too_long": "more than {max_length} are given",
    "too_short": "at least {min_length} must be given",
    "enum": "one of {expected} is meant",
    "literal_error": "one of {expected} is meant",
    "datetime_parsing": "a time like 2030-12-31T00:00:00Z is meant",
    "datetime_from_date_parsing": "a time like 2030-12-31T00:00:00Z is meant",
}


def in_words(found: Mapping[str, Any]) -> str:
    """One entry of ``ValidationError.errors()`` as a sentence without the name of the field."""
    kind = str(found["type"])
    if kind in _WORDS:
        return _WORDS[kind].format_map(found.get("ctx", {}))
    return str(found["msg"]).removeprefix("Value error, ")


def checked(kind: type[A], given: Mapping[str, Any], field: str) -> A:
    """``given`` as a value of ``kind``; InvalidInput that names ``field`` and what is wrong in it."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join((field, *(str(part) for part in first["loc"])))
        raise InvalidInput(in_words(dict(first)), field=where) from error
