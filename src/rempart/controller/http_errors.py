"""Errors as JSON: every `RempartError` is ``{error, field, message, hint, code, …}`` with its own status.

Used by both of the controller's servers; the command line turns the JSON back into the same error
(`from_json`), so that a call over the socket fails in the very words of a call in-process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from rempart.model.errors import (
    Conflict,
    EngineRefused,
    EnvironmentLacks,
    InvalidInput,
    NeedsConfirmation,
    NotFound,
    RempartError,
    TooMany,
)
from rempart.model.validation import in_words

_log = structlog.get_logger(__name__)


def as_json(error: RempartError) -> dict[str, Any]:
    """The error's fields."""
    body: dict[str, Any] = {
        "error": error.slug,
        "message": error.message,
        "field": error.field,
        "hint": error.hint,
        "code": error.code,
    }
    match error:
        case NeedsConfirmation():
            body |= {"digest": error.digest, "reasons": list(error.reasons), "summary": error.summary}
        case EngineRefused():
            body |= {"engine": error.engine}
        case TooMany():
            body |= {"retry_after_s": error.retry_after_s, "ticket": error.ticket, "bits": error.bits}
        case EnvironmentLacks():
            body |= {"what": error.what}
        case _:
            pass
    return body


def from_json(body: Mapping[str, Any]) -> RempartError:
    """The error that `as_json` was made from. Unknown kinds become a plain RempartError."""
    message = str(body.get("message", "the controller answered without a reason"))
    field, hint = body.get("field"), body.get("hint")
    match body.get("error"):
        case NeedsConfirmation.slug:
            return NeedsConfirmation(
                message,
                digest=str(body.get("digest", "")),
                reasons=tuple(body.get("reasons", ())),
                summary=str(body.get("summary", "")),
            )
        case EngineRefused.slug:
            return EngineRefused(str(body.get("engine", "")), message, item=field)
        case TooMany.slug:
            return TooMany(message, retry_after_s=float(body.get("retry_after_s", 0)), hint=hint)
        case EnvironmentLacks.slug:
            return EnvironmentLacks(str(body.get("what", "")), message, hint=hint)
        case slug:
            kinds: dict[str, type[RempartError]] = {
                kind.slug: kind for kind in (InvalidInput, NotFound, Conflict)
            }
            return kinds.get(str(slug), RempartError)(message, field=field, hint=hint, code=body.get("code"))


def answer_errors(app: FastAPI) -> None:
    """Have ``app`` answer with `as_json`: our own errors, badly formed requests, and surprises."""

    @app.exception_handler(RempartError)
    async def rempart_error(_: Request, error: RempartError) -> JSONResponse:
        headers = {}
        if isinstance(error, TooMany):
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        return JSONResponse(as_json(error), status_code=error.http_status, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse(as_json(_invalid(error)), status_code=InvalidInput.http_status)

    @app.exception_handler(Exception)
    async def surprise(request: Request, error: Exception) -> JSONResponse:
        _log.error("unexpected error", path=request.url.path, exc_info=error)
        body = RempartError(
            f"unexpected: {type(error).__name__}", hint="the controller's log holds the whole story"
        )
        return JSONResponse(as_json(body), status_code=500)


def _invalid(error: RequestValidationError) -> InvalidInput:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return InvalidInput(in_words(first), field=where or None)
