"""Signing in and out: arbiters prove their key, owners show an API token.

An arbiter signs a short-lived statement of ours (`SignIn`) on their own machine. Nothing is kept about a
statement before its signature comes: it goes out with a code that only this process can make, and comes back
with it. Used once, its nonce is remembered until it is no longer good.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from rempart.controller.console.frame import Frame
from rempart.controller.console.sessions import COOKIE, LONGEST, Role
from rempart.controller.console.signatures import is_signed_by, signature_of
from rempart.governance.canonical import sign_in_bytes
from rempart.model.cases import Arbiter
from rempart.model.errors import Conflict, InvalidInput, NotFound, RempartError
from rempart.model.sign_in import SignIn

GOOD_FOR = timedelta(minutes=10)
SEALED = b"sign-in"


def router(frame: Frame) -> APIRouter:
    """``/sign-in``, ``/sign-out``."""
    routes = APIRouter()

    @routes.get("/sign-in")
    def choose(request: Request) -> Response:
        return frame.page(request, "sign_in/choose.html")

    @routes.get("/sign-in/owner")
    def owner_form(request: Request, to: str = "") -> Response:
        return frame.page(request, "sign_in/owner.html", to=_local(to), problem=None)

    @routes.post("/sign-in/owner")
    def owner(request: Request, token: Annotated[str, Form()], to: Annotated[str, Form()] = "") -> Response:
        found = frame.controller.intents.tokens.verify(token.strip())
        if found is None:
            words = frame.words(request)
            problem = words("sign_in.owner.refused")
            return frame.page(request, "sign_in/owner.html", status=403, to=_local(to), problem=problem)
        now = frame.controller.clock()
        secret = frame.sessions.open(Role.OWNER, found.id, found.sha256, now, account_id=found.account_id)
        return _signed_in(secret, _local(to) or "/cases")

    @routes.get("/sign-in/arbiter")
    def arbiter_form(request: Request, arbiter: str = "", to: str = "") -> Response:
        return _arbiter_page(frame, request, arbiter, to)

    @routes.get("/sign-in/statement")
    def statement(statement: str, seal: str) -> Response:
        content = sign_in_bytes(_ours(frame, statement, seal))
        headers = {"Content-Disposition": "attachment; filename=sign-in.txt", "Cache-Control": "no-store"}
        return Response(content, media_type="text/plain; charset=utf-8", headers=headers)

    @routes.post("/sign-in/arbiter")
    def arbiter(
        request: Request,
        statement: Annotated[str, Form()],
        seal: Annotated[str, Form()],
        signature: Annotated[str, Form()] = "",
        signature_file: UploadFile | None = None,
        to: Annotated[str, Form()] = "",
    ) -> Response:
        said = _ours(frame, statement, seal)
        try:
            secret = _prove(frame, request, said, signature_of(signature, signature_file))
        except RempartError as error:
            return _arbiter_page(frame, request, said.arbiter, to, error)
        return _signed_in(secret, _local(to) or "/docket")

    @routes.post("/sign-out")
    def sign_out(request: Request, guard: Annotated[str, Form()] = "") -> Response:
        seat = frame.seat(request)
        if seat is not None:
            frame.check_form(request, guard)
            frame.sessions.end(seat.secret)
        response = RedirectResponse("/", 303)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

    return routes


def _arbiter_page(
    frame: Frame, request: Request, id_: str, to: str, problem: RempartError | None = None
) -> Response:
    """The statement to be signed; before that is known, the question who it is."""
    active = frame.controller.docket.charter.get().arbiters
    arbiter = next((one for one in active if one.id == id_), None)
    values: dict[str, object] = {"statement": "", "seal": "", "text": "", "until": None}
    if arbiter is not None:
        now = frame.controller.clock().replace(microsecond=0)
        made = SignIn(
            console=frame.base_url(request),
            arbiter=arbiter.id,
            nonce=secrets.token_urlsafe(24),
            at=now,
            until=now + GOOD_FOR,
        )
        text = base64.urlsafe_b64encode(made.model_dump_json().encode()).decode()
        seal = frame.sessions.sealed(SEALED, text.encode())
        values = {
            "statement": text,
            "seal": seal,
            "text": sign_in_bytes(made).decode(),
            "until": made.until,
        }
    return frame.page(
        request,
        "sign_in/arbiter.html",
        status=200 if problem is None else problem.http_status,
        arbiters=[(one.id, f"{one.name} ({one.id})") for one in active],
        arbiter=arbiter,
        to=_local(to),
        problem=problem,
        **values,
    )


def _ours(frame: Frame, text: str, seal: str) -> SignIn:
    """The statement that this process has made. InvalidInput for any other."""
    if not secrets.compare_digest(frame.sessions.sealed(SEALED, text.encode()).encode(), seal.encode()):
        raise InvalidInput("the statement is not of this console, or older than it", field="statement")
    try:
        return SignIn.model_validate_json(base64.urlsafe_b64decode(text))
    except (ValidationError, binascii.Error) as error:
        raise InvalidInput("this is no statement", field="statement") from error


def _prove(frame: Frame, request: Request, said: SignIn, signature: str) -> str:
    """The new session's secret, when the signature is the arbiter's under ``said``, which is still good."""
    now = frame.controller.clock()
    if now > said.until:
        raise Conflict("the statement is too old", field="statement", hint="sign the new one below")
    if said.console != frame.base_url(request):
        raise Conflict(f"the statement is for {said.console}", field="statement")
    arbiter = _active(frame, said.arbiter)
    if not is_signed_by(arbiter, signature, sign_in_bytes(said)):
        raise InvalidInput(
            f"this is not {arbiter.id}'s signature under that statement",
            field="signature",
            hint="each loading of this page makes a new statement: sign the one below",
        )
    if not frame.sessions.use_once(said.nonce, said.until, now):
        raise Conflict("the statement was used already", field="statement", hint="sign the new one below")
    return frame.sessions.open(Role.ARBITER, arbiter.id, arbiter.key, now)


def _active(frame: Frame, id_: str) -> Arbiter:
    for one in frame.controller.docket.charter.get().arbiters:
        if one.id == id_:
            return one
    raise NotFound(f"{id_} is no arbiter", field="arbiter")


def _signed_in(secret: str, to: str) -> Response:
    response = RedirectResponse(to, 303)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
    return response


def _local(path: str) -> str:
    """A path of ours, or nothing: nobody is led elsewhere."""
    good = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path[:500] if good else ""
