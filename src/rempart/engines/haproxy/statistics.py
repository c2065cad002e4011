"""HAProxy's own counts as frozen values, for metrics and the status page. Pure.

Source: ``show info`` and ``show stat`` (management guide, sections 9.1 and 9.3).
"""

from __future__ import annotations

from collections.abc import Mapping

from rempart.engines.haproxy.observe import information, statistics_rows
from rempart.model.base import Value


class TrafficCounts(Value):
    """Totals since the worker started, except what is named current."""

    sessions_current: int
    sessions: int
    requests: int
    bytes_in: int
    bytes_out: int
    refused: int
    """Requests that a rule refused: limits, unknown names, malformed."""
    request_errors: int
    responses: Mapping[str, int]
    """By class: 1xx … 5xx, other."""


class ServerCounts(Value):
    """One origin."""

    name: str
    address: str
    up: bool
    """Healthy, or not checked yet."""
    in_maintenance: bool
    backup: bool
    weight: int
    queued: int
    sessions_current: int
    sessions_limit: int
    connection_errors: int
    response_errors: int
    retries: int
    check: str
    """HAProxy's short word for the last check: L4OK, L4CON, L6RSP …"""


class SiteCounts(Value):
    """One site: its backend's totals and its origins."""

    host: str
    backend: str
    traffic: TrafficCounts
    queued: int
    up: bool
    """At least one origin can serve."""
    servers: tuple[ServerCounts, ...]


class EdgeStatistics(Value):
    """The whole edge at one moment."""

    worker_pid: int
    uptime_s: int
    version: str
    connections_current: int
    connections_limit: int
    connections: int
    tls_connections_current: int
    memory_mib: int
    idle_percent: int
    frontend: TrafficCounts
    sites: tuple[SiteCounts, ...]


def parse_statistics(info: str, table: str, hosts: Mapping[str, str]) -> EdgeStatistics:
    """From the answers to ``show info`` and ``show stat``; ``hosts``: backend -> host."""
    about = information(info)
    frontend: TrafficCounts | None = None
    limit: int | None = None
    servers: dict[str, list[ServerCounts]] = {}
    backends: list[Mapping[str, str]] = []
    for row in statistics_rows(table):
        if row["pxname"] == "edge" and row["svname"] == "FRONTEND":
            frontend, limit = _traffic(row), _number(row, "slim")
        elif row["pxname"] not in hosts:
            continue
        elif row["svname"] == "BACKEND":
            backends.append(row)
        else:
            servers.setdefault(row["pxname"], []).append(_server(row))
    if frontend is None or limit is None:
        raise ValueError("HAProxy's statistics have no frontend called edge")
    return EdgeStatistics(
        worker_pid=int(about["Pid"]),
        uptime_s=int(about["Uptime_sec"]),
        version=about["Version"],
        connections_current=int(about["CurrConns"]),
        connections_limit=limit,
        connections=int(about["CumConns"]),
        tls_connections_current=int(about["CurrSslConns"]),
        memory_mib=int(about["PoolAlloc_MB"]),
        idle_percent=int(about["Idle_pct"]),
        frontend=frontend,
        sites=tuple(
            SiteCounts(
                host=hosts[row["pxname"]],
                backend=row["pxname"],
                traffic=_traffic(row),
                queued=_number(row, "qcur"),
                # HAProxy calls a backend without servers UP.
                up=any(server.up and server.weight for server in servers.get(row["pxname"], ())),
                servers=tuple(servers.get(row["pxname"], ())),
            )
            for row in backends
        ),
    )


def sites_down(table: str, hosts: Mapping[str, str]) -> tuple[str, ...]:
    """Of ``hosts`` (backend -> host) those no server of which can serve, sorted. ``table``: every server.

    The same rule as `SiteCounts.up`, at the price of the servers alone.
    """
    serving = {
        row["pxname"] for row in statistics_rows(table) if (server := _server(row)).up and server.weight
    }
    return tuple(sorted(host for backend, host in hosts.items() if backend not in serving))


def _traffic(row: Mapping[str, str]) -> TrafficCounts:
    classes = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
    return TrafficCounts(
        sessions_current=_number(row, "scur"),
        sessions=_number(row, "stot"),
        requests=_number(row, "req_tot"),
        bytes_in=_number(row, "bin"),
        bytes_out=_number(row, "bout"),
        refused=_number(row, "dreq"),
        request_errors=_number(row, "ereq"),
        responses={name: _number(row, f"hrsp_{name}") for name in classes},
    )


def _server(row: Mapping[str, str]) -> ServerCounts:
    status = row["status"]
    return ServerCounts(
        name=row["svname"],
        address=row["addr"],
        up=status.startswith(("UP", "no check", "DRAIN")),
        in_maintenance=status.startswith("MAINT"),
        backup=row["bck"] == "1",
        weight=_number(row, "uweight"),
        queued=_number(row, "qcur"),
        sessions_current=_number(row, "scur"),
        sessions_limit=_number(row, "slim"),
        connection_errors=_number(row, "econ"),
        response_errors=_number(row, "eresp"),
        retries=_number(row, "wretr"),
        check=row["check_status"].removeprefix("* "),
    )


def _number(row: Mapping[str, str], column: str) -> int:
    return int(row[column] or 0)
