"""Each attack over HTTP for two seconds against the lab's origin behind a plain nginx: what the sender says
it sent is what the edge's log, and the origin's, have of the bots."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from rempart.lab.attacks.application import APPLICATION
from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import Order, Sent, Target
from rempart.lab.contenders.contract import Contender
from rempart.lab.contenders.none import NONE
from rempart.lab.contenders.rempart import start as start_rempart
from rempart.lab.drills.catalogue import DRILLS
from rempart.lab.drills.contract import Wave
from rempart.lab.drills.running import rehearse
from rempart.lab.drills.starting import (
    made,
    parameters_of,
    start_contender,
    start_origin,
    start_resolver,
    target_of,
    wait_until_served,
)
from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network
from rempart.lab.network.world import INTERFACE, Role, WorldShape, world
from rempart.lab.origins.contract import OriginScene, read_log
from rempart.lab.origins.shop import SHOP
from tests.lab.attacks.loopback import site
from tests.lab.ground import fresh_run

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]

SECONDS = 2.0
TOLERANCE = 0.05
"""Of what was sent; what is under way when the bots leave may be on one side only."""
CHANGED: dict[str, dict[str, float | int | str | bool]] = {
    "http2-rapid-reset": {"rate": 300.0, "connections": 16, "units_per_connection": 50},
}
GENTLE: dict[str, float | int | str | bool] = {"rate": 30.0}
"""What the origin can bear, so that it gets to all of it."""


@dataclass(frozen=True, slots=True)
class Ground:
    network: Network
    scene: OriginScene
    target: Target

    def edge_log(self) -> int:
        """Requests of bots that nginx has written down."""
        lines = (self.network.folder / "edge" / "access.log").read_text().splitlines()
        return sum(self.network.plan.bots.holds(line.partition(" ")[0]) for line in lines)

    def origin_log(self) -> int:
        return sum(self.network.plan.bots.holds(one.client) for one in read_log(self.scene.folder))

    def attack(self, name: str, target: Target, changed: dict[str, float | int | str | bool]) -> Sent:
        """What the sender says it has sent."""
        folder = made(self.network.folder / f"wave-{name}")
        attack = ATTACKS[name]
        order = Order(
            attack=name,
            parameters=parameters_of(attack.defaults, changed),
            target=target,
            bots=self.network.plan.bots,
            interface=INTERFACE,
            gateway_mac=self.network.bots_gateway,
            begin_at=time.monotonic() + 2.0,
            seconds=SECONDS,
            seed=1,
            folder=folder,
        )
        (folder / "order.json").write_text(order.model_dump_json())
        sender, log = attack.sender(order), folder / "log"
        with self.network.place(Role.BOTS).running(sender.argv, log=log) as process:
            assert process.wait(timeout=60) == 0, log.read_text()
        assert log.read_text() == ""
        return sender.read()


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    plan = world(WorldShape(visitor_networks=4, bot_networks=32), seed=1, run=fresh_run(), cores=2)
    with ExitStack() as stack:
        network = stack.enter_context(Network(plan))
        start_resolver(stack, network)
        scene = start_origin(stack, network, SHOP)
        standing = start_contender(stack, network, NONE, scene)
        target = target_of(plan, SHOP)
        wait_until_served(plan, target, standing.authority)
        yield Ground(network, scene, target)


def alike(one: int, other: int) -> bool:
    return abs(one - other) <= max(3.0, TOLERANCE * one)


def kept(units: int, rate: float) -> bool:
    """A rate is never passed; a busy machine may fall behind it."""
    return 0.3 * rate * SECONDS <= units <= rate * SECONDS + 3


@pytest.mark.parametrize("name", [a.name for a in APPLICATION if a.name != "http2-continuation"])
def test_what_was_sent_is_what_the_logs_have(ground: Ground, name: str) -> None:
    edge, origin = ground.edge_log(), ground.origin_log()
    changed = CHANGED.get(name, GENTLE)
    total = ground.attack(name, ground.target, changed).total
    assert total is not None
    assert kept(total.units, float(changed["rate"]))
    # The origin is slow, and ends what it has begun; what is taken back at once it may never see.
    log, before = (ground.edge_log, edge) if name == "http2-rapid-reset" else (ground.origin_log, origin)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not alike(total.units, log() - before):
        time.sleep(0.2)
    assert alike(total.units, ground.edge_log() - edge)
    if name != "http2-rapid-reset":
        assert alike(total.units, ground.origin_log() - origin)
        assert total.answered is not None
        # Some are still waiting when the bots leave; how many depends on the machine.
        assert 0 < total.answered <= total.units


def test_continuations_reach_the_edge_as_they_were_counted(ground: Ground, tmp_path: Path) -> None:
    """No server writes these down, so one that does stands in the edge's namespace."""
    plan = ground.network.plan

    def bound() -> socket.socket:
        listening = socket.socket()
        listening.bind((plan.edge_v4, 8443))
        return listening

    target = ground.target.model_copy(update={"https_port": 8443})
    with site(tmp_path, frames_only=0, listening=inside(plan.namespace(Role.EDGE), bound)) as seen:
        total = ground.attack("http2-continuation", target, {"rate": 2_000.0, "v6_share": 0.0}).total
    assert total is not None
    assert kept(total.units, 2_000)
    assert alike(total.units, sum((kind, flags) == (9, 0) for kind, flags, _ in seen.frames))
    assert all(plan.bots.holds(source) for source in seen.sources)
    assert len(seen.sources) > 10


def test_a_server_that_ends_endless_headers_is_met_again(ground: Ground) -> None:
    sent = ground.attack("http2-continuation", ground.target, {"rate": 5_000.0, "connections": 4})
    assert sent.total is not None
    assert sent.total.units > 0


@pytest.mark.parametrize("waiting", [0.0, 1.0])
def test_bots_pass_the_challenge_of_the_real_gate(waiting: float) -> None:
    """Before the first clearance nothing of theirs reaches the origin, then their flood does."""
    guarded = Contender(
        name="guarded",
        summary="",
        lacks=lambda: None,
        start=partial(start_rempart, security_level="under_attack"),
    )
    wave = Wave(
        attack="challenge-bots", parameters={"rate": 20.0, "source_count": 10, "waiting_share": waiting}
    )
    drill = DRILLS["challenge-bots"].model_copy(
        update={"waves": (wave,), "settle_s": 1.0, "calm_s": 1.0, "attack_s": 12.0, "after_s": 0.5}
    )
    seen = rehearse(drill, guarded, seed=3).evidence
    total = seen.sent[0].total
    assert total is not None
    assert total.answered is not None
    reached = sum(seen.bots.holds(one.client) for one in seen.origin)
    assert total.answered > 10
    # Some still wait for the origin when the bots leave.
    assert 0.7 * reached <= total.answered <= reached
    # Each of the ten asks once, is challenged, and answers; only what comes after reaches the origin.
    assert reached <= total.units - 10
