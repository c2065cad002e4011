"""Canonical JSON (RFC 8785), for values whose numbers are integers within ±(2**53 - 1).

Equal values have equal octets, so whoever has the value can compute its hash. Without fractions the scheme
needs no rules for printing floating-point numbers, which is where implementations differ.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeAlias

from rempart.model.errors import InvalidInput

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"
INTEGER_MAX = 2**53 - 1
_FIELD = "canonical JSON"


def canonical(value: Any) -> bytes:
    """The one text of ``value``; InvalidInput for what has none."""
    try:
        text = json.dumps(_ordered(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput("half of a surrogate pair", field=_FIELD) from error
    except RecursionError as error:
        raise InvalidInput("nested too deeply", field=_FIELD) from error


def parse_canonical(content: bytes) -> Json:
    """The value of a canonical text; InvalidInput for every other text, even of an equal value."""
    try:
        value: Json = json.loads(
            content.decode("utf-8"), parse_int=_integer, parse_float=_no_fraction, parse_constant=_no_fraction
        )
        # Orders differ between code points and UTF-16 beyond ASCII only; this one is the faster by far.
        if content.isascii() and _plain(value) == content:
            return value
    except (ValueError, RecursionError) as error:
        raise InvalidInput("it is not JSON", field=_FIELD) from error
    # Repeated names, spaces and other orders do not come out as they went in.
    if canonical(value) != content:
        raise InvalidInput("it is JSON, but not in its canonical form", field=_FIELD)
    return value


def _ordered(value: Any) -> Json:
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) > INTEGER_MAX:
                raise InvalidInput(f"{value} is beyond 2**53 - 1: write it as text", field=_FIELD)
            return value
        case dict():
            if not all(isinstance(name, str) for name in value):
                raise InvalidInput("names are text", field=_FIELD)
            # RFC 8785 section 3.2.3: by UTF-16 code units, not by code points.
            names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
            return {name: _ordered(value[name]) for name in names}
        case list() | tuple():
            return [_ordered(one) for one in value]
        case _:
            raise InvalidInput(f"a {type(value).__name__} cannot be written", field=_FIELD)


def _plain(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def _integer(text: str) -> int:
    value = int(text) if len(text) < 20 else INTEGER_MAX + 1
    if abs(value) > INTEGER_MAX:
        raise InvalidInput(f"{text[:30]} is beyond 2**53 - 1: write it as text", field=_FIELD)
    return value


def _no_fraction(text: str) -> NoReturn:
    raise InvalidInput(f"{text[:30]} is no integer: write it as text", field=_FIELD)
