"""Reports of abuse for everybody: the form, the same as JSON, the receipt, the page by which it is followed.

Whoever reports may be in danger: the pages need no script, say nothing to other sites (no referrer), are kept
in no cache, and the reference is the only way to a report.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from rempart.controller.admin_api.report_messages import NewReport
from rempart.controller.admin_api.reports import receipt_view
from rempart.controller.console.frame import Frame
from rempart.controller.console.guard import BODY_MAX, KIB
from rempart.controller.http_errors import as_json
from rempart.controller.reporting import words
from rempart.controller.reporting.desk import Receipt, reference_digest
from rempart.controller.reporting.doorkeeping import Stranger
from rempart.controller.reporting.reading import ForReporter
from rempart.model.abuse_reports import HANDLING, Evidence, Language, Notice, Way
from rempart.model.cases import Category
from rempart.model.errors import InvalidInput, NotFound, RempartError, TooMany
from rempart.model.validation import checked, in_words

PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
FIELDS_MAX = 20
# The files of a report, as Base64 in JSON, and its words.
BODY_MAX["/reports"] = 8 * 1024 * KIB


def router(frame: Frame) -> APIRouter:
    """``/reports``, ``/reports/new``, ``/reports/follow``, ``/reports/REFERENCE``."""
    routes = APIRouter()
    desk = frame.controller.desk

    @routes.get("/reports")
    def start() -> Response:
        return RedirectResponse("/reports/new", 303)

    @routes.get("/reports/new")
    def form(request: Request) -> Response:
        return _form(frame, request, {"category": Category.PHISHING.value})

    @routes.post("/reports")
    async def send(request: Request) -> Response:
        if _is_json(request):
            body = await request.body()
            return await run_in_threadpool(_sent_as_json, frame, request, body)
        async with request.form(max_files=FIELDS_MAX, max_fields=FIELDS_MAX) as given:
            files = await _files(given)
            texts = {name: value for name, value in given.multi_items() if isinstance(value, str)}
        return await run_in_threadpool(_sent_as_form, frame, request, texts, files)

    @routes.get("/reports/follow")
    def follow(request: Request) -> Response:
        return _private(frame.page(request, "reports/follow.html", problem=None))

    @routes.post("/reports/follow")
    async def followed(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=FIELDS_MAX) as given:
            reference = str(given.get("reference", "")).strip()
        return await run_in_threadpool(_follow, frame, request, reference)

    @routes.get("/reports/{reference}")
    def status(request: Request, reference: str) -> Response:
        found = desk.reading.by_reference(reference_digest(reference))
        if "application/json" in request.headers.get("accept", ""):
            return _private(JSONResponse(_as_json(found)))
        return _status(frame, request, found)

    return routes


# --- sending ---------------------------------------------------------------------------------------------


def _sent_as_json(frame: Frame, request: Request, body: bytes) -> Response:
    try:
        new = _parsed(body)
        stranger = Stranger(address_of(request), new.ticket, new.answer)
        receipt = frame.controller.desk.take(new.notice(), Way.NOTICE, stranger)
    except RempartError as error:
        return _private(_refused(error))
    view = receipt_view(receipt, f"{frame.base_url(request)}/reports")
    return _private(JSONResponse(view.model_dump(mode="json"), status_code=201))


def _parsed(body: bytes) -> NewReport:
    try:
        return NewReport.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(in_words(first), field=where or None) from None
    except (ValueError, RecursionError):
        raise InvalidInput("no JSON", field="body") from None


def _refused(error: RempartError) -> Response:
    headers = {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    return JSONResponse(as_json(error), status_code=error.http_status, headers=headers)


def _sent_as_form(
    frame: Frame, request: Request, given: dict[str, str], files: tuple[Evidence, ...]
) -> Response:
    try:
        notice = _notice(given, files, frame.words(request).code)
        stranger = Stranger(address_of(request), given.get("ticket") or None, form=True)
        receipt = frame.controller.desk.take(notice, Way.FORM, stranger)
    except RempartError as error:
        # A ticket that is still good grows older: whoever is asked to wait has waited next time.
        keep = isinstance(error, TooMany | InvalidInput)
        return _form(frame, request, given, error, ticket=given.get("ticket") if keep else None)
    return _receipt(frame, request, receipt)


def _notice(given: dict[str, str], files: tuple[Evidence, ...], language: str) -> Notice:
    if given.get("good_faith") != "yes":
        raise InvalidInput("is needed", field="good_faith")
    return checked(
        Notice,
        {
            "category": given.get("category", ""),
            "urls": tuple(given.get("urls", "").split()),
            "explanation": given.get("explanation", ""),
            "contact": {"name": given.get("name", ""), "email": given.get("email", "").strip() or None},
            "anonymous": given.get("named") != "yes",
            "good_faith": True,
            "language": _language(language),
            "evidence": [one.model_dump() for one in files],
        },
        "report",
    )


async def _files(given: FormData) -> tuple[Evidence, ...]:
    found = []
    for value in given.getlist("evidence"):
        if not isinstance(value, UploadFile) or not value.filename:
            continue
        media_type = (value.content_type or "").partition(";")[0].strip().lower()
        file = Evidence.model_construct(
            name="".join(one for one in value.filename if one.isprintable())[-255:],
            media_type=media_type if "/" in media_type else "application/octet-stream",
            content=await value.read(),
        )
        found.append(file)
    return tuple(found)


# --- pages -----------------------------------------------------------------------------------------------


def _form(
    frame: Frame,
    request: Request,
    given: dict[str, str],
    problem: RempartError | None = None,
    ticket: str | None = None,
) -> Response:
    language = _language(frame.words(request).code)
    page = frame.page(
        request,
        "reports/new.html",
        status=200 if problem is None else problem.http_status,
        given=given,
        categories=[(one.value, words.category(language, one)) for one in Category],
        nameless=", ".join(words.category(language, one) for one, how in HANDLING.items() if how.nameless),
        problem=problem,
        too_many=isinstance(problem, TooMany),
        wrong=(problem.field or "").removeprefix("report.").partition(".")[0] if problem else "",
        ticket=ticket or frame.controller.desk.door.ticket(),
        settings=frame.controller.configuration.reports,
    )
    if isinstance(problem, TooMany):
        page.headers["Retry-After"] = str(max(1, round(problem.retry_after_s)))
    return _private(page)


def _receipt(frame: Frame, request: Request, receipt: Receipt) -> Response:
    language = _language(frame.words(request).code)
    view = receipt_view(receipt, f"{frame.base_url(request)}/reports")
    page = frame.page(
        request,
        "reports/receipt.html",
        status=201,
        receipt=view,
        category=words.category(language, receipt.report.category),
        good_faith=words.said(language, "said.good_faith"),
        anonymity=words.said(language, "said.anonymous" if view.anonymous else "said.named"),
        received_at=receipt.report.received_at,
        files=receipt.report.files,
    )
    return _private(page)


def _follow(frame: Frame, request: Request, reference: str) -> Response:
    try:
        found = frame.controller.desk.reading.by_reference(reference_digest(reference))
    except NotFound as error:
        page = frame.page(request, "reports/follow.html", status=error.http_status, problem=error)
        return _private(page)
    return _status(frame, request, found)


def _status(frame: Frame, request: Request, found: ForReporter) -> Response:
    language = _language(frame.words(request).code)
    page = frame.page(
        request,
        "reports/status.html",
        report=found.report,
        told=found.told,
        category=words.category(language, found.report.category),
        sentences=words.sentences(found.told, language),
    )
    return _private(page)


def _as_json(found: ForReporter) -> dict[str, Any]:
    report = found.report
    return {
        "urls": list(report.urls),
        "category": report.category.value,
        "received_at": f"{report.received_at:%Y-%m-%dT%H:%M:%SZ}",
        "told": found.told.model_dump(mode="json"),
        "words": list(words.sentences(found.told, report.language)),
    }


# --- parts -----------------------------------------------------------------------------------------------


def address_of(request: Request) -> str | None:
    """Where the request came from: as the edge says, which alone may speak from this machine for others."""
    peer = None if request.client is None else request.client.host
    said = request.headers.getlist("x-forwarded-for")
    if peer is None or not _is_loopback(peer) or len(said) != 1 or "," in said[0]:
        return peer
    return said[0].strip()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _language(code: str) -> Language:
    return "fr" if code == "fr" else "en"


def _private(response: Response) -> Response:
    response.headers.update(PRIVATE)
    return response
