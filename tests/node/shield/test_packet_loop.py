"""The defence loop over packets under ``rempart up``: a flood that no configuration knows, through the
real program."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rempart.engines.shield import loader, tables
from rempart.engines.shield.layout import Reason
from rempart.lab.instance import Instance, Ports
from rempart.lab.network.inside import inside
from rempart.model.attacks import Layer
from rempart.node.defending.journal import read_account
from rempart.node.shield.state import read_state
from tests.node.conftest import eventually
from tests.node.shield.floods import PORT, flood, people, sending
from tests.node.shield.ground import HERE_V4, HERE_V6, Ground, ground

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
PORTS = Ports(address=HERE_V4, http=80, https=443, dns=53, admin=9180, api=9181)
PEOPLE, FLOOD = 1_500, 20_000
LEARNING_SECONDS = 26
"""Until three thousand good records are out of quarantine: before, nothing is dropped."""


@pytest.fixture(scope="module")
def place() -> Iterator[Ground]:
    with ground() as found:
        yield found


@pytest.fixture(scope="module")
def instance(place: Ground) -> Iterator[Instance]:
    listen = [HERE_V4, HERE_V6]
    settings: dict[str, dict[str, Any]] = {
        "edge": {"listen": listen, "addresses": listen},
        "dns": {"listen": listen},
        "shield": {"enabled": True, "mode": "native", "also_serves": [f"udp/{PORT}"]},
    }
    with Instance(PORTS, settings, place=place.here) as made:
        yield made.start(seconds=60)


def counted(instance: Instance, reason: Reason) -> int:
    held = loader.adopt(instance.configuration.shield_pins)
    try:
        return tables.counters(held)[reason].packets
    finally:
        held.close()


def standing(instance: Instance) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = instance.json("mitigations")["mitigations"]
    return found


def dropped(instance: Instance, seconds: float = 1.0) -> float:
    """Packets a second that rules drop."""
    before = counted(instance, Reason.DROP_RULE)
    time.sleep(seconds)
    return (counted(instance, Reason.DROP_RULE) - before) / seconds


def good_share(place: Ground) -> float:
    """Of a client's datagrams, how many reach the service."""
    count = 200

    def bound() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        made.bind((HERE_V4, PORT))
        return made

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(count):
                sender.sendto(b"%05d" % number + bytes(number % 50), (HERE_V4, PORT))
                time.sleep(0.002)

    with inside(place.here.namespace, bound) as service:
        inside(place.far.namespace, send)
        service.settimeout(1.0)
        came: set[bytes] = set()
        try:
            while len(came) < count:
                data, (source, _) = service.recvfrom(2_048)
                if source == "198.18.5.2":
                    came.add(data[:5])
        except TimeoutError:
            pass
    return len(came) / count


def test_a_flood_is_described_and_dropped_and_what_people_say_about_it_holds(
    place: Ground, instance: Instance
) -> None:
    """One play, since learning takes its time."""
    assert instance.json("attacks") == {"attacks": [], "stale": []}
    rules = instance.folder / "rules.toml"
    rules.write_text('[[rule]]\nid = 7\naction = "sample"\nprotocol = "udp"\ndestination_ports = 9\n')
    instance.cli("shield", "rules", "load", str(rules))
    with sending(place, people, PEOPLE):
        time.sleep(LEARNING_SECONDS)
        assert standing(instance) == []
        with sending(place, flood, FLOOD):
            (found,) = eventually(lambda: standing(instance))
            it_is_described(instance, found)
            metrics = inside(place.here.namespace, _metrics)
            assert 'rempart_defence_attacks{layer="packet"} 1.0' in metrics
            assert 'rempart_defence_mitigations{action="drop",layer="packet",state="enforced"} 1.0' in metrics
            eventually(lambda: dropped(instance) > FLOOD / 4)
            assert good_share(place) > 0.98
            it_stays_when_its_process_is_killed(instance, found["id"])
            it_ends_at_once_and_does_not_come_back(instance, found["id"])
        assert good_share(place) > 0.98
    # After an orderly stop nothing of it is left, neither in the program nor on the page.
    assert instance.stop() == 0
    account = read_account(instance.configuration.paths, Layer.PACKET)
    assert account is not None
    assert not account.standing
    assert not account.attacks


def _metrics() -> str:
    with socket.create_connection(("127.0.0.1", PORTS.admin), timeout=5) as asking:
        asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        parts = []
        while part := asking.recv(65_536):
            parts.append(part)
    return b"".join(parts).decode()


def it_is_described(instance: Instance, found: dict[str, Any]) -> None:
    assert (found["id"], found["subject"], found["action"]) == ("P-1", "node", "drop")
    assert found["evidence"]["trial"]["records"] >= 3_000
    assert found["evidence"]["trial"]["upper"] <= 0.001
    assert "length 161" in found["words"]
    (attack,) = instance.json("attacks")["attacks"]
    assert (attack["kind"], attack["mitigations"]) == ("udp-flood", ["P-1"])
    shown = instance.cli("mitigation", "show", "p1").stdout
    assert "known-good records" in shown
    listed = instance.cli("shield", "rules", "list").stdout.splitlines()
    assert [line.split("\t")[0] for line in listed[1:]] == ["7", "P-1"], "the operator's come first"
    assert "defence: packets 1 attack on node, 1 mitigation" in instance.cli("status", check=False).stdout
    # The operator's rules can be changed beside it; a number of the loop's is refused.
    rules = instance.folder / "rules.toml"
    instance.cli("shield", "rules", "load", str(rules))
    assert [one["mitigation"] for one in instance.json("shield", "rules", "list")] == ["", "P-1"]
    other = instance.folder / "other.toml"
    other.write_text(rules.read_text().replace("id = 7", "id = 3000000000"))
    assert instance.cli("shield", "rules", "load", str(other), check=False).returncode == 2
    assert "P-1" not in (instance.configuration.paths.shield / "rules.toml").read_text()


def it_stays_when_its_process_is_killed(instance: Instance, identity: str) -> None:
    pid = instance.pid("shield")
    os.kill(pid, signal.SIGKILL)

    def again() -> bool:
        found = read_state(instance.configuration.paths)
        return found is not None and found.on and instance.pid("shield") != pid

    eventually(again)
    assert dropped(instance) > FLOOD / 4
    assert [one["id"] for one in standing(instance)] == [identity]


def it_ends_at_once_and_does_not_come_back(instance: Instance, identity: str) -> None:
    done = instance.json("mitigation", "revoke", identity)
    assert done["followed"]
    assert standing(instance) == []
    assert [one["id"] for one in instance.json("shield", "rules", "list")] == [7]
    time.sleep(3)
    assert dropped(instance) == 0
    os.kill(instance.pid("shield"), signal.SIGKILL)
    eventually(lambda: read_account(instance.configuration.paths, Layer.PACKET) is not None)
    time.sleep(3)
    assert dropped(instance) == 0
    (past,) = [one for one in instance.json("mitigations", "--all")["mitigations"] if one["id"] == identity]
    assert (past["state"], past["why"]) == ("revoked", "a person revoked it")
