"""Cases, arbiters, policies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from rempart.controller.admin_api.case_messages import (
    Cases,
    CaseSteps,
    CaseView,
    CharterChange,
    CharterView,
    Confidences,
    DeadlineView,
    NewAnswer,
    NewAppeal,
    NewCase,
    NewNotice,
    NewStepBody,
)
from rempart.controller.assembly import Controller
from rempart.controller.cases.applied import applied_by
from rempart.controller.cases.confidences import What
from rempart.controller.cases.rows import whole_seconds
from rempart.governance.charter import Charter
from rempart.governance.deadlines import deadlines
from rempart.governance.quorum import eligible, required
from rempart.governance.statements import application_of, text_of
from rempart.model.cases import Case, Phase
from rempart.model.cases_events import Announced
from rempart.model.errors import Conflict


def router(controller: Controller) -> APIRouter:
    """Routes under ``/v1/cases`` and ``/v1/charter``."""
    routes = APIRouter(prefix="/v1")
    docket = controller.docket

    def view(case: Case, *, in_full: bool = True) -> CaseView:
        now = controller.clock()
        motion = case.motion
        return CaseView(
            case=case,
            deadlines=tuple(
                DeadlineView(at=one.at, what=one.what, over=one.is_over(now)) for one in deadlines(case)
            ),
            eligible=() if motion is None else eligible(case, motion.kind),
            required=None if motion is None else required(motion.kind, case.policy),
            applied=applied_by(controller, case.id) if in_full else (),
        )

    def charter_view(charter: Charter) -> CharterView:
        return CharterView(
            seq=charter.seq,
            founding=docket.charter.is_founding(),
            arbiters=charter.arbiters,
            policies=charter.policies,
        )

    @routes.get("/cases")
    def list_cases(
        phase: Phase | None = None, host: str | None = None, after: str | None = None, limit: int = 100
    ) -> Cases:
        found = docket.list(phase=phase, host=host, after=after, limit=limit)
        return Cases(cases=tuple(view(one, in_full=False) for one in found.items), next=found.next)

    @routes.post("/cases", status_code=201)
    def open_case(new: NewCase) -> CaseView:
        given = (
            (What.REPORTER, new.reporter),
            (What.REPORT, new.report),
            *((What.EVIDENCE, one) for one in new.evidence),
        )
        case = docket.open(
            new.source,
            new.category,
            new.targets,
            new.by,
            urls=new.urls,
            order=new.order,
            trusted_flagger=new.trusted_flagger,
            confidential=tuple((what, text) for what, text in given if text is not None),
        )
        return view(case)

    @routes.get("/cases/{case_id}")
    def show_case(case_id: str) -> CaseView:
        case = docket.get(case_id)
        reading = controller.desk.reading
        answers = reading.answering(site=case.targets[0].host)
        return view(case).model_copy(
            update={
                "reports": tuple(one.id for one in reading.of_case(case_id)),
                "answering": answers if answers.forwarded else None,
            }
        )

    @routes.get("/cases/{case_id}/steps")
    def steps_of_case(case_id: str) -> CaseSteps:
        return CaseSteps(steps=docket.steps(case_id))

    @routes.get("/cases/{case_id}/confidences")
    def confidences_of_case(case_id: str, reporter: bool = False) -> Confidences:
        return Confidences(confidences=docket.confidences(case_id, with_reporter=reporter))

    @routes.get("/cases/{case_id}/reasons")
    def reasons_of_case(case_id: str) -> dict[str, Any]:
        """The statement of reasons: ``text`` for the owner, ``dsa`` for the EU's database, if one is due."""
        case = docket.get(case_id)
        return {"text": text_of(case), "dsa": application_of(case)}

    @routes.post("/cases/{case_id}/steps")
    def take_step(case_id: str, new: NewStepBody) -> CaseView:
        match new.step:
            case NewAnswer(text=text):
                case_ = docket.answer(case_id, text)
            case NewAppeal(text=text):
                case_ = docket.appeal(case_id, text)
            case NewNotice(effective_at=at, by=by):
                case_ = docket.get(case_id)
                if case_.decision is None:
                    raise Conflict("nothing is decided yet", field="case")
                # Judged again when it is taken; a moment more, because that is later.
                notice = timedelta(seconds=case_.policy.notice_s + 1)
                earliest = whole_seconds(controller.clock()) + notice
                event = Announced(decision=case_.decision, effective_at=at or earliest, by=by)
                case_ = docket.take(case_id, event)
            case event:
                case_ = docket.take(case_id, event)
        while docket.tick(case_id):
            case_ = docket.get(case_id)
        return view(case_)

    @routes.get("/charter")
    def show_charter() -> CharterView:
        return charter_view(docket.charter.get())

    @routes.post("/charter")
    def amend_charter(new: CharterChange) -> CharterView:
        return charter_view(docket.charter.amend(new.change))

    return routes
