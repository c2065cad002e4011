"""What the lab needs of an origin, put around an application that nobody here wrote: a mark in every page,
and a line in the log for every request (``rempart.lab.origins.contract``). WSGI, PEP 3333."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

LOG = "requests.tsv"
COMMENTS = {
    "text/html": "<!-- {} -->",
    "text/plain": "# {}",
    "text/css": "/* {} */",
    "text/javascript": "/* {} */",
}
FIRST = re.compile(rb"\s*<(?:!doctype|\?xml)\b[^>]*>", re.IGNORECASE)

Environ = dict[str, Any]
Answer = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Truthful:
    """The application, with marks and log. One for each process; a line is written by one ``write``."""

    def __init__(self, application: Answer, secret: str, folder: Path) -> None:
        self._application, self._secret = application, secret
        self._log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = time.monotonic()
        path = asked(environ)
        seen: list[tuple[str, list[tuple[str, str]]]] = []

        def remember(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            seen.append((status, headers))

        pieces = self._application(environ, remember)
        try:
            body = b"".join(pieces)
        finally:
            getattr(pieces, "close", lambda: None)()
        status, headers = seen[-1]
        client = environ.get("HTTP_X_FORWARDED_FOR", "-").rpartition(",")[2].strip()
        method = environ["REQUEST_METHOD"]
        os.write(self._log, f"{began:.6f}\t{client}\t{method}\t{path}\t{status[:3]}\n".encode())
        if status.startswith("200") and method != "HEAD":
            kind = next((value for name, value in headers if name.lower() == "content-type"), "")
            body = marked(body, kind, mark(self._secret, path))
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers.append(("Content-Length", str(len(body))))
        start_response(status, headers)
        return [body]


def asked(environ: Environ) -> str:
    """Path and query as the client wrote them."""
    raw: str = environ.get("RAW_URI") or environ["PATH_INFO"]
    return raw


def mark(secret: str, path: str) -> str:
    """As ``rempart.lab.origins.contract.mark`` for what is sent without a body; a test holds them equal."""
    return hmac.new(secret.encode(), f"{path}\n".encode(), hashlib.sha256).hexdigest()[:16]


def marked(body: bytes, kind: str, sign: str) -> bytes:
    """A body with the mark in its first octets, as a comment of its kind; after ``<!doctype …>`` or
    ``<?xml …?>``, which must come first."""
    plain = kind.partition(";")[0].strip().lower()
    comment = COMMENTS["text/html"] if plain.endswith("xml") else COMMENTS.get(plain)
    if comment is None:
        return body
    first = FIRST.match(body)
    at = first.end() if first else 0
    return body[:at] + comment.format(sign).encode() + b"\n" + body[at:]
