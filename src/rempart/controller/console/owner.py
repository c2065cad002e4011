"""The owner's docket: cases about their zones, what times run, answering, appealing, the reasons.

An owner sees what they were told: nothing before the notice, and of what others wrote nothing but decisions.
The token needs ``zone:read`` for one of the zones to see a case, ``zone:edit`` to answer.
"""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from rempart.controller.admin_api.case_messages import NewAnswer, NewAppeal
from rempart.controller.admin_api.cases import take_step
from rempart.controller.cases.confidences import Confidence, What
from rempart.controller.cases.owners import OwnedCase
from rempart.controller.console.frame import Frame
from rempart.controller.intents.zone_filters import ZoneFilter
from rempart.governance.deadlines import DeadlineKind, deadlines
from rempart.governance.statements import application_of, text_of
from rempart.governance.waiting import OwnersTurn, owners_turn
from rempart.model.accounts import ApiToken
from rempart.model.cases import Case
from rempart.model.cases_events import Opened
from rempart.model.errors import Conflict, RempartError
from rempart.model.permissions import Permission, Resource, authorise, zones_named
from rempart.model.validation import checked
from rempart.model.zones import Zone

PER_PAGE = 1_000
TOLD = (DeadlineKind.ANSWER, DeadlineKind.EFFECT, DeadlineKind.END, DeadlineKind.APPEAL)
"""Times that are the owner's business."""


def router(frame: Frame) -> APIRouter:
    """``/cases``."""
    routes = APIRouter(prefix="/cases")
    controller = frame.controller
    owners = controller.owners

    @routes.get("")
    def cases(request: Request) -> Response:
        zones = zones_of(frame, frame.owner(request), Permission.ZONE_READ)
        now = controller.clock()
        found = owners.about(zones)
        return frame.page(
            request,
            "owner/list.html",
            cases=[(one, owners_turn(one.case, now), times(one.case)) for one in found],
            zones=zones,
        )

    @routes.get("/{case_id}")
    def case_page(request: Request, case_id: str) -> Response:
        return _page(frame, request, case_id)

    @routes.post("/{case_id}/answer")
    def answer(
        request: Request, case_id: str, guard: Annotated[str, Form()], text: Annotated[str, Form()] = ""
    ) -> Response:
        return _say(frame, request, case_id, guard, OwnersTurn.ANSWER, text)

    @routes.post("/{case_id}/appeal")
    def appeal(
        request: Request, case_id: str, guard: Annotated[str, Form()], text: Annotated[str, Form()] = ""
    ) -> Response:
        return _say(frame, request, case_id, guard, OwnersTurn.APPEAL, text)

    @routes.get("/{case_id}/reasons.txt")
    def reasons(request: Request, case_id: str) -> Response:
        return _file(f"reasons-{case_id}.txt", text_of(_decided(frame, request, case_id)), "text/plain")

    @routes.get("/{case_id}/reasons.json")
    def reasons_for_database(request: Request, case_id: str) -> Response:
        made = application_of(_decided(frame, request, case_id))
        text = json.dumps(made, ensure_ascii=False, indent=2) + "\n"
        return _file(f"reasons-{case_id}.json", text, "application/json")

    return routes


def zones_of(frame: Frame, token: ApiToken, permission: Permission) -> tuple[Zone, ...]:
    """The zones for which the token has the permission."""
    intents = frame.controller.intents.zones
    wanted = ZoneFilter(within_account=token.account_id, ids=zones_named(token))
    found: list[Zone] = []
    page = 1
    while True:
        some = intents.find(wanted, page=page, per_page=PER_PAGE)
        found += some.items
        if page * PER_PAGE >= some.total:
            break
        page += 1
    return tuple(
        one
        for one in found
        if authorise(token, permission, Resource(account_id=one.account_id, zone_id=one.id))
    )


def times(case: Case) -> tuple[object, ...]:
    """The deadlines that owners are told of."""
    return tuple(one for one in deadlines(case) if one.kind in TOLD)


def _page(
    frame: Frame, request: Request, case_id: str, problem: RempartError | None = None, text: str = ""
) -> Response:
    token = frame.owner(request)
    owned = _owned(frame, token, case_id)
    case = owned.case
    measured = case.public and case.decision is not None and case.decision.motion.measure is not None
    return frame.page(
        request,
        "owner/case.html",
        status=200 if problem is None else problem.http_status,
        case=case,
        owned=owned,
        turns=owners_turn(case, frame.controller.clock()) if _may_answer(frame, token, owned) else (),
        may_answer=_may_answer(frame, token, owned),
        times=times(case),
        urls=_urls(frame, owned),
        answers=_answers(frame, owned),
        decided=case.decision if case.public else None,
        measured=measured,
        names={one.id: one.name for one in case.roster},
        said=request.query_params.get("said", ""),
        text=text,
        problem=problem,
    )


def _say(frame: Frame, request: Request, case_id: str, guard: str, turn: OwnersTurn, text: str) -> Response:
    token = frame.owner(request)
    frame.check_form(request, guard)
    owned = _owned(frame, token, case_id)
    try:
        if not _may_answer(frame, token, owned):
            raise Conflict("the token may read only", field="token", hint="zone:edit is needed")
        given = {"text": text.strip()}
        step = (
            checked(NewAnswer, given, "answer")
            if turn is OwnersTurn.ANSWER
            else checked(NewAppeal, given, "appeal")
        )
        take_step(frame.controller, case_id, step)
    except RempartError as error:
        return _page(frame, request, case_id, error, text)
    return RedirectResponse(f"/cases/{case_id}?said={turn.value}", 303)


def _owned(frame: Frame, token: ApiToken, case_id: str) -> OwnedCase:
    return frame.controller.owners.get(case_id, zones_of(frame, token, Permission.ZONE_READ))


def _may_answer(frame: Frame, token: ApiToken, owned: OwnedCase) -> bool:
    resources = (Resource(account_id=one.account_id, zone_id=one.id) for one in owned.zones)
    return any(authorise(token, Permission.ZONE_EDIT, one) for one in resources)


def _decided(frame: Frame, request: Request, case_id: str) -> Case:
    case = _owned(frame, frame.owner(request), case_id).case
    if not case.public:
        raise Conflict("nothing is decided yet", field="case")
    return case


def _answers(frame: Frame, owned: OwnedCase) -> tuple[Confidence, ...]:
    """What this owner wrote; where the case is about others' zones too, it may be theirs."""
    if not owned.wholly:
        return ()
    kept = frame.controller.docket.confidences(owned.case.id)
    return tuple(one for one in kept if one.what in (What.ANSWER, What.APPEAL))


def _urls(frame: Frame, owned: OwnedCase) -> tuple[str, ...]:
    """The addresses that the case is about, of those in the owner's zones."""
    opened = frame.controller.docket.steps(owned.case.id)[0].event
    if not isinstance(opened, Opened):
        return ()
    return tuple(one for one in opened.urls if any(t.covers(_host(one)) for t in owned.targets))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _file(name: str, text: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "no-store"}
    return Response(text, media_type=f"{media_type}; charset=utf-8", headers=headers)
