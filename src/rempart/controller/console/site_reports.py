"""Reports for those whom they are about, and for those who decide: owners answer, arbiters look."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from rempart.controller.console.frame import Frame
from rempart.controller.reporting import words
from rempart.controller.reporting.reading import Wanted
from rempart.model.abuse_reports import AnswerKind, Language, Standing
from rempart.model.accounts import ApiToken
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.permissions import Permission, Resource, authorise

PER_PAGE = 50
SHOWN = (Standing.RECEIVED, Standing.CASE, Standing.SETTLED)


def router(frame: Frame) -> APIRouter:
    """``/reports/own`` for owners, ``/reports/waiting`` for arbiters."""
    routes = APIRouter()
    reading, triage = frame.controller.desk.reading, frame.controller.triage

    # --- owners --------------------------------------------------------------------------------------

    @routes.get("/reports/own")
    def own(request: Request, page: int = 1) -> Response:
        account = _account(frame.owner(request), Permission.ABUSE_READ)
        wanted = Wanted(standing=SHOWN)
        found = reading.of_account(account, wanted, page=max(page, 1), per_page=PER_PAGE)
        return frame.page(
            request,
            "reports/own.html",
            found=found,
            category=lambda one: words.category(_language(frame, request), one),
            answering=reading.answering(account_id=account),
        )

    @routes.get("/reports/own/{report_id}")
    def own_report(request: Request, report_id: str) -> Response:
        token = frame.owner(request)
        seen = reading.for_site(_account(token, Permission.ABUSE_READ), report_id)
        if seen.report.standing not in SHOWN:
            raise NotFound("no such report", field="report")
        case = reading.case_of(seen.report)
        return frame.page(
            request,
            "reports/own_report.html",
            seen=seen,
            report=seen.report,
            case=case,
            category=words.category(_language(frame, request), seen.report.category),
            kinds=[(one.value, frame.words(request)(f"reports.site.{one.value}")) for one in AnswerKind],
            may_answer=_may(token, Permission.ABUSE_EDIT),
        )

    @routes.post("/reports/own/{report_id}/answer")
    def answer(
        request: Request,
        report_id: str,
        guard: Annotated[str, Form()],
        kind: Annotated[AnswerKind, Form()],
        text: Annotated[str, Form(max_length=20_000)] = "",
    ) -> Response:
        token = frame.owner(request)
        frame.check_form(request, guard)
        triage.answer(report_id, kind, text, _account(token, Permission.ABUSE_EDIT))
        return RedirectResponse(f"/reports/own/{report_id}", 303)

    # --- arbiters ------------------------------------------------------------------------------------

    @routes.get("/reports/waiting")
    def waiting(request: Request, page: int = 1) -> Response:
        frame.arbiter(request)
        wanted = Wanted(waiting=True, oldest_first=True)
        found = reading.list(wanted, page=max(page, 1), per_page=PER_PAGE)
        return frame.page(
            request,
            "reports/waiting.html",
            found=found,
            category=lambda one: words.category(_language(frame, request), one),
        )

    @routes.get("/reports/waiting/{report_id}")
    def waiting_report(request: Request, report_id: str) -> Response:
        frame.arbiter(request)
        whole = reading.whole(report_id, without_names=True)
        return frame.page(
            request,
            "reports/waiting_report.html",
            whole=whole,
            report=whole.report,
            category=words.category(_language(frame, request), whole.report.category),
            answering=reading.answering(site=whole.report.site),
        )

    return routes


def _account(token: ApiToken, permission: Permission) -> str:
    """The owner's account. InvalidInput when the token may not do this."""
    if not _may(token, permission):
        raise InvalidInput(f"this takes a token with the permission {permission.value}", field="token")
    return token.account_id


def _may(token: ApiToken, permission: Permission) -> bool:
    return authorise(token, permission, Resource(account_id=token.account_id))


def _language(frame: Frame, request: Request) -> Language:
    return "fr" if frame.words(request).code == "fr" else "en"
