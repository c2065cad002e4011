"""What the gate answers to each request: ``(request, keys, replays, now, random) → reply``. Pure.

POST pass   a script with a proof or after the wait: 204 and the cookie, or a status and a reason
GET  pass   a browser without scripts after the wait: the cookie and on to ``enter``, or the page again
GET  enter  on to where the visitor wanted to go, or words about cookies when none came back
GET  check  whether the clearance came back: 204 or 403
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote

from rempart.engines.haproxy.challenge_pages import (
    LANGUAGES,
    Language,
    content_security_policy,
    language,
    plain_page,
)
from rempart.gate import challenge, clearance
from rempart.gate.challenge import Refused, Why
from rempart.gate.languages import preferred
from rempart.gate.replay import ReplayMemory
from rempart.model.gate import CLEARANCE_LIFETIME_S, COOKIE, GATE_PATH, GateKeys
from rempart.model.receipts import HOST_MOST, WHY_CHALLENGE, Refusal, issue, shortened

_STATUS = {Why.TOO_EARLY: 425, Why.EXPIRED: 410, Why.REPLAYED: 409}
_PATH_MAX = 4_096
_COOKIES_MAX = 50


@dataclass(frozen=True, slots=True)
class Request:
    """What came through the edge. Header names in lower case; ``query`` and ``body`` as they came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: str = ""

    @property
    def authority(self) -> str:
        """The host, with a port if there is one."""
        return self.headers.get("host", "")

    @property
    def host(self) -> str:
        """As the edge names it in challenges."""
        return self.authority.partition(":")[0].lower().rstrip(".")

    @property
    def secure(self) -> bool:
        return self.headers.get("x-forwarded-proto") == "https"

    @property
    def client(self) -> str:
        """The visitor's address, as the edge says."""
        return self.headers.get("x-forwarded-for", "")

    def field(self, name: str) -> str:
        """A field of the query or of the form; empty when there is none."""
        text = self.body if self.method == "POST" else self.query
        return parse_qs(text, max_num_fields=8).get(name, [""])[0]

    def cookies(self, name: str) -> list[str]:
        pairs = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        return [value for key, _, value in pairs if key == name][:_COOKIES_MAX]


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = field(default="", repr=False)


def reply(request: Request, keys: GateKeys, replays: ReplayMemory, now: float, random: bytes) -> Reply:
    """The answer. ``random``: 16 unguessable bytes, used when a clearance is issued."""
    try:
        match request.method, request.path.removeprefix(GATE_PATH):
            case "POST", "pass":
                return _passing(request, keys, replays, now, random)
            case "GET", "pass":
                return _passing_plainly(request, keys, replays, now, random)
            case "GET", "enter":
                return _entering(request, keys, now)
            case "GET", "check":
                return _reply(204 if _is_cleared(request, keys, now) else 403)
    except ValueError:  # more fields than any page of ours sends
        return _reply(400)
    return _reply(404)


def _passing(request: Request, keys: GateKeys, replays: ReplayMemory, now: float, random: bytes) -> Reply:
    outcome = challenge.verify(request.field("c"), request.field("p"), request.host, keys, replays, now)
    if isinstance(outcome, Refused):
        retry = (("Retry-After", str(outcome.wait_s)),) if outcome.wait_s else ()
        return _reply(_STATUS.get(outcome.why, 403), *retry, text=outcome.why.value)
    return _reply(204, _cookie(request, keys, outcome, now, random))


def _passing_plainly(
    request: Request, keys: GateKeys, replays: ReplayMemory, now: float, random: bytes
) -> Reply:
    text, where = request.field("c"), _return_path(request.field("to"))
    outcome = challenge.verify(text, request.field("p"), request.host, keys, replays, now)
    if isinstance(outcome, Refused):
        if outcome.why is Why.TOO_EARLY:
            words = _words(request)
            again = f"{GATE_PATH}pass?c={quote(text)}&to={quote(where, safe='')}"
            receipt = _receipt(request, keys, 503, now)
            return _page(request, 503, words.too_early, receipt, retry_s=outcome.wait_s, onward=again)
        # Used already, too old, or not ours: the wanted page opens, or states a new challenge.
        return _reply(303, ("Location", _location(request, where)))
    enter = f"{GATE_PATH}enter?to={quote(where, safe='')}"
    return _reply(303, ("Location", _location(request, enter)), _cookie(request, keys, outcome, now, random))


def _entering(request: Request, keys: GateKeys, now: float) -> Reply:
    where = _return_path(request.field("to"))
    if _is_cleared(request, keys, now):
        return _reply(303, ("Location", _location(request, where)))
    return _page(request, 403, _words(request).cookies, _receipt(request, keys, 403, now))


def _is_cleared(request: Request, keys: GateKeys, now: float) -> bool:
    return any(clearance.verify(token, request.host, keys, now) for token in request.cookies(COOKIE))


def _cookie(
    request: Request, keys: GateKeys, passed: challenge.Passed, now: float, random: bytes
) -> tuple[str, str]:
    token = clearance.sign(clearance.issue(request.host, passed.rung, random, int(now)), keys.current)
    secure = "; Secure" if request.secure else ""
    return (
        "Set-Cookie",
        f"{COOKIE}={token}; Path=/; Max-Age={CLEARANCE_LIFETIME_S}; HttpOnly; SameSite=Lax{secure}",
    )


def _return_path(text: str) -> str:
    """Where the visitor wanted to go, on this site: a path with its query; ``/`` for anything else."""
    if text[:3].lower() == "%2f":
        text = unquote(text)
    sound = text.startswith("/") and len(text) <= _PATH_MAX and all("!" <= c <= "~" for c in text)
    # Never back into the gate: that could go round for ever.
    return text if sound and not text.startswith(GATE_PATH) else "/"


def _location(request: Request, path: str) -> str:
    # Absolute: a path that begins with two slashes would name another host (RFC 3986 section 4.2).
    return f"{'https' if request.secure else 'http'}://{request.authority}{path}"


def _words(request: Request) -> Language:
    return language(preferred(request.headers.get("accept-language", ""), LANGUAGES))


def _receipt(request: Request, keys: GateKeys, status: int, now: float) -> str:
    """As the edge makes them; the request's id where the edge has said too little."""
    host = request.host[:HOST_MOST]
    if not (keys.receipts and request.client and all("!" <= one <= "~" for one in host)):
        return request.headers.get("x-request-id", "")[:64]
    refusal = Refusal(
        host=quote(host, safe=""),
        status=status,
        why=WHY_CHALLENGE,
        at=int(now),
        network=shortened(request.client),
    )
    return issue(refusal, keys.receipt_key_base64, keys.receipt_key)


def _page(
    request: Request, status: int, text: str, receipt: str, *, retry_s: int = 0, onward: str = ""
) -> Reply:
    words = _words(request)
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", words.code),
        ("Content-Security-Policy", content_security_policy()),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if retry_s:
        headers.append(("Retry-After", str(retry_s)))
    html = plain_page(words, text, receipt, onward=onward)
    # no-cache: Lynx, which does not know no-store, would not ask again.
    return Reply(status, (*headers, ("Cache-Control", "no-store, no-cache")), html)


def _reply(status: int, *headers: tuple[str, str], text: str = "") -> Reply:
    kind = (("Content-Type", "text/plain"),) if text else ()
    return Reply(status, (*headers, *kind, ("Cache-Control", "no-store")), text)
