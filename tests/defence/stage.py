"""The stage of the plays: what the loop orders is done to the traffic, and what then is left comes back to
it.

Rules of the shield act here as they do in the packet program: by the masks, values and ranges that the
engine's compiler makes of them, over the 64 bytes of each header.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from rempart.defence.instructions import (
    EnforceRules,
    Instruction,
    RecordAttack,
    RecordMitigation,
    SampleRate,
    Withdraw,
)
from rempart.defence.loop import Defence
from rempart.defence.matching import Flags, matching
from rempart.engines.shield import compile as shield_compiler
from rempart.engines.shield.layout import Ranged
from rempart.model.attacks import (
    PACKET,
    REQUEST,
    SITE,
    Action,
    Event,
    Layer,
    Measure,
    Mitigation,
    Observation,
    Records,
    Saturation,
)
from rempart.model.packets import HEADER
from rempart.model.shield import ShieldRule
from tests.defence import traffic

TICK = 0.1
WALL = 1_790_000_000.0
GOOD_PACKETS, GOOD_REQUESTS = 5_000, 120

Maker = Callable[[np.random.Generator, int, float], Records]


@cache
def _hash(name: bytes, labels: int) -> int:
    parts = name.split(b".")
    return int.from_bytes(shield_compiler.qname_hash(b".".join(parts[-labels:]).decode()), "big")


def as_the_program_matches(rule: ShieldRule, records: Records) -> Flags:
    """Which packets ``struct rule`` means, by its words and ranges."""
    compiled = shield_compiler.rule_set([rule], {rule.id: 0}, 1)
    one, labels = compiled["rule"][0], int(compiled["qname_labels"])
    headers = records["header"].astype(HEADER)  # concatenating may turn the byte order
    if rule.qname is not None:
        asked = (headers["protocol"] == 17) & (headers["destination_port"] == 53)
        names = records["qname"].tolist()
        headers["qname_hash"] = [
            _hash(name, labels) if yes else 0 for name, yes in zip(names, asked.tolist(), strict=True)
        ]
    words = np.frombuffer(headers.tobytes(), np.uint64).reshape(-1, 8)
    means = ((words & one["word"]["mask"]) == one["word"]["value"]).all(axis=1)
    for name, flag in (
        ("length", Ranged.LENGTH), ("ttl", Ranged.TTL), ("source_port", Ranged.SOURCE_PORT),
        ("destination_port", Ranged.DESTINATION_PORT), ("window", Ranged.WINDOW),
    ):  # fmt: skip
        if int(one["ranged"]) & flag:
            means &= (headers[name] >= one[f"{name}_min"]) & (headers[name] <= one[f"{name}_max"])
    return np.asarray(means)


@dataclass
class Stage:
    """The loop, its clock, and the world it acts on."""

    defence: Defence = field(default_factory=Defence)
    now: float = 1_000.0
    chance: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    orders: EnforceRules = field(default_factory=lambda: EnforceRules((), Measure(0), ()))
    told: list[tuple[float, Instruction]] = field(default_factory=list)
    hits: dict[int, int] = field(default_factory=dict)
    every: dict[Layer, int] = field(default_factory=lambda: {Layer.PACKET: 1, Layer.REQUEST: 1})
    good_seen: float = 0
    good_refused: float = 0
    bad_passed: float = 0
    """Weights, of the last tick."""

    def twin(self) -> Stage:
        """The same, to be played on independently."""
        return copy.deepcopy(self)

    def say(self, event: Event) -> list[Instruction]:
        told = self.defence.handle(event, self.now)
        for one in told:
            self.told.append((self.now, one))
            if isinstance(one, EnforceRules):
                self.orders = one
            elif isinstance(one, SampleRate):
                self.every[one.layer] = one.every
        return told

    def tick(
        self,
        *,
        attack: Maker | None = None,
        rate: float = 0,
        good_packets: float = GOOD_PACKETS,
        requests: Records | None = None,
        harm: Callable[[float], dict[str, Any]] | None = None,
        saturation: Saturation | None = None,
    ) -> list[Instruction]:
        """A tenth of a second: packets at these rates, and ``requests`` (all that came, each with its
        weight).

        ``harm`` says of the requests/s that reach the origin what becomes of it.
        """
        self.now += TICK
        every = self.every[Layer.PACKET]
        parts = [traffic.good_packets(self.chance, max(9, int(good_packets * TICK / every)), every)]
        if attack is not None:
            parts.append(attack(self.chance, max(1, int(rate * TICK / every)), float(every)))
        bad = np.concatenate([np.full(one.size, index == 1) for index, one in enumerate(parts)])
        packets = np.concatenate(parts)
        for rule in self.orders.rules:
            means = as_the_program_matches(rule, packets) & ~packets["dropped"]
            self._hit(rule.id, float(packets["weight"][means].sum()))
            assert rule.action in ("drop", "limit")
            packets["dropped"] |= means
        weights = packets["weight"]
        self.good_seen = float(weights[~bad].sum())
        self.good_refused = float(weights[~bad & packets["dropped"]].sum())
        self.bad_passed = float(weights[bad & ~packets["dropped"]].sum())
        requests = np.zeros(0, REQUEST) if requests is None else requests.copy()
        for mitigation in self.orders.requests:
            means = matching(mitigation.signature, requests) & ~requests["refused"]
            self._hit(mitigation.id, float(requests["weight"][means].sum()))
            if mitigation.action is not Action.QUEUE:
                # Of a challenge: bots do not pass it, and who is cleared is not asked.
                stopped = means if mitigation.action is Action.DROP else means & ~requests["good"]
                requests["refused"] |= stopped
                requests["mitigation"][stopped] = mitigation.id
        shown = self.chance.permutation(packets.size)
        return self.say(
            Observation(
                seconds=TICK,
                wall=WALL + self.now,
                packets=packets[shown],
                passed=int(weights[~packets["dropped"]].sum()),
                offered_packets=int(weights.sum()),
                offered_requests=int(requests["weight"].sum()),
                requests=requests[:: self.every[Layer.REQUEST]],
                sites=self._sites(requests, harm),
                hits=dict(self.hits),
                saturation=saturation or Saturation(),
            )
        )

    def _sites(self, requests: Records, harm: Callable[[float], dict[str, Any]] | None) -> Records:
        parts = [np.zeros(0, SITE)]
        for number in np.unique(requests["site"]).tolist():
            mine = requests[requests["site"] == number]
            came = float(mine["weight"].sum())
            refused = float(mine["weight"][mine["refused"]].sum())
            harmed = harm((came - refused) / TICK) if harm else {}
            parts.append(traffic.site(number, int(came), int(refused), **harmed))
        return np.concatenate(parts)

    def _hit(self, identity: int, weight: float) -> None:
        self.hits[identity] = self.hits.get(identity, 0) + round(weight)

    # --- what was said

    @property
    def standing(self) -> list[Mitigation]:
        return [one.mitigation for one in self.defence.mitigations.standing.values()]

    def actions(self) -> set[Action]:
        """All that anything ever did."""
        return {one.mitigation.action for _, one in self.told if isinstance(one, RecordMitigation)}

    def first_enforced(self) -> float | None:
        return next(
            (
                at
                for at, one in self.told
                if isinstance(one, EnforceRules) and (one.rules or one.requests or one.measures)
            ),
            None,
        )

    def withdrawn(self) -> list[Withdraw]:
        return [one for _, one in self.told if isinstance(one, Withdraw)]

    def attacks(self) -> list[RecordAttack]:
        return [one for _, one in self.told if isinstance(one, RecordAttack)]


def strained(capacity: float) -> Callable[[float], dict[str, Any]]:
    """An origin that answers so many requests/s; above, they wait and fail."""

    def harm(rate: float) -> dict[str, Any]:
        if rate <= capacity:
            return {}
        return {
            "queue": int((rate - capacity) * TICK),
            "errors": int((rate - capacity) * TICK / 4),
            "latency": 2.0,
        }

    return harm


@cache
def _calm() -> Stage:
    stage = Stage()
    for _ in range(400):
        stage.tick(requests=traffic.good_requests(stage.chance, int(GOOD_REQUESTS * TICK)))
    assert PACKET.itemsize > 64
    return stage


def calm() -> Stage:
    """After forty seconds of nothing but good traffic; made once, each play has its own."""
    stage = _calm().twin()
    stage.told.clear()
    return stage
