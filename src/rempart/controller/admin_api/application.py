"""The admin API as one application, whichever way it is reached."""

from __future__ import annotations

from fastapi import FastAPI

import rempart
from rempart.controller.admin_api import (
    accounts,
    bundles,
    cases,
    certificates,
    disclosure,
    metrics,
    public_log,
    records,
    reports,
    secondaries,
    sites,
    status,
    zone_files,
    zones,
)
from rempart.controller.admin_api.messages import Ping
from rempart.controller.assembly import Controller
from rempart.controller.http_errors import answer_errors


def admin_application(controller: Controller) -> FastAPI:
    """The application over ``controller``. Whoever may call it is the operator."""
    app = FastAPI(title="Rempart admin API", version=rempart.__version__, docs_url=None, redoc_url=None)
    answer_errors(app)

    @app.get("/v1/ping")
    async def ping() -> Ping:
        return Ping(version=rempart.__version__)

    for room in (
        zones,
        zone_files,
        bundles,
        records,
        sites,
        certificates,
        accounts,
        cases,
        reports,
        disclosure,
        secondaries,
        status,
        metrics,
        public_log,
    ):
        app.include_router(room.router(controller))
    return app
