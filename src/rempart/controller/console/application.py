"""The console as one application."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from rempart.controller.assembly import Controller
from rempart.controller.console import charter, register, reports, signing_in, site_reports, static
from rempart.controller.console.faults import answer_errors, fault_page
from rempart.controller.console.frame import Frame
from rempart.controller.console.guard import Guard
from rempart.controller.transparency.serving import log_application

# site_reports before reports: its paths would be references there.
ROOMS = (register, charter, signing_in, site_reports, reports)


def console_application(controller: Controller) -> FastAPI:
    """The application over ``controller``. Whoever calls it is a stranger until signed in."""
    frame = Frame(controller)
    app = FastAPI(title="Rempart console", openapi_url=None, docs_url=None, redoc_url=None)

    async def refuse(request: Request, status: int) -> Response:
        return await run_in_threadpool(fault_page, frame, request, status)

    app.add_middleware(Guard, refuse=refuse)
    answer_errors(app, frame)
    app.include_router(static.router())
    for room in ROOMS:
        app.include_router(room.router(frame))
    # The log itself, so that whoever is here can verify it, wherever else it is published.
    app.mount(
        "/tlog", log_application(controller.configuration.paths.public_log, lambda: controller.log.size)
    )
    return app
