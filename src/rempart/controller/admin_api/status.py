"""What the controller knows of itself and its nodes."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

import rempart
from rempart.controller.admin_api.messages import ControllerStatus, LogStatus, NodeView, Unresolved
from rempart.controller.assembly import Controller
from rempart.controller.reports import ItemRefusal, reach


def router(controller: Controller) -> APIRouter:
    """``/v1/status``."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/status")
    def status() -> ControllerStatus:
        return status_of(controller)

    return routes


def status_of(controller: Controller) -> ControllerStatus:
    """The status as of now."""
    intents = controller.intents
    epoch, revision = intents.published.place()
    reports = [heard.report for heard in controller.reports.connected()]
    return ControllerStatus(
        version=rempart.__version__,
        revision=revision,
        zones=intents.zones.list(per_page=1).total,
        sites=intents.sites.list(per_page=1).total,
        nodes=tuple(NodeView.model_validate(report.model_dump(exclude={"epoch"})) for report in reports),
        lagging=reach(reports, revision, (), epoch=epoch).lagging,
        refusals=tuple(
            ItemRefusal(node=report.node, engine=engine.name, key=key, reason=reason)
            for report in reports
            for engine in report.engines
            for key, reason in engine.refusals
        ),
        unresolved=tuple(
            Unresolved(host=held.host, problem=held.problem, addresses=held.addresses)
            for held in intents.resolutions.problems()
        ),
        log=log_status(controller),
    )


def log_status(controller: Controller) -> LogStatus:
    """How the public log is, whatever it does just now."""
    now = controller.clock()
    health = controller.log.health()
    waiting, oldest = controller.docket.waiting()
    return LogStatus(
        health=health,
        age_s=None if health.published_at is None else _seconds(health.published_at, now),
        waiting=waiting,
        waiting_s=None if oldest is None else _seconds(oldest, now),
    )


def _seconds(since: datetime, now: datetime) -> int:
    return max(0, int((now - since).total_seconds()))
