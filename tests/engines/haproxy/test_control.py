"""The runtime loop: what apply and reconcile do to a HAProxy that runs, and how it starts and reloads."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import stat
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from rempart.engines.haproxy.control import HAProxyEngine
from rempart.engines.haproxy.state import EdgeState, Server
from rempart.lab.processes import free_port
from rempart.model.errors import EngineRefused, EnvironmentLacks
from rempart.model.sites import SiteLimits
from rempart.node.confinement import is_confined
from rempart.snapshot.items import CertificateItem, Item
from tests.engines.haproxy.edge import (
    Edge,
    Origin,
    certificate,
    eventually,
    issue,
    new_edge,
    origin,
    site,
)


def held(edge: Edge) -> EdgeState:
    """What HAProxy has, read afresh."""
    memory = HAProxyEngine(edge.config)._contact()
    return EdgeState(
        routes=memory.routes,
        servers={backend: servers for backend, servers in memory.servers.items() if servers},
        certificates=memory.certificates,
        secured=frozenset(memory.secured),
        unlisted=memory.unlisted,
    )


def servers_by_host(state: EdgeState) -> dict[str, Mapping[str, Server]]:
    return {host: state.servers.get(route.backend, {}) for host, route in state.routes.items()}


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


def test_a_certificate_is_renewed_without_a_gap(edge: Edge, one: Origin) -> None:
    old, new = certificate("a.test"), certificate("a.test")
    edge.put(site("a.test", origin(one.port), https_redirect=True), old)
    edge.items.pop(old.key)
    edge.items[new.key] = new
    from rempart.snapshot.items import ItemChange

    edge.engine.apply([ItemChange(key=old.key, item=None), ItemChange(key=new.key, item=new)], edge.view)
    shown = edge.served_certificate("a.test")
    assert f"{shown.fingerprint(shown.signature_hash_algorithm).hex()}" == new.id  # type: ignore[arg-type]
    assert edge.get("a.test").status == 301
    assert edge.engine.reconcile(edge.view).commands == 0


def items_of(one: Origin, two: Origin) -> list[Item]:
    limits = SiteLimits(requests_per_client=7, requests_per_site=8, connections_per_client=9)
    return [
        site("a.test", origin(one.port), origin(two.port, backup=True, weight=3), https_redirect=True),
        site("*.a.test", origin(two.port, max_connections=5), limits=limits),
        site("none.test"),
        certificate("a.test", "*.a.test"),
        certificate("other.test"),
    ]


def test_commands_and_boot_files_lead_to_the_same_state(edge: Edge, one: Origin, two: Origin) -> None:
    worker = edge.engine.worker_pid()
    edge.put(site("gone.test", origin(one.port)), site("a.test", origin(two.port)))
    edge.put(*items_of(one, two)[:2])
    edge.put(*items_of(one, two)[2:])
    edge.drop("site/gone.test")
    eventually(lambda: not edge.engine.apply((), edge.view).pending)
    assert edge.engine.worker_pid() == worker
    by_commands = held(edge)
    edge.engine.write_boot_files(edge.view)
    edge.stop()
    edge.start()
    assert held(edge) == by_commands
    assert edge.engine.worker_pid() != worker
    assert edge.engine.reconcile(edge.view).commands == 0
    assert edge.get("x.a.test").json["origin"] == "two"


def test_reconcile_mends_whatever_was_done_to_haproxy(edge: Edge, one: Origin, two: Origin) -> None:
    edge.put(*items_of(one, two))
    before = held(edge)
    places, runtime = edge.engine._places, edge.engine._runtime
    (server, *_) = before.servers["be_0001"]
    (file, other) = sorted(before.certificates)
    answers = runtime.exchange(
        [
            f"del map {places.sites} a.test\n",
            f"set map {places.sites} *.a.test be_0001|-|1|1|1\n",
            f"add map {places.sites} stray.test be_0009|-|1|1|1\n",
            f"disable server be_0001/{server}\n",
            "add server be_0009/stray 127.0.0.1:1 weight 1 maxconn 1\n",
            f"add server be_0002/stray 127.0.0.1:{one.port}\n",
            f"del ssl crt-list {places.certificate_list} {file}\n",
            f"del ssl cert {file}\n",
            f"del ssl crt-list {places.certificate_list} {other}\n",
            f"clear map {places.secured}\n",
        ]
    )
    assert len(answers) == 10
    assert held(edge) != before
    assert edge.engine.reconcile(edge.view).commands > 0
    eventually(lambda: not edge.engine.apply((), edge.view).pending)
    now = held(edge)
    assert now.certificates == before.certificates
    assert now.secured == before.secured
    assert servers_by_host(now) == servers_by_host(before)
    assert edge.engine.reconcile(edge.view).commands == 0
    assert edge.get("a.test").status == 301
    assert edge.get("x.a.test").json["origin"] == "two"
    assert edge.get("stray.test").status == 421


def test_another_engine_object_takes_over(edge: Edge, one: Origin, two: Origin) -> None:
    """As after a restart of the node: what runs is found, not made again."""
    edge.put(*items_of(one, two))
    edge.engine = HAProxyEngine(edge.config)
    assert edge.put(*items_of(one, two)[:3]).commands == 0
    assert edge.put(site("new.test", origin(one.port))).commands == 4
    assert edge.get("new.test").json["origin"] == "one"


def test_a_restart_behind_our_back_is_noticed(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    process = edge.process
    assert process is not None
    process.terminate()
    process.wait(10)
    assert not edge.engine.alive()
    with pytest.raises(EnvironmentLacks):
        edge.put(site("b.test", origin(one.port)))
    edge.start()
    assert edge.put(site("c.test", origin(one.port))).commands == 4
    for host in ("a.test", "b.test", "c.test"):
        assert edge.get(host).status == 200


# --- refusals -------------------------------------------------------------------------------------


def test_bad_certificates_are_refused_alone(edge: Edge, one: Origin) -> None:
    good, foreign = certificate("a.test"), certificate("b.test")
    bad: list[CertificateItem] = [
        good.model_copy(update={"id": "1" * 64, "key_pem": foreign.key_pem}),
        good.model_copy(update={"id": "2" * 64, "chain_pem": "nonsense"}),
        good.model_copy(update={"id": "3; disable frontend edge"}),
        good.model_copy(update={"id": "4" * 64, "hosts": ("a.test\nb.test",)}),
    ]
    edge.put(site("a.test", origin(one.port)), good)
    before = held(edge)
    report = edge.put(*bad, site("b.test", origin(one.port)), foreign)
    assert {refusal.key for refusal in report.refusals} == {item.key for item in bad}
    assert not any("PRIVATE" in refusal.reason for refusal in report.refusals)
    after = held(edge)
    assert after.certificates.keys() > before.certificates.keys()
    assert len(after.certificates) == 2
    assert not after.unlisted
    assert edge.get("b.test").status == 200
    assert edge.served_certificate("b.test").subject.rfc4514_string() == "CN=b.test"
    edge.engine.write_boot_files(edge.view)
    edge.stop()
    edge.start()
    assert edge.get("b.test").status == 200, "a bad certificate does not keep HAProxy from starting"


def test_what_haproxy_itself_refuses_is_undone(
    edge: Edge, one: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own check is taken away, so that HAProxy's is met."""
    edge.put(site("a.test", origin(one.port)))
    before = held(edge)
    monkeypatch.setattr("rempart.engines.haproxy.compile.certificate_flaw", lambda *_: None)
    monkeypatch.setattr("rempart.engines.haproxy.compile.HEALTH", "check inter 2s")
    good, foreign = certificate("a.test"), certificate("b.test")
    bad = good.model_copy(update={"key_pem": foreign.key_pem})
    edge.engine._authorities = "/does/not/exist.pem"
    from rempart.model.sites import OriginTls

    strict = site("a.test", origin(one.port), origin(1, tls=OriginTls.STRICT, sni="x.test"))
    report = edge.put(bad, strict, foreign, site("b.test", origin(one.port)))
    assert {refusal.key for refusal in report.refusals} == {bad.key, strict.key}, report.refusals
    now = held(edge)
    assert now.routes["a.test"] == before.routes["a.test"]
    assert now.servers["be_0001"] == before.servers["be_0001"]
    assert [c.hosts for c in now.certificates.values()] == [("b.test",)]
    assert not now.unlisted
    for host in ("a.test", "b.test"):
        assert edge.get(host).status == 200


@pytest.mark.parametrize(
    "host", ["a b", "a;b", "a\nb", "A.test", "a..test", "*.*.test", "", "a" * 254 + ".test"]
)
def test_hosts_that_are_none_are_refused(edge: Edge, one: Origin, host: str) -> None:
    report = edge.put(site(host, origin(one.port)), site("b.test", origin(one.port)))
    assert [refusal.key for refusal in report.refusals] == [f"site/{host}"]
    assert edge.get("b.test").status == 200
    assert [*held(edge).routes] == ["b.test"]


def test_a_certificate_too_long_for_a_command_waits_for_a_reload(edge: Edge, one: Origin) -> None:
    issued = issue("a.test")
    padding = "".join(issue(f"intermediate-{n}.test").chain_pem for n in range(40))
    item = CertificateItem(
        id=issued.id, hosts=("a.test",), chain_pem=issued.chain_pem + padding, key_pem=issued.key_pem
    )
    report = edge.put(site("a.test", origin(one.port)), item)
    assert report.needs_reload
    assert not report.refusals
    assert edge.get("a.test").status == 200
    edge.engine.write_boot_files(edge.view)
    edge.engine.reload()
    assert edge.served_certificate("a.test").subject.rfc4514_string() == "CN=a.test"
    assert edge.engine.reconcile(edge.view).commands == 0


# --- reload ---------------------------------------------------------------------------------------


def test_reload_under_traffic_loses_nothing(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    edge.engine.write_boot_files(edge.view)
    stop, served = threading.Event(), [0]
    failed: list[object] = []

    def visit() -> None:
        while not stop.is_set():
            try:
                answer = edge.get("a.test")
                if answer.status != 200:
                    failed.append(answer.status)
                served[0] += 1
            except OSError as error:
                failed.append(error)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(3):
            worker, count = edge.engine.worker_pid(), served[0]
            edge.engine.reload()
            assert edge.engine.worker_pid() != worker
            eventually(lambda count=count: served[0] > count + 50)  # type: ignore[misc]
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
    assert not failed


def test_a_reload_from_bad_files_changes_nothing(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port)))
    worker = edge.engine.worker_pid()
    edge.config.paths.haproxy_config.write_text("nonsense\n")
    with pytest.raises(EngineRefused):
        edge.engine.reload()
    assert edge.engine.worker_pid() == worker
    assert edge.get("a.test").status == 200


def test_the_pool_grows_by_a_reload(one: Origin) -> None:
    with new_edge(prepared_sites=8) as edge:
        edge.start()
        report = edge.put(*(site(f"s{n}.test", origin(one.port)) for n in range(11)))
        assert report.needs_reload
        assert not report.refusals
        served = [n for n in range(11) if edge.get(f"s{n}.test").status == 200]
        assert len(served) == 8, "those for which there was room"
        assigned = edge.engine.assignment()
        edge.engine.write_boot_files(edge.view)
        edge.engine.reload()
        assert all(edge.get(f"s{n}.test").status == 200 for n in range(11))
        assert assigned.items() <= edge.engine.assignment().items(), "nobody moved"
        assert not edge.put(*(site(f"t{n}.test", origin(one.port)) for n in range(5))).needs_reload
        assert edge.engine.reconcile(edge.view).commands == 0
        # Boot files written while HAProxy is down keep everybody's place, too.
        assigned = edge.engine.assignment()
        edge.engine.write_boot_files(edge.view)
        edge.stop()
        edge.engine = HAProxyEngine(edge.config)
        edge.start()
        assert edge.engine.assignment() == assigned


# --- WebSockets -----------------------------------------------------------------------------------


def test_websockets(edge: Edge) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def visit() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            edge.put(site("a.test", origin(port)))
            async with connect(f"ws://a.test:{edge.http}/", host="127.0.0.1") as client:
                for message in ("hello", "x" * 100_000):
                    await client.send(message)
                    assert await client.recv() == message

    asyncio.run(visit())


# --- secrets --------------------------------------------------------------------------------------


def test_nothing_secret_can_be_read_by_others(edge: Edge, one: Origin) -> None:
    item = certificate("a.test")
    edge.put(site("a.test", origin(one.port)), item)
    edge.engine.write_boot_files(edge.view)
    root = edge.config.paths.haproxy
    secret = "".join(item.key_pem.split()[4:6])
    assert root.stat().st_mode & 0o777 == 0o700
    files = [path for path in root.rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    holders = [path for path in files if secret in "".join(path.read_text().split())]
    assert len(holders) == 1
    edge.drop(item.key)
    edge.engine.write_boot_files(edge.view)
    assert not holders[0].exists(), "a key that is not needed does not stay"


def test_no_socket_at_all() -> None:
    with new_edge(http_port=free_port()) as edge, pytest.raises(EnvironmentLacks):
        edge.engine.reconcile(edge.view)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_it_never_is_root_and_reloads_on_well_known_ports(one: Origin) -> None:
    """Started by root, with folders as the supervisor makes them: the node's group gets to the sockets."""
    haproxy, node = pwd.getpwnam("haproxy"), pwd.getpwnam("nobody")
    item = site("a.test", origin(one.port))
    ports: dict[str, Any] = {"listen": ("127.0.0.213",), "http_port": 80, "https_port": 443}
    with new_edge(item, certificate("a.test"), **ports) as edge:
        paths = edge.config.paths
        edge.config.state.chmod(0o755)
        paths.haproxy.mkdir()
        os.chown(paths.haproxy, 0, haproxy.pw_gid)
        paths.haproxy.chmod(0o2750)
        os.chown(paths.run / "haproxy", haproxy.pw_uid, node.pw_gid)
        (paths.run / "haproxy").chmod(0o2750)
        edge.started_as = haproxy.pw_uid, haproxy.pw_gid
        edge.start()
        assert edge.process is not None
        for _ in range(2):
            for pid in (edge.process.pid, edge.engine.worker_pid()):
                assert is_confined(pid, haproxy.pw_uid)
            for path in (paths.haproxy_socket, paths.haproxy_master_socket):
                found = path.stat()
                assert (found.st_uid, found.st_gid) == (haproxy.pw_uid, node.pw_gid)
                assert stat.S_IMODE(found.st_mode) == 0o660
            for port in (80, 443):
                with socket.create_connection(("127.0.0.213", port), timeout=5):
                    pass
            edge.put(site("b.test", origin(one.port)))
            edge.engine.write_boot_files(edge.view)
            edge.engine.reload()
        modes = {stat.S_IMODE(path.stat().st_mode) for path in paths.haproxy.rglob("*")}
        assert modes == {0o2750, 0o640}
