"""What holds for every request before any room sees it, and for every answer.

Nothing is taken from a page of another site (Fetch Metadata, else ``Origin``: RFC 6454 section 7), and no
body is longer than its path takes. Every answer forbids browsers whatever the pages do not need.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KIB = 1024
BODY_MAX: dict[str, int] = {"/": 256 * KIB}
"""Octets of a body, by the beginning of the path; the longest beginning counts."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer, which would make browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

Refuse = Callable[[Request, int], Awaitable[Response]]


class Guard:
    """ASGI middleware. ``refuse`` makes the page for a status: 403, 411 or 413."""

    def __init__(self, app: ASGIApp, refuse: Refuse) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        status = refused(scope["method"], scope["path"], Headers(scope=scope))
        if status is None:
            await self._app(scope, receive, sent)
        else:
            response = await self._refuse(Request(scope, receive), status)
            await response(scope, receive, sent)


def refused(method: str, path: str, headers: Headers) -> int | None:
    """The status with which a request is refused unseen; None when it is not."""
    if method in SAFE:
        return None
    if is_from_elsewhere(headers):
        return 403
    if "transfer-encoding" in headers:
        return 411
    length = headers.get("content-length", "0")
    return None if length.isdecimal() and int(length) <= _body_max(path) else 413


def is_from_elsewhere(headers: Headers) -> bool:
    """Whether a browser says that another site's page sent it. What is no browser says nothing."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _body_max(path: str) -> int:
    return BODY_MAX[max((one for one in BODY_MAX if path.startswith(one)), key=len)]
