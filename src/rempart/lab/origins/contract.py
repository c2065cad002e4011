"""What an origin is: a real application in the origin's namespace, and the map of its site.

An origin writes one line for every request it was asked (``ORIGIN_LOG`` in the folder it is given):
CLOCK_MONOTONIC seconds when it began to be handled, the client's address as the edge forwarded it
(X-Forwarded-For), method, path with query, status; separated by tabs. That log is the truth about what
reached the origin.

Every page carries a mark that can be checked without asking the origin: ``mark(secret, path)``. So an error
page, a challenge, or the page of another path is never taken for what was asked.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rempart.model.base import Value

ORIGIN_LOG = "requests.tsv"


class Page(Value):
    """An ordinary page, and what a browser fetches with it."""

    path: str
    assets: tuple[str, ...] = ()
    weight: float = 1.0
    """How often it is visited, relative to others."""


class SiteMap(Value):
    """What there is to visit. Paths with ``{}`` take a free word."""

    pages: tuple[Page, ...]
    searches: tuple[str, ...]
    """Costly pages that people use now and then."""
    forms: tuple[str, ...]
    """Pages that take a POST of ``text=…``."""
    feeds: tuple[str, ...]
    api: tuple[str, ...]
    """JSON for programs, asked with an ``Authorization`` header."""
    large: str


class OriginScene(Value):
    """What an origin is given."""

    address: str
    port: int
    host: str
    folder: Path
    """For its log and files; readable by all."""
    secret: str
    """Key of the marks."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One kind of origin."""

    name: str
    summary: str
    site: SiteMap
    command: Callable[[OriginScene], tuple[str, ...]]
    """Pure: the command that serves in the foreground. It is started once for each contender, fresh."""
    prepare: Callable[[OriginScene], None] = lambda scene: None
    """Done once before the first start, outside of the namespace: fill a database, say."""


class OriginRequest(Value):
    """One line of an origin's log."""

    at: float
    client: str
    method: str
    path: str
    status: int


def read_log(folder: Path) -> Iterator[OriginRequest]:
    """The requests an origin has written by now; a last line that is not finished is left out."""
    file = folder / ORIGIN_LOG
    if not file.exists():
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            parts = line.rstrip("\n").split("\t")
            if len(parts) == 5 and line.endswith("\n"):
                yield OriginRequest.model_construct(
                    at=float(parts[0]), client=parts[1], method=parts[2], path=parts[3], status=int(parts[4])
                )


def mark(secret: str, path: str, body: str = "") -> str:
    """The mark of a page: 16 hexadecimal digits that follow from path and query, and from what was sent to
    it."""
    return hmac.new(secret.encode(), f"{path}\n{body}".encode(), hashlib.sha256).hexdigest()[:16]
