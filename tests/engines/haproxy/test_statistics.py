"""HAProxy's counts as the node's metrics read them."""

from __future__ import annotations

import pytest

from rempart.engines.haproxy.statistics import parse_statistics
from rempart.lab.processes import free_port
from tests.engines.haproxy.edge import Edge, Origin, eventually, origin, site


def test_counts_by_site_and_origin(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port, weight=7), origin(free_port(), backup=True)), site("b.test"))
    for status in (200, 404, 500, 500):
        edge.get("a.test", f"/status/{status}")
    edge.get("nobody.test")
    eventually(lambda: not all(server.up for server in edge.engine.statistics().sites[0].servers))
    statistics = edge.engine.statistics()
    assert statistics.worker_pid == edge.engine.worker_pid()
    assert statistics.version.startswith("2.")
    assert statistics.connections_limit == 1000
    assert statistics.frontend.requests == 5
    assert statistics.frontend.refused == 1
    a, b = statistics.sites
    assert (a.host, a.backend, a.up) == ("a.test", "be_0001", True)
    assert (b.host, b.up, b.servers) == ("b.test", False, ())
    assert a.traffic.responses == {"1xx": 0, "2xx": 1, "3xx": 0, "4xx": 1, "5xx": 2, "other": 0}
    assert a.traffic.requests == 4
    servers = {server.backup: server for server in a.servers}
    assert servers[False].up
    assert servers[False].weight == 7
    assert servers[False].address == f"127.0.0.1:{one.port}"
    assert not servers[True].up
    assert edge.engine.sites_down() == ("b.test",)


def test_sites_that_no_origin_serves_are_named(edge: Edge, one: Origin) -> None:
    dead = free_port()
    edge.put(
        site("live.test", origin(dead), origin(one.port, backup=True)),
        site("dead.test", origin(dead), origin(dead + 1 if dead < 65535 else dead - 1, backup=True)),
        site("idle.test", origin(one.port, weight=0)),
    )
    eventually(lambda: edge.engine.sites_down() == ("dead.test", "idle.test"))


def test_anything_else_is_an_error() -> None:
    with pytest.raises((ValueError, KeyError)):
        parse_statistics("", "", {})
