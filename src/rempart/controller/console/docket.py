"""The arbiters' docket: what waits for whoever is signed in, each case, and their word on it.

A word is a statement that the arbiter signs elsewhere, with a key that is never here: the page gives the
bytes and takes the signature. What is brought goes the way of ``rempart case submit``: the process itself
judges everything about it. Who reported is not shown here.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from rempart.controller.admin_api.case_messages import Unsigned
from rempart.controller.admin_api.cases import take_step
from rempart.controller.cases.confidences import Confidence
from rempart.controller.cases.rows import whole_seconds
from rempart.controller.console.frame import Frame
from rempart.controller.console.motions import MotionForm, drafted
from rempart.controller.console.signatures import signature_of
from rempart.governance.canonical import motion_digest, statement_bytes
from rempart.governance.deadlines import Deadline, deadlines
from rempart.governance.quorum import eligible, required
from rempart.governance.speaking import statement_of
from rempart.governance.waiting import Awaited, awaited, possible
from rempart.model.cases import Act, Arbiter, Case, Phase, Signed
from rempart.model.cases_remedies import LADDER
from rempart.model.errors import InvalidInput, RempartError
from rempart.model.validation import checked

OPEN = tuple(one for one in Phase if one not in (Phase.CLOSED, Phase.DISMISSED))
CASES_MAX = 1_000
FILE_MAX = 128 * 1024
SAYABLE = (Act.APPROVE, Act.REJECT, Act.WITHDRAW, Act.RECUSE)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A case on the docket, with what waits in it."""

    case: Case
    awaited: tuple[Awaited, ...]


def router(frame: Frame) -> APIRouter:
    """``/docket``."""
    routes = APIRouter(prefix="/docket")
    controller = frame.controller
    docket = controller.docket

    @routes.get("")
    def docket_page(request: Request) -> Response:
        arbiter, now = frame.arbiter(request), controller.clock()
        found = docket.list(phases=OPEN, limit=CASES_MAX)
        mine = [one for one in found.items if one.arbiter(arbiter.id) and arbiter.id not in one.recused]
        listed = [Waiting(one, awaited(one, arbiter.id, now)) for one in mine]
        return frame.page(
            request,
            "docket/list.html",
            waiting=[one for one in listed if one.awaited],
            others=[one for one in listed if not one.awaited],
            next_deadline=_next_deadline,
            more=found.next is not None,
        )

    @routes.get("/{case_id}")
    def case_page(request: Request, case_id: str) -> Response:
        return _case_page(frame, request, case_id)

    @routes.post("/{case_id}/statement")
    def statement(
        request: Request,
        case_id: str,
        guard: Annotated[str, Form()],
        act: Annotated[str, Form()] = "",
        conflict: Annotated[str, Form()] = "",
        impartial: Annotated[str, Form()] = "",
    ) -> Response:
        arbiter = frame.arbiter(request)
        frame.check_form(request, guard)
        try:
            said = _word(docket.get(case_id), arbiter, act, conflict.strip(), impartial == "yes", frame)
        except InvalidInput as error:
            return _case_page(frame, request, case_id, error)
        return _to_be_signed(frame, request, said)

    @routes.get("/{case_id}/motion")
    def motion_form(request: Request, case_id: str, kind: str = "") -> Response:
        arbiter = frame.arbiter(request)
        case = docket.get(case_id)
        can = possible(case, arbiter.id, controller.clock())
        form = MotionForm(kind=kind) if kind in can else MotionForm()
        return _motion_page(frame, request, case, form)

    @routes.post("/{case_id}/motion")
    async def motion(request: Request, case_id: str) -> Response:

        fields = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        return await run_in_threadpool(_moved, frame, request, case_id, fields)

    @routes.post("/{case_id}/bytes")
    def to_sign(
        request: Request, case_id: str, guard: Annotated[str, Form()], unsigned: Annotated[str, Form()]
    ) -> Response:
        frame.arbiter(request)
        frame.check_form(request, guard)
        content = statement_bytes(_read(unsigned).statement)
        headers = {"Content-Disposition": "attachment; filename=statement.txt", "Cache-Control": "no-store"}
        return Response(content, media_type="text/plain; charset=utf-8", headers=headers)

    @routes.post("/{case_id}/submit")
    def submit(
        request: Request,
        case_id: str,
        guard: Annotated[str, Form()],
        unsigned: Annotated[str, Form()] = "",
        unsigned_file: UploadFile | None = None,
        signature: Annotated[str, Form()] = "",
        signature_file: UploadFile | None = None,
    ) -> Response:
        arbiter = frame.arbiter(request)
        frame.check_form(request, guard)
        given = unsigned_file.file.read(FILE_MAX).decode(errors="replace") if unsigned_file else ""
        made = _read(unsigned, given)
        try:
            _bring(frame, case_id, arbiter, made, signature_of(signature, signature_file))
        except RempartError as error:
            if unsigned:
                return _to_be_signed(frame, request, made, error)
            return _case_page(frame, request, case_id, error)
        return RedirectResponse(f"/docket/{case_id}?taken=yes", 303)

    return routes


def _case_page(frame: Frame, request: Request, case_id: str, problem: RempartError | None = None) -> Response:
    arbiter = frame.arbiter(request)
    docket, now = frame.controller.docket, frame.controller.clock()
    case = docket.get(case_id)
    motion = case.motion
    part = case.arbiter(arbiter.id) is not None and arbiter.id not in case.recused
    # Whoever has no part in it, for a conflict of interest perhaps, reads nothing that is confidential.
    texts: tuple[Confidence, ...] = docket.confidences(case_id) if part else ()
    return frame.page(
        request,
        "docket/case.html",
        status=200 if problem is None else problem.http_status,
        case=case,
        arbiter=arbiter,
        part=part,
        awaited=awaited(case, arbiter.id, now),
        possible=possible(case, arbiter.id, now),
        eligible=() if motion is None else eligible(case, motion.kind),
        required=None if motion is None else required(motion.kind, case.policy),
        deadlines=deadlines(case),
        steps=docket.steps(case_id),
        texts=texts,
        names={one.id: one.name for one in case.roster},
        acts=_acts(case, arbiter.id),
        taken=request.query_params.get("taken") == "yes" and problem is None,
        problem=problem,
    )


def _acts(case: Case, arbiter: str) -> tuple[Act, ...]:
    """What the arbiter may say now; the process judges again."""
    if case.arbiter(arbiter) is None or arbiter in case.recused:
        return ()
    if case.motion is not None:
        spoken = any(one.statement.arbiter == arbiter for one in case.standing)
        votes = arbiter in eligible(case, case.motion.kind)
        said: tuple[Act, ...] = (Act.WITHDRAW,) if spoken else (Act.APPROVE, Act.REJECT) if votes else ()
        return (*said, Act.RECUSE)
    signed = case.decision is not None and arbiter in case.decision.signers and case.restriction is None
    return (Act.WITHDRAW, Act.RECUSE) if signed else (Act.RECUSE,)


def _word(case: Case, arbiter: Arbiter, act: str, conflict: str, impartial: bool, frame: Frame) -> Unsigned:
    """The statement that was chosen, unsigned. InvalidInput when it cannot be said."""
    if act not in SAYABLE:
        raise InvalidInput("choose what you want to say", field="act")
    chosen = Act(act)
    if chosen in (Act.APPROVE, Act.REJECT) and not impartial:
        raise InvalidInput(
            "say that you have no interest in the outcome", field="impartial", hint="or declare a conflict"
        )
    if chosen is Act.RECUSE and not conflict:
        raise InvalidInput("say what the conflict of interest is", field="conflict")
    on = case.motion or (case.decision.motion if chosen is Act.WITHDRAW and case.decision else None)
    if on is None and chosen is not Act.RECUSE:
        raise InvalidInput("no motion is open in this case", field="act")
    said = statement_of(
        case,
        arbiter.id,
        chosen,
        None if on is None else motion_digest(on),
        whole_seconds(frame.controller.clock()),
        conflict if chosen is Act.RECUSE else "",
        impartial=chosen is not Act.RECUSE,
    )
    return Unsigned(statement=said)


def _moved(frame: Frame, request: Request, case_id: str, fields: dict[str, str]) -> Response:
    """The author's motion, to be signed; or the form again, with what is wrong."""
    arbiter = frame.arbiter(request)
    frame.check_form(request, fields.get("guard", ""))
    case = frame.controller.docket.get(case_id)
    form = MotionForm.of(fields)
    now = whole_seconds(frame.controller.clock())
    try:
        motion = drafted(case, arbiter.id, form, now)
        said = statement_of(case, arbiter.id, Act.MOVE, motion_digest(motion), now)
    except InvalidInput as error:
        return _motion_page(frame, request, case, form, error)
    return _to_be_signed(frame, request, Unsigned(statement=said, motion=motion))


def _motion_page(
    frame: Frame, request: Request, case: Case, form: MotionForm, problem: RempartError | None = None
) -> Response:
    arbiter = frame.arbiter(request)
    return frame.page(
        request,
        "docket/motion.html",
        status=200 if problem is None else problem.http_status,
        case=case,
        form=form,
        ladder=LADDER,
        kinds=possible(case, arbiter.id, frame.controller.clock()),
        problem=problem,
    )


def _to_be_signed(
    frame: Frame, request: Request, unsigned: Unsigned, problem: RempartError | None = None
) -> Response:
    arbiter = frame.arbiter(request)
    case = frame.controller.docket.get(unsigned.statement.case)
    motion = unsigned.motion or case.motion or (case.decision.motion if case.decision else None)
    about = motion if motion is not None and motion_digest(motion) == unsigned.statement.motion else None
    return frame.page(
        request,
        "docket/sign.html",
        status=200 if problem is None else problem.http_status,
        case=case,
        arbiter=arbiter,
        statement=unsigned.statement,
        motion=about,
        text=statement_bytes(unsigned.statement).decode(),
        unsigned=base64.urlsafe_b64encode(unsigned.model_dump_json().encode()).decode(),
        problem=problem,
    )


def _read(text: str, file: str = "") -> Unsigned:
    """A statement as the page has given it out, or as ``rempart case … --write`` writes it to a file."""
    try:
        content = base64.urlsafe_b64decode(text) if text else file.encode()
        return Unsigned.model_validate_json(content)
    except (ValidationError, binascii.Error) as error:
        raise InvalidInput("this is no statement to be signed", field="unsigned") from error


def _bring(frame: Frame, case_id: str, arbiter: Arbiter, unsigned: Unsigned, signature: str) -> None:
    """The signed statement, into the case."""
    if unsigned.statement.case != case_id or unsigned.statement.arbiter != arbiter.id:
        raise InvalidInput("this statement is another case's, or another arbiter's", field="unsigned")
    given = {"statement": unsigned.statement.model_dump(), "signature": signature}
    take_step(frame.controller, case_id, unsigned.step(checked(Signed, given, "signature")))


def _next_deadline(case: Case) -> Deadline | None:
    return next(iter(deadlines(case)), None)
