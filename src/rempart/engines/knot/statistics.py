"""What Knot has counted since it started, as one value. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter: ``module`` and ``name`` as Knot calls them, ``label`` when it is one of a family."""

    module: str
    name: str
    label: str
    value: int


@dataclass(frozen=True, slots=True)
class KnotStatistics:
    """Counters since knotd started; those that Knot leaves out are 0 or absent."""

    zones: int
    """Zones that Knot knows, the catalog among them."""
    requests: tuple[tuple[str, int], ...]
    """Requests by transport: udp4, tcp4, udp6, tcp6."""
    operations: tuple[tuple[str, int], ...]
    """Requests by kind: query, update, notify, axfr, ixfr, invalid."""
    responses: tuple[tuple[str, int], ...]
    """Answers by RCODE: NOERROR, NXDOMAIN, REFUSED …"""
    request_bytes: int
    response_bytes: int
    rrl_slipped: int
    """Answers truncated because their receiver's prefix was above the rate limit."""
    rrl_dropped: int
    """Answers not given for the same reason."""
    cookies_present: int
    """Queries that carried a cookie."""


def statistics(counters: Iterable[Counter]) -> KnotStatistics:
    """The statistics in Knot's answer to ``stats``."""
    rows = tuple(counters)

    def family(name: str) -> tuple[tuple[str, int], ...]:
        return tuple(
            (row.label, row.value)
            for row in rows
            if row.module == "mod-stats" and row.name == name and row.label
        )

    def single(module: str, name: str) -> int:
        return sum(row.value for row in rows if row.module == module and row.name == name)

    return KnotStatistics(
        zones=single("server", "zone-count"),
        requests=family("request-protocol"),
        operations=family("server-operation"),
        responses=family("response-code"),
        request_bytes=single("mod-stats", "request-bytes"),
        response_bytes=single("mod-stats", "response-bytes"),
        rrl_slipped=single("mod-rrl", "slipped"),
        rrl_dropped=single("mod-rrl", "dropped"),
        cookies_present=single("mod-cookies", "presence"),
    )
