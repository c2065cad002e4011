"""Error pages: every `RempartError`, what is not there, what is badly formed, surprises."""

from __future__ import annotations

from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from rempart.controller.console.frame import Frame, SignInNeeded
from rempart.model.errors import RempartError
from rempart.model.validation import in_words

KNOWN = (400, 401, 403, 404, 405, 409, 411, 413, 500, 503)
"""Statuses with a text of their own (``faults.<status>.title`` and ``.text``)."""

_log = structlog.get_logger("console")


def answer_errors(app: FastAPI, frame: Frame) -> None:
    """Have ``app`` answer with pages."""

    @app.exception_handler(SignInNeeded)
    async def sign_in(request: Request, error: SignInNeeded) -> Response:
        back = quote(request.url.path if request.method == "GET" else "", safe="/")
        return RedirectResponse(f"/sign-in/{error.role.value}" + (f"?to={back}" if back else ""), 303)

    @app.exception_handler(RempartError)
    async def fault(request: Request, error: RempartError) -> Response:
        return await run_in_threadpool(fault_page, frame, request, error.http_status, str(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        detail = f"{first['loc'][-1]}: {in_words(first)}"
        return await run_in_threadpool(fault_page, frame, request, 400, detail)

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> Response:
        return await run_in_threadpool(fault_page, frame, request, error.status_code)

    @app.exception_handler(Exception)
    async def surprise(request: Request, error: Exception) -> Response:
        _log.error("unexpected error", path=request.url.path, exc_info=error)
        return await run_in_threadpool(fault_page, frame, request, 500)


def fault_page(frame: Frame, request: Request, status: int, detail: str = "") -> Response:
    """``detail`` in English, as everywhere else in Rempart."""
    known = status if status in KNOWN else 400 if status < 500 else 500
    return frame.page(request, "fault.html", status=status, known=known, detail=detail)
