"""Counters of single sites, read often: what the defence loop asks HAProxy ten times a second. Pure.

``show stat`` of everything is 5 MB with 10,000 sites. So only sites are asked for that are in the samples
or that something stands for, each by its backend's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rempart.engines.haproxy.names import OPERATOR
from rempart.engines.haproxy.observe import information, map_entries

EDGE = "show stat edge 1 -1"
"""The frontend's row."""
INFORMATION = "show info"
# Management guide, section 9.1: places in a row.
_NAME, _KIND, _QUEUE, _CURRENT, _SESSIONS, _DENIED, _SERVER_ERRORS, _REQUESTS = 0, 1, 2, 4, 7, 10, 43, 48
_ANSWERS = slice(39, 45)
_OF_ORIGINS = slice(39, 42)
"""Answers 1xx to 3xx: in a site's backend these come from origins alone."""


@dataclass(frozen=True, slots=True)
class SiteCount:
    """One site's backend; totals since the worker started, except ``queue`` and ``current``."""

    requests: int
    """That reached the backend: counted when they arrive, not when they are answered."""
    refused: int
    errors: int
    """Answers 5xx."""
    queue: int
    current: int
    """Requests that are not answered yet, those in the queue among them."""
    answered: int
    """That are over."""
    begun: int = 0
    """Answers that have begun and are not over: downloads, WebSockets, server-sent events. HAProxy counts an
    answer of a server when it begins, and of a backend when it is over, so this is a difference of totals:
    what it counts from moves when a server goes."""


@dataclass(frozen=True, slots=True)
class EdgeCount:
    """One look."""

    worker: int
    """Process id: another worker counts anew, and knows of no mitigation."""
    requests: int
    busy: float
    """Share of the time that HAProxy did not wait, 0 to 1."""
    sites: Mapping[str, SiteCount]
    """By backend."""


def questions(backends: Iterable[str]) -> list[str]:
    """The commands of one look."""
    return [f"{INFORMATION}\n", f"{EDGE}\n", *(f"show stat {name} 6 -1\n" for name in backends)]


def answers(texts: Sequence[str]) -> EdgeCount:
    """From the answers to ``questions``. ValueError for what HAProxy never answers."""
    about = information(texts[0])
    sites = {}
    for text in texts[2:]:
        rows = _rows(text)
        row = next((one for one in rows if one[_KIND] == "BACKEND"), [])
        if len(row) > _REQUESTS:  # not "No such proxy.": it may have gone meanwhile
            servers = [one for one in rows if one is not row]
            sites[row[_NAME]] = SiteCount(
                requests=int(row[_SESSIONS] or 0),
                refused=int(row[_DENIED] or 0),
                errors=int(row[_SERVER_ERRORS] or 0),
                queue=int(row[_QUEUE] or 0),
                current=int(row[_CURRENT] or 0),
                answered=_sum(row[_ANSWERS]),
                begun=sum(_sum(one[_OF_ORIGINS]) for one in servers) - _sum(row[_OF_ORIGINS]),
            )
    edge = next(iter(_rows(texts[1])), [])
    if len(edge) <= _REQUESTS or not {"Pid", "Idle_pct"} <= about.keys():
        raise ValueError("HAProxy's statistics have no frontend called edge")
    return EdgeCount(
        worker=int(about["Pid"]),
        requests=int(edge[_REQUESTS] or 0),
        busy=1 - int(about["Idle_pct"]) / 100,
        sites=sites,
    )


def _rows(text: str) -> list[list[str]]:
    lines = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
    return [line for line in lines if len(line) > _REQUESTS]


def _sum(columns: Sequence[str]) -> int:
    return sum(int(one or 0) for one in columns)


@dataclass(frozen=True, slots=True)
class KnownSite:
    """A site by the number that requests carry."""

    host: str
    backend: str


def known_sites(sites: str) -> dict[int, KnownSite]:
    """From ``show map`` of the map of sites: the number of requests' ``site`` → who that is."""
    found = {}
    for host, value in map_entries(sites).items():
        words = value.split("|")
        if len(words) == 6 and words[0] != OPERATOR:
            found[int(words[5][:8], 16)] = KnownSite(host, words[0])
    return found
