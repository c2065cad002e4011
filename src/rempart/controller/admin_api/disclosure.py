"""Transparency reports."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from rempart.controller.assembly import Controller
from rempart.controller.cases.disclosure import Published
from rempart.governance.disclosure.counting import Period, TransparencyReport


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/transparency``."""
    routes = APIRouter(prefix="/v1/transparency")
    disclosure = controller.disclosure

    @routes.get("")
    def report(
        year: Annotated[int, Query(ge=2020, le=2100)], half: Literal["1", "2"] | None = None
    ) -> TransparencyReport:
        return disclosure.report(Period.model_validate({"year": year, "half": half and int(half)}))

    @routes.post("")
    def publish(period: Period) -> Published:
        return disclosure.publish(period)

    return routes
