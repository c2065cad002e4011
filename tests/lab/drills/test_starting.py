"""What a wave's sender is told, and what a drill must have before it builds anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from rempart.lab import bpf
from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.drills.catalogue import DRILLS
from rempart.lab.drills.contract import Wave
from rempart.lab.drills.measures import Phases
from rempart.lab.drills.starting import order_of, parameters_of, require_generators, target_of
from rempart.lab.network.world import WorldShape, world
from rempart.lab.origins.catalogue import ORIGINS
from rempart.model.errors import EnvironmentLacks

PLAN = world(WorldShape(visitor_networks=4, bot_networks=8), seed=1, run="plan", cores=2)
SHOP = ORIGINS["shop"]
FLOOD = DRILLS["http-get-flood"]


def test_every_drill_names_what_exists_and_its_parameters_are_valid() -> None:
    for name, drill in DRILLS.items():
        assert drill.name == name
        assert drill.origin in ORIGINS
        for wave in drill.waves:
            parameters_of(ATTACKS[wave.attack].defaults, wave.parameters)


def test_a_wave_has_its_share_of_the_attacks_time() -> None:
    drill = FLOOD.model_copy(
        update={"attack_s": 20.0, "waves": (Wave(attack="syn-flood", begins=0.25, ends=0.75),)}
    )
    phases = Phases(begin=100, calm=102, attack=107, attack_end=127, end=130)
    order = order_of(drill, 0, 5, PLAN, target_of(PLAN, SHOP), phases, "02:00:00:00:00:01", Path("/x"))
    assert (order.begin_at, order.seconds, order.seed) == (112.0, 10.0, 5)


def test_parameters_that_an_attack_does_not_know_are_refused() -> None:
    with pytest.raises(ValidationError):
        parameters_of(ATTACKS["syn-flood"].defaults, {"nonsense": 1})
    with pytest.raises(ValidationError):
        parameters_of(ATTACKS["syn-flood"].defaults, {"rate": -1})


def test_a_missing_generator_ends_the_drill_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    require_generators(FLOOD, PLAN, SHOP)
    attack = ATTACKS["http-get-flood"]
    lacking = replace(
        attack, sender=lambda order: replace(attack.sender(order), programs=(("no-such", "its-package"),))
    )
    monkeypatch.setitem(ATTACKS, "http-get-flood", lacking)
    with pytest.raises(EnvironmentLacks, match="its-package"):
        require_generators(FLOOD, PLAN, SHOP)


def test_a_kernel_that_sends_no_built_frames_ends_a_packet_flood_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bpf, "lacking", lambda: "Linux 5.18 is needed")
    require_generators(FLOOD, PLAN, SHOP)
    with pytest.raises(EnvironmentLacks, match=r"5\.18"):
        require_generators(DRILLS["syn-flood"], PLAN, SHOP)
