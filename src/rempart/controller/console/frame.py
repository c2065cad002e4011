"""What every page stands in: templates, language, navigation, who is signed in, forms that only we make."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from rempart.controller.assembly import Controller
from rempart.controller.console.guard import HEADERS
from rempart.controller.console.sessions import COOKIE, Role, Session, Sessions
from rempart.controller.console.static import ASSETS
from rempart.controller.console.words import LANGUAGES, NAMES, WORDS, Words, preferred
from rempart.model.accounts import ApiToken, TokenState
from rempart.model.cases import Arbiter
from rempart.model.errors import Conflict, NotFound, RempartError

LANGUAGE_COOKIE = "rempart-language"
LANGUAGE_S = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the navigation. ``role``: for whom; None: for everybody."""

    path: str
    text: str
    role: Role | None = None


NAVIGATION = (
    Place("/decisions", "frame.nav.decisions"),
    Place("/policies", "frame.nav.policies"),
    Place("/arbiters", "frame.nav.arbiters"),
    Place("/log", "frame.nav.log"),
    Place("/reports/new", "frame.nav.report"),
    Place("/docket", "frame.nav.docket", Role.ARBITER),
    Place("/reports/waiting", "frame.nav.reports_waiting", Role.ARBITER),
    Place("/cases", "frame.nav.cases", Role.OWNER),
    Place("/reports/own", "frame.nav.reports_own", Role.OWNER),
)


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody who is signed in, looked at anew for this request."""

    session: Session
    secret: str
    name: str
    arbiter: Arbiter | None = None
    token: ApiToken | None = None

    @property
    def role(self) -> Role:
        return self.session.role


class SignInNeeded(RempartError):
    """The page is for somebody who is signed in as ``role``."""

    http_status = 401
    slug = "sign-in-needed"

    def __init__(self, role: Role) -> None:
        super().__init__("this page is for somebody who is signed in")
        self.role = role


def _templates(folder: Traversable, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for one in folder.iterdir():
        if one.is_dir():
            found |= _templates(one, f"{prefix}{one.name}/")
        elif one.name.endswith((".html", ".xml")):
            found[prefix + one.name] = one.read_text(encoding="utf-8")
    return found


# Read when the module is, because the process that serves them may not be able to look here any more.
TEMPLATES: Mapping[str, str] = _templates(files(__package__).joinpath("templates"))


class Frame:
    """Makes pages. Safe to use from any thread; everything here may read the store, so not from the loop."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.sessions = Sessions()
        self._templates = Environment(
            loader=DictLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    # --- pages ---------------------------------------------------------------------------------------

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page in the visitor's language."""
        words = self.words(request)
        seat = self.seat(request)
        common = {
            "t": words,
            "language": words.code,
            "languages": [(code, NAMES[code]) for code in LANGUAGES],
            "moment": lambda when: moment(when, words),
            "day": lambda when: day(when, words),
            "words": lambda room, one: words(f"cases.{room}.{one.value if isinstance(one, Enum) else one}"),
            "static": lambda name: ASSETS[name].path,
            "here": request.url.path,
            "base_url": self.base_url(request),
            "seat": seat,
            "guard": "" if seat is None else self.sessions.guard(seat.secret),
            "navigation": [one for one in NAVIGATION if one.role in (None, seat and seat.role)],
            "now": self.controller.clock(),
        }
        html = self._templates.get_template(template).render(**common, **values)
        response = HTMLResponse(html, status_code=status)
        response.headers.update(HEADERS)  # a page about a surprise does not come by the guard
        response.headers["Content-Language"] = words.code
        response.headers["Cache-Control"] = "no-cache" if COOKIE not in request.cookies else "no-store"
        response.headers["Vary"] = "Accept-Language, Cookie"
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(
                LANGUAGE_COOKIE, words.code, max_age=LANGUAGE_S, httponly=True, samesite="lax", path="/"
            )
        return response

    def text(self, request: Request, template: str, **values: Any) -> str:
        """Part of a page, or what is not HTML."""
        return self._templates.get_template(template).render(t=self.words(request), **values)

    def words(self, request: Request) -> Words:
        """In the language that was asked for, or chosen before, or that the browser prefers."""
        for code in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
            if code in LANGUAGES:
                return WORDS[code]
        return WORDS[preferred(request.headers.get("accept-language"))]

    def base_url(self, request: Request) -> str:
        """Where visitors reach the console, without a slash at the end."""
        host = self.controller.configuration.operator_host
        if host is not None:
            port = self.controller.configuration.edge.https_port
            return f"https://{host}" + ("" if port == 443 else f":{port}")
        scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else request.url.scheme
        return f"{scheme}://{request.url.netloc}"

    # --- people --------------------------------------------------------------------------------------

    def seat(self, request: Request) -> Seat | None:
        """Who is signed in; whoever is an arbiter no longer, or whose token is taken back, is not."""
        if not hasattr(request.state, "seat"):
            request.state.seat = self._seat(request.cookies.get(COOKIE))
        found: Seat | None = request.state.seat
        return found

    def _seat(self, secret: str | None) -> Seat | None:
        session = self.sessions.find(secret, self.controller.clock()) if secret else None
        if secret is None or session is None:
            return None
        if session.role is Role.ARBITER:
            arbiters = self.controller.docket.charter.get().arbiters
            arbiter = next((one for one in arbiters if one.id == session.who), None)
            if arbiter is not None and arbiter.key == session.proof:
                return Seat(session, secret, arbiter.name, arbiter=arbiter)
        else:
            token = self._token(session)
            if token is not None:
                return Seat(session, secret, token.name, token=token)
        self.sessions.end(secret)
        return None

    def _token(self, session: Session) -> ApiToken | None:
        try:
            token = self.controller.intents.tokens.get(session.account_id, session.who)
        except NotFound:
            return None
        taken = token.state(self.controller.clock()) is TokenState.ACTIVE and token.sha256 == session.proof
        return token if taken else None

    def arbiter(self, request: Request) -> Arbiter:
        """The arbiter who is signed in; SignInNeeded."""
        seat = self.seat(request)
        if seat is None or seat.arbiter is None:
            raise SignInNeeded(Role.ARBITER)
        return seat.arbiter

    def owner(self, request: Request) -> ApiToken:
        """The token of the owner who is signed in; SignInNeeded."""
        seat = self.seat(request)
        if seat is None or seat.token is None:
            raise SignInNeeded(Role.OWNER)
        return seat.token

    def check_form(self, request: Request, guard: str) -> None:
        """Conflict when the form was not made for this session."""
        seat = self.seat(request)
        if seat is None or not hmac.compare_digest(self.sessions.guard(seat.secret).encode(), guard.encode()):
            raise Conflict("the form was made for another session", hint="load the page again and repeat it")


def day(when: datetime, words: Words) -> Markup:
    """A day as people write it, and as programs do."""
    month = words(f"frame.month.{when.month}")
    text = words("frame.day", day=when.day, month=month, year=when.year)
    return Markup('<time datetime="{}">{}</time>').format(f"{when:%Y-%m-%d}", text)


def moment(when: datetime, words: Words) -> Markup:
    """A point in time, UTC."""
    month = words(f"frame.month.{when.month}")
    date = words("frame.day", day=when.day, month=month, year=when.year)
    text = words("frame.moment", day=date, time=f"{when:%H:%M}")
    return Markup('<time datetime="{}">{}</time>').format(f"{when:%Y-%m-%dT%H:%M:%SZ}", text)
