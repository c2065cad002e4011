"""Abuse reports, for the operator."""

from __future__ import annotations

from fastapi import APIRouter, Response

from rempart.controller.admin_api.report_messages import (
    Acceptance,
    ContactView,
    NewReport,
    NewSiteAnswer,
    Outbox,
    ReceiptView,
    Refusal,
    ReportDetails,
    Reports,
    Settlement,
)
from rempart.controller.assembly import Controller
from rempart.controller.reporting import words
from rempart.controller.reporting.desk import Receipt
from rempart.controller.reporting.letters import Letter
from rempart.controller.reporting.reading import Wanted
from rempart.governance.reports.answering import Answering
from rempart.model.abuse_reports import Report, Standing, Way
from rempart.model.cases import Category


def receipt_view(receipt: Receipt, base: str = "") -> ReceiptView:
    """The receipt as it is given. ``base``: where the pages of reports are, without a slash at the end."""
    report = receipt.report
    return ReceiptView(
        reference=receipt.reference,
        status_url=f"{base}/{receipt.reference}" if base else "",
        received_at=f"{report.received_at:%Y-%m-%dT%H:%M:%SZ}",
        urls=report.urls,
        category=report.category,
        anonymous=report.anonymous,
        same_as_another=receipt.same_as_another,
        good_faith=words.said(receipt.language, "said.good_faith"),
    )


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/reports``."""
    routes = APIRouter(prefix="/v1/reports")
    desk, triage = controller.desk, controller.triage

    @routes.get("")
    def list_reports(
        standing: Standing | None = None,
        category: Category | None = None,
        host: str | None = None,
        case: str | None = None,
        waiting: bool = False,
        page: int = 1,
        per_page: int = 100,
    ) -> Reports:
        wanted = Wanted(
            standing=None if standing is None else (standing,),
            category=None if category is None else (category,),
            host=host,
            case_id=case,
            waiting=waiting,
            oldest_first=waiting,
        )
        found = desk.reading.list(wanted, page=page, per_page=per_page)
        return Reports(reports=found.items, total=found.total)

    @routes.post("", status_code=201)
    def file_report(new: NewReport) -> ReceiptView:
        receipt = desk.take(new.notice(), Way.OPERATOR)
        return receipt_view(receipt, (desk.settings.status_url or "").rstrip("/"))

    @routes.get("/answering")
    def how_sites_answer(site: str | None = None) -> Answering:
        return desk.reading.answering(site=site)

    @routes.get("/outbox")
    def outbox(sent: bool = False, report: str | None = None) -> Outbox:
        return Outbox(letters=triage.outbox(sent=sent, report=report))

    @routes.post("/outbox/{letter}/sent")
    def letter_sent(letter: str) -> Letter:
        return triage.sent(letter)

    @routes.get("/{report_id}")
    def show_report(report_id: str) -> ReportDetails:
        whole = desk.reading.whole(report_id)
        return ReportDetails(
            whole=whole,
            told=desk.reading.told(report_id),
            answering=desk.reading.answering(site=whole.report.site),
        )

    @routes.get("/{report_id}/contact")
    def who_reported(report_id: str) -> ContactView:
        return ContactView(contact=triage.who_reported(report_id))

    @routes.get("/{report_id}/files/{number}")
    def file_of_report(report_id: str, number: int) -> Response:
        return Response(triage.file(report_id, number), media_type="application/octet-stream")

    @routes.post("/{report_id}/release")
    def release(report_id: str) -> Report:
        return triage.release(report_id)

    @routes.post("/{report_id}/refuse")
    def refuse(report_id: str, why: Refusal) -> Report:
        return triage.refuse(report_id, why.denial, why.reason)

    @routes.post("/{report_id}/accept")
    def accept(report_id: str, how: Acceptance) -> Report:
        if how.case is not None:
            return triage.join(report_id, how.case)
        triage.take_up(report_id, how.reason, how.by)
        return desk.reading.get(report_id)

    @routes.post("/{report_id}/settle")
    def settle(report_id: str, how: Settlement) -> Report:
        return triage.settle(report_id, how.reason)

    @routes.post("/{report_id}/answer")
    def answer(report_id: str, said: NewSiteAnswer) -> Report:
        return triage.answer(report_id, said.kind, said.text)

    return routes
