"""The API as one application."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import rempart
from rempart.controller.assembly import Controller
from rempart.controller.cloudflare_v4.description import description
from rempart.controller.cloudflare_v4.dispatch import Dispatch
from rempart.controller.cloudflare_v4.endpoints import ENDPOINTS, PREFIX
from rempart.controller.cloudflare_v4.envelope import failure
from rempart.controller.cloudflare_v4.faults import ApiCode, Refusal, not_routed

_log = structlog.get_logger("api")


def api_application(controller: Controller, dispatch: Dispatch | None = None) -> FastAPI:
    """The application over ``controller``. Callers are strangers until their token says otherwise."""
    app = FastAPI(
        title="Rempart API",
        version=rempart.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    serving = dispatch or Dispatch(controller)
    for endpoint in ENDPOINTS:
        app.add_route(PREFIX + endpoint.path, serving.route(endpoint), methods=[endpoint.method])
    _describe(app)
    _answer_the_rest(app)
    return app


def _describe(app: FastAPI) -> None:
    document = description()

    async def openapi(_: Request) -> Response:
        return JSONResponse(document)

    app.add_route(f"{PREFIX}/openapi.json", openapi, methods=["GET"])


def _answer_the_rest(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            message = f"Method {request.method} not available for that URI."
            return failure(Refusal(405, Refusal.of(405, ApiCode.METHOD, message).faults, _allowed(request)))
        return failure(not_routed(request.url.path))

    @app.exception_handler(Exception)
    async def surprise(request: Request, error: Exception) -> Response:
        _log.error("unexpected error", path=request.url.path, exc_info=error)
        return failure(
            Refusal.of(500, ApiCode.UNEXPECTED, "unexpected: the controller's log holds the story")
        )


def _allowed(request: Request) -> dict[str, str]:
    path = request.url.path.removeprefix(PREFIX).strip("/").split("/")
    methods = {one.method for one in ENDPOINTS if _matches(one.path.strip("/").split("/"), path)}
    return {"allow": ", ".join(sorted(methods))}


def _matches(pattern: list[str], path: list[str]) -> bool:
    same: Callable[[str, str], bool] = lambda one, other: one == other or one.startswith("{")  # noqa: E731
    return len(pattern) == len(path) and all(map(same, pattern, path))
