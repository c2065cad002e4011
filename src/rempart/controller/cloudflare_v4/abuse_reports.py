"""Abuse reports as Cloudflare's API has them: what an account sends, and what was reported about its sites.

Differs where Cloudflare cannot be followed: there is no registrar and no NCMEC here, and an answer of the
site's owner, which Cloudflare takes by mail, has an endpoint of ours (``…/answer``).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, ClassVar, Literal

from rempart.controller.cloudflare_v4 import abuse_views
from rempart.controller.cloudflare_v4.abuse_bodies import (
    NewAbuseReport,
    NewMitigationAppeal,
    NewSiteAnswer,
    notice_of,
)
from rempart.controller.cloudflare_v4.bodies import PageQuery
from rempart.controller.cloudflare_v4.calls import Call, Endpoint, Reply
from rempart.controller.cloudflare_v4.envelope import PageInfo
from rempart.controller.intents.context import PER_PAGE_MAX
from rempart.controller.reporting.doorkeeping import Stranger
from rempart.controller.reporting.reading import Wanted
from rempart.model.abuse_reports import AnswerKind, Report, Standing, Way
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.permissions import Permission

ACCEPTED = (Standing.CASE, Standing.SETTLED)
SHOWN = (Standing.RECEIVED, *ACCEPTED)
"""What an owner is shown: what was refused is no reproach any more."""


class ReportQuery(PageQuery):
    domain: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    status: Literal["accepted", "in_review"] | None = None
    type: str | None = None
    mitigation_status: Literal["pending", "active", "in_review", "cancelled", "removed"] | None = None
    sort: str | None = None


class SubmittedQuery(PageQuery):
    many: ClassVar[frozenset[str]] = frozenset({"domain", "status", "type"})

    id: str | None = None
    domain: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    status: str | None = None
    type: str | None = None
    sort: str | None = None


class MitigationQuery(PageQuery):
    status: Literal["pending", "active", "in_review", "cancelled", "removed"] | None = None
    type: str | None = None
    entity_type: Literal["url_pattern", "account", "zone", "custom_expression"] | None = None
    effective_after: str | None = None
    effective_before: str | None = None
    sort: str | None = None


# --- what an account sends -----------------------------------------------------------------------------


def create_report(call: Call) -> Reply:
    body: NewAbuseReport = call.body
    notice = notice_of(body, call.path["report_param"])
    stranger = Stranger(address=None, account=call.token.account_id)
    receipt = call.controller.desk.take(notice, Way.API, stranger, submitter=call.token.account_id)
    messages = [
        "Sent with the statement that the reporter believes in good faith that it is accurate and complete",
        f"Reference, with which the reporter can follow it: {receipt.reference}",
    ]
    if receipt.report.anonymous and not notice.anonymous:
        messages.append("The site is not told who reports this kind of thing")
    if receipt.same_as_another:
        messages.append("It was reported before; this report goes the way of that one")
    if body.ncmec_notification is not None:
        messages.append(
            "Nothing is sent to NCMEC from here: report it there, too (https://report.cybertip.org)"
        )
    # As Cloudflare has it: the id stands beside the result.
    beside = {"abuse_rand": receipt.report.id, "request": {"act": body.act}}
    return Reply("success", messages=tuple(messages), beside=beside)


def list_submitted(call: Call) -> Reply:
    query: SubmittedQuery = call.query
    statuses = _among(query.status, frozenset(abuse_views.SUBMITTED.values()), "status")
    wanted = Wanted(
        id=query.id,
        hosts=None if query.domain is None else tuple(query.domain.lower().split(",")),
        after=_moment(query.created_after, "created_after"),
        before=_moment(query.created_before, "created_before"),
        standing=None
        if statuses is None
        else tuple(one for one, word in abuse_views.SUBMITTED.items() if word in statuses),
        category=_categories(query.type),
        oldest_first=_oldest_first(query.sort),
    )
    found = call.controller.desk.reading.submitted(
        call.controller.desk.mark_of(call.token.account_id), wanted, page=query.page, per_page=query.size
    )
    return _listed("reports", [abuse_views.submitted(one) for one in found.items], PageInfo.of(found))


def get_submitted(call: Call) -> Reply:
    desk = call.controller.desk
    whole, contact = desk.reading.sent_by(desk.mark_of(call.token.account_id), call.path["report_id"])
    return Reply(abuse_views.submitted_whole(whole, contact))


def list_emails(call: Call) -> Reply:
    """Letters to the reporter that were mailed."""
    query: PageQuery = call.query
    desk = call.controller.desk
    whole, _ = desk.reading.sent_by(desk.mark_of(call.token.account_id), call.path["report_id"])
    every = call.controller.triage.outbox(sent=True, report=whole.report.id)
    mailed = [one for one in every if one.recipient == "reporter" and one.sent_at is not None]
    return _sliced("emails", [abuse_views.email(one) for one in mailed], query)


# --- what was reported about its sites -------------------------------------------------------------------


def list_reports(call: Call) -> Reply:
    query: ReportQuery = call.query
    wanted = Wanted(
        host=None if query.domain is None else query.domain.lower(),
        after=_moment(query.created_after, "created_after"),
        before=_moment(query.created_before, "created_before"),
        standing=SHOWN if query.status is None else _STANDINGS[query.status],
        category=_categories(query.type),
        oldest_first=_oldest_first(query.sort),
    )
    reading, account = call.controller.desk.reading, call.token.account_id
    if query.mitigation_status is None:
        page = reading.of_account(account, wanted, page=query.page, per_page=query.size)
        shown = [abuse_views.received(one, _mitigations(call, one)) for one in page.items]
        return _listed("reports", shown, PageInfo.of(page))
    # What a case has come to is not in the reports' rows: the newest are looked through.
    every = reading.of_account(account, wanted, per_page=PER_PAGE_MAX)
    with_all = [(one, _mitigations(call, one)) for one in every.items]
    fits = [
        abuse_views.received(one, found)
        for one, found in with_all
        if any(each["status"] == query.mitigation_status for each in found)
    ]
    return _sliced("reports", fits, query)


def get_report(call: Call) -> Reply:
    report, seen = _own(call, call.path["report_param"])
    return Reply(abuse_views.received(report, _mitigations(call, report), seen))


def answering(call: Call) -> Reply:
    """Ours: how the account's sites answer, as arbiters see it."""
    found = call.controller.desk.reading.answering(account_id=call.token.account_id)
    return Reply(found.model_dump(mode="json"))


def answer_report(call: Call) -> Reply:
    """Ours: what the site says to a report."""
    body: NewSiteAnswer = call.body
    report, _ = _own(call, call.path["report_id"])
    call.controller.triage.answer(report.id, AnswerKind(body.kind), body.text, call.token.account_id)
    report, seen = _own(call, report.id)
    return Reply(
        {
            **abuse_views.received(report, _mitigations(call, report), seen),
            "answer": None if report.answer is None else report.answer.value,
        }
    )


def list_mitigations(call: Call) -> Reply:
    query: MitigationQuery = call.query
    report, _ = _own(call, call.path["report_id"])
    after = _moment(query.effective_after, "effective_after")
    before = _moment(query.effective_before, "effective_before")
    fits = [
        one
        for one in _mitigations(call, report)
        if query.status in (None, one["status"])
        and query.type in (None, one["type"])
        and query.entity_type in (None, one["entity_type"])
        and (after is None or datetime.fromisoformat(one["effective_date"]) >= after)
        and (before is None or datetime.fromisoformat(one["effective_date"]) <= before)
    ]
    return _sliced("mitigations", fits, query)


def appeal(call: Call) -> Reply:
    """The owner's appeal in the case, which other arbiters decide."""
    body: NewMitigationAppeal = call.body
    report, _ = _own(call, call.path["report_id"])
    there = {one["id"] for one in _mitigations(call, report)}
    for number, one in enumerate(body.appeals):
        if one.id not in there:
            raise InvalidInput("no mitigation of this report has this id", field=f"appeals.{number}.id")
    if report.case_id is None:
        raise NotFound("no such report", field="report")
    docket = call.controller.docket
    docket.appeal(report.case_id, body.text())
    while docket.tick(report.case_id):
        pass
    return Reply(_mitigations(call, report))


# --- parts -----------------------------------------------------------------------------------------------

_STANDINGS = {"accepted": ACCEPTED, "in_review": (Standing.RECEIVED,)}


def _own(call: Call, id_: str) -> tuple[Report, Any]:
    seen = call.controller.desk.reading.for_site(call.token.account_id, id_)
    if seen.report.standing is Standing.REFUSED:
        raise NotFound("no such report", field="report")
    return seen.report, seen


def _mitigations(call: Call, report: Report) -> list[dict[str, Any]]:
    case = call.controller.desk.reading.case_of(report)
    if case is None or not case.public:
        return []
    try:
        zone = call.controller.intents.zones.get(report.zone).id
    except NotFound:
        zone = None
    return abuse_views.mitigations(case, zone)


def _listed(name: str, shown: list[dict[str, Any]], info: PageInfo) -> Reply:
    # The member of that name is what is documented; the official libraries page by ``items``.
    return Reply({name: shown, "items": [{name: shown}] if shown else []}, info)


def _sliced(name: str, every: list[dict[str, Any]], query: PageQuery) -> Reply:
    start = (query.page - 1) * query.size
    shown = every[start : start + query.size]
    return _listed(name, shown, PageInfo(query.page, query.size, len(shown), len(every)))


def _among(text: str | None, known: frozenset[str], field: str) -> frozenset[str] | None:
    if text is None:
        return None
    found = frozenset(text.split(","))
    if not found <= known:
        raise InvalidInput(f"one of {', '.join(sorted(known))} is meant", field=field)
    return found


def _categories(text: str | None) -> Any:
    types = _among(text, abuse_views.KINDS, "type")
    return None if types is None else abuse_views.categories_of(types)


def _oldest_first(sort: str | None) -> bool:
    if sort in (None, "cdate,desc"):
        return False
    if sort == "cdate,asc":
        return True
    raise InvalidInput("reports are sorted by cdate,asc or cdate,desc here", field="sort")


def _moment(text: str | None, field: str) -> datetime | None:
    """A date (its beginning, UTC) or a time (RFC 3339)."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("a date or a time is meant (RFC 3339)", field=field) from error


_READ, _EDIT = Permission.ABUSE_READ, Permission.ABUSE_EDIT
_PATH = "/accounts/{account_id}/abuse-reports"
ENDPOINTS = (
    Endpoint("GET", _PATH, _READ, list_reports, "List reports about own sites", query=ReportQuery),
    Endpoint("GET", f"{_PATH}/submitted", _READ, list_submitted, "List reports sent", query=SubmittedQuery),
    Endpoint("GET", f"{_PATH}/submitted/{{report_id}}", _READ, get_submitted, "A report sent"),
    Endpoint(
        "GET",
        f"{_PATH}/submitted/{{report_id}}/emails",
        _READ,
        list_emails,
        "Letters about it",
        query=PageQuery,
    ),
    Endpoint("GET", f"{_PATH}/answering", _READ, answering, "How own sites answer (ours)"),
    Endpoint("GET", f"{_PATH}/{{report_param}}", _READ, get_report, "A report about an own site"),
    Endpoint("POST", f"{_PATH}/{{report_param}}", _EDIT, create_report, "Send a report", body=NewAbuseReport),
    Endpoint(
        "POST",
        f"{_PATH}/{{report_id}}/answer",
        _EDIT,
        answer_report,
        "Answer a report (ours)",
        body=NewSiteAnswer,
    ),
    Endpoint(
        "GET",
        f"{_PATH}/{{report_id}}/mitigations",
        _READ,
        list_mitigations,
        "What was decided because of it",
        query=MitigationQuery,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/{{report_id}}/mitigations/appeal",
        _EDIT,
        appeal,
        "Appeal against it",
        body=NewMitigationAppeal,
    ),
)
