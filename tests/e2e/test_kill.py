"""kill -9 of every part in turn, under traffic: service comes back, nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from rempart.lab.instance import Instance
from rempart.lab.traffic import Steady
from tests.e2e.clients import address_of, page

HOST = "shop.example.org"
BACK_WITHIN_S = 2.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", autouse=True)
def plain_http(instance: Instance) -> None:
    """The probes speak plain HTTP, so that a handshake does not blur what is measured."""
    instance.cli("site", "change", HOST, "--no-https-redirect")


def web(instance: Instance) -> Steady:
    return Steady(lambda: page(instance.ports, HOST)[0] == 200)


def dns_answers(instance: Instance) -> Steady:
    return Steady(lambda: address_of(instance.ports, HOST) == [instance.ports.address])


def settle(*traffic: Steady) -> None:
    for steady in traffic:
        assert steady.wait_for(20), "the service does not answer"


def test_haproxy_killed(instance: Instance) -> None:
    with web(instance) as visitors, dns_answers(instance) as resolvers:
        settle(visitors, resolvers)
        before = instance.pid("haproxy")
        for victim in (psutil.Process(before), *psutil.Process(before).children(recursive=True)):
            victim.kill()
        time.sleep(0.5)
        settle(visitors, resolvers)
    assert instance.pid("haproxy") != before
    assert visitors.longest_gap() <= BACK_WITHIN_S
    assert resolvers.failed == 0


def test_haproxy_worker_killed(instance: Instance) -> None:
    """The master outlives its worker; whoever notices must bring a worker back."""
    with web(instance) as visitors:
        settle(visitors)
        for worker in psutil.Process(instance.pid("haproxy")).children():
            worker.kill()
        time.sleep(0.5)
        settle(visitors)
    assert visitors.longest_gap() <= BACK_WITHIN_S


def test_knot_killed(instance: Instance) -> None:
    with web(instance) as visitors, dns_answers(instance) as resolvers:
        settle(visitors, resolvers)
        os.kill(instance.pid("knot"), signal.SIGKILL)
        time.sleep(0.5)
        settle(visitors, resolvers)
    assert resolvers.longest_gap() <= BACK_WITHIN_S
    assert visitors.failed == 0


@pytest.mark.parametrize("part", ["node", "controller"])
def test_no_visitor_notices_that_our_own_parts_die(instance: Instance, part: str) -> None:
    with web(instance) as visitors, dns_answers(instance) as resolvers:
        settle(visitors, resolvers)
        before = instance.pid(part)
        os.kill(before, signal.SIGKILL)
        time.sleep(1.5)
        settle(visitors, resolvers)
    assert (visitors.failed, resolvers.failed) == (0, 0)
    assert wait_for_a_new(part, before, instance)


def wait_for_a_new(part: str, before: int, instance: Instance) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if instance.cli("status", check=False).returncode == 0 and instance.pid(part) != before:
            return True
        time.sleep(0.1)
    return False


def test_supervisor_killed_and_the_next_one_adopts(instance: Instance) -> None:
    with web(instance) as visitors, dns_answers(instance) as resolvers:
        settle(visitors, resolvers)
        before = {part: instance.pid(part) for part in ("haproxy", "knot", "node", "controller")}
        instance.kill_supervisor()
        time.sleep(1)
        assert "nobody watches" in instance.cli("status", check=False).stderr
        # With nobody watching, a change is still taken: controller, node and engines need no supervisor.
        instance.cli("record", "add", "example.org", "unwatched", "A", "192.0.2.1")
        assert address_of(instance.ports, "unwatched.example.org") == ["192.0.2.1"]
        instance.start()
        settle(visitors, resolvers)
        assert {part: instance.pid(part) for part in before} == before
        # … and the adopted are watched: one that dies now is restarted.
        os.kill(before["knot"], signal.SIGKILL)
        time.sleep(0.5)
        settle(resolvers)
    assert visitors.failed == 0
    assert resolvers.longest_gap() <= BACK_WITHIN_S


def test_nothing_acknowledged_is_lost(instance: Instance) -> None:
    """Writes go on while the controller is killed again and again; each that was acknowledged is answered."""
    acknowledged = []
    for number in range(24):
        if number % 6 == 3:
            os.kill(instance.pid("controller"), signal.SIGKILL)
        address = f"192.0.2.{number + 1}"
        done = instance.cli("record", "add", "example.org", f"ack-{number}", "A", address, check=False)
        if done.returncode == 0:
            acknowledged.append((f"ack-{number}.example.org", address))
        elif number % 6 == 3:
            assert wait_for_a_new("controller", 0, instance)
    assert len(acknowledged) >= 20
    deadline = time.monotonic() + 10
    lost = list(acknowledged)
    while lost and time.monotonic() < deadline:
        lost = [(name, address) for name, address in lost if address_of(instance.ports, name) != [address]]
    assert lost == []


def test_a_cold_start_needs_no_controller(instance: Instance) -> None:
    """Everything is stopped, the store is spoilt: the site is served from the last good state alone."""
    assert instance.stop() == 0
    store = instance.configuration.paths.store
    aside = instance.folder / "store-aside"
    store.rename(aside)
    store.write_bytes(b"no database" * 1_000)
    try:
        instance.launch()
        with web(instance) as visitors, dns_answers(instance) as resolvers:
            settle(visitors, resolvers)
        assert instance.cli("status", check=False).returncode == 1
        assert instance.stop() == 0
    finally:
        store.unlink()
        aside.rename(store)
    instance.start()
    with web(instance) as visitors:
        settle(visitors)
