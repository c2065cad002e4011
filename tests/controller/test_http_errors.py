"""An error that travels as JSON is the same error afterwards."""

from __future__ import annotations

import json

import pytest

from rempart.controller.http_errors import as_json, from_json
from rempart.model.errors import (
    Conflict,
    EngineRefused,
    EnvironmentLacks,
    InvalidInput,
    NeedsConfirmation,
    NotFound,
    RempartError,
)


@pytest.mark.parametrize(
    "error",
    [
        RempartError("m", field="f", hint="h"),
        InvalidInput("m", field="f", hint="h", code=9000),
        NotFound("m"),
        Conflict("m", code=1061),
        NeedsConfirmation("m", digest="d", reasons=("a", "b"), summary="s"),
        EngineRefused("knot", "m", item="zone/x"),
        EnvironmentLacks("port 53", "m", hint="h"),
    ],
)
def test_there_and_back(error: RempartError) -> None:
    again = from_json(json.loads(json.dumps(as_json(error))))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


@pytest.mark.parametrize("body", [{}, {"error": "from-the-future", "message": "m"}])
def test_what_is_not_known_is_a_plain_error(body: dict[str, str]) -> None:
    assert type(from_json(body)) is RempartError
