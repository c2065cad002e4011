"""The runtime loop: what apply and reconcile do to a HAProxy that runs."""

from __future__ import annotations

from tests.engines.haproxy.edge import Edge, Origin, certificate, origin, site


def test_a_site_goes_live_without_a_reload(edge: Edge, one: Origin) -> None:
    worker = edge.engine.worker_pid()
    assert edge.get("a.test").status == 421
    report = edge.put(site("a.test", origin(one.port)))
    assert not report.refusals
    assert edge.get("a.test", "/x").json["origin"] == "one"
    assert edge.put(site("a.test", origin(one.port))).commands == 0
    assert edge.engine.reconcile(edge.view).commands == 0
    assert edge.engine.worker_pid() == worker


def test_a_certificate_goes_live_and_away(edge: Edge, one: Origin) -> None:
    item = certificate("a.test", "*.a.test")
    edge.put(site("a.test", origin(one.port)))
    assert "invalid" in edge.served_certificate("a.test").subject.rfc4514_string()
    report = edge.put(item)
    assert not report.refusals
    for name in ("a.test", "b.a.test"):
        assert edge.served_certificate(name).subject.rfc4514_string() == "CN=a.test"
    assert edge.engine.reconcile(edge.view).commands == 0
    assert edge.get("a.test", tls=True).json["origin"] == "one"
    assert not edge.drop(item.key).refusals
    assert "invalid" in edge.served_certificate("a.test").subject.rfc4514_string()
    assert edge.engine.reconcile(edge.view).commands == 0
