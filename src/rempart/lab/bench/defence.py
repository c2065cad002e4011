"""``rempart bench defence``: what the judgement costs, in CPU time of one core and in memory.

Only ``Defence.handle`` is timed, by the CPU clock of this process, ten observations for each second of the
play; making them is not. Requests come as the loop has asked for them (one in ``every``); packets come all, a
hundred thousand samples a second, which is more than the shield is ever told to send. Every load is played
calm, after some seconds that are not timed in which the loop learns, then as an attack:
as many requests again to one site, and packets of which ten elevenths are a flood. It has to be described and
dropped for the figures to count.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rempart.defence.instructions import EnforceRules, SampleRate
from rempart.defence.loop import Defence
from rempart.defence.policy import Policy
from rempart.lab.bench.report import BenchReport, Row, middle
from rempart.lab.figures import Bar, at_least, at_most
from rempart.model.attacks import PACKET, REQUEST, SITE, Action, Layer, Observation, Records
from rempart.model.shield import RuleAction

REQUESTS = (1_000, 10_000, 50_000)
SITES = (1, 100, 10_000)
PACKETS = 100_000
BAR = 0.15
"""Of one core, at the most, with the most requests."""
TICK = 0.1
WARM_SECONDS = 30
"""So long that enough good records are known for a drop, also where the load is news."""
MEMORY_TICKS = 30
_TIMES = 10
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in a second."""

    requests: int
    packets: int
    sites: int

    @property
    def name(self) -> str:
        parts = [f"{self.requests:,} requests/s"] if self.requests else []
        parts += [f"{self.packets:,} sampled packets/s"] if self.packets else []
        return f"{' and '.join(parts)}, {self.sites:,} site{'s' if self.sites > 1 else ''}"


def run(rounds: int = 3, seconds: int = 5, progress: Progress = lambda _: None) -> BenchReport:
    """Measure; in each round ``seconds`` of calm and as much of attack for every load."""
    loads = [Load(requests, 0, sites) for requests in REQUESTS for sites in SITES]
    loads += [Load(0, PACKETS, 1), Load(max(REQUESTS), PACKETS, max(SITES))]
    taken: dict[tuple[Load, bool], list[float]] = {}
    answered: dict[Load, list[bool]] = {}
    for number in range(rounds):
        for load in loads:
            progress(f"round {number + 1}/{rounds}: {load.name}")
            defence, play = judgement(load, number), _Play(load, number)
            _measured(defence, play.ticks(WARM_SECONDS, attacked=False))
            for attacked in (False, True):
                share, dropped = _measured(defence, play.ticks(seconds, attacked=attacked))
                taken.setdefault((load, attacked), []).append(share)
                answered.setdefault(load, []).append(dropped == attacked)
    rows = [
        Row(
            name=f"{load.name}, {'under attack' if attacked else 'calm'}",
            value=100 * (middle(shares) or 0.0),
            unit="% of a core",
        )
        for (load, attacked), shares in taken.items()
    ]
    heaviest = Load(max(REQUESTS), PACKETS, max(SITES))
    progress("memory")
    rows.append(Row(name=f"memory: {heaviest.name}", value=_memory(heaviest), unit="MiB"))
    plays = [one for outcomes in answered.values() for one in outcomes]
    bars = (
        at_least("plays in which the flood was dropped, and nothing in calm", 1.0, sum(plays) / len(plays)),
        *_cpu_bars(taken),
    )
    return BenchReport(bench="defence", rows=tuple(rows), bars=bars)


def _cpu_bars(taken: Mapping[tuple[Load, bool], Sequence[float]]) -> tuple[Bar, ...]:
    return tuple(
        at_most(
            f"CPU, {max(REQUESTS):,} requests/s, {sites:,} sites, {'under attack' if attacked else 'calm'}",
            BAR,
            middle(taken[Load(max(REQUESTS), 0, sites), attacked]),
        )
        for sites in SITES
        for attacked in (False, True)
    )


def judgement(load: Load, seed: int) -> Defence:
    """A loop to whom the load is no news, as it would be after some hours."""
    return Defence(Policy(site_floor=max(50.0, load.requests / load.sites)), seed=seed)


def _measured(defence: Defence, play: Iterator[tuple[float, Observation, _Play]]) -> tuple[float, bool]:
    """Share of a core over the play, and whether anything was to be dropped."""
    spent = covered = 0.0
    dropped = False
    for now, observation, world in play:
        before = time.process_time()
        told = defence.handle(observation, now)
        spent += time.process_time() - before
        covered += TICK
        for one in told:
            if isinstance(one, SampleRate):
                world.every[one.layer] = one.every
            if isinstance(one, EnforceRules):
                dropped |= any(rule.action is RuleAction.DROP for rule in one.rules)
                dropped |= any(answer.action is Action.DROP for answer in one.requests)
    return spent / covered, dropped


def _memory(load: Load) -> float:
    """MiB that the loop keeps after some seconds under attack."""
    play = _Play(load, 1)
    ticks = list(play.ticks(MEMORY_TICKS * TICK, attacked=True))
    tracemalloc.start()
    defence = judgement(load, 1)
    for now, observation, _ in ticks:
        defence.handle(observation, now)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept / 2**20


class _Play:
    """Observations of a load, one after the other. Half of the requests of an attack go to one site."""

    def __init__(self, load: Load, seed: int) -> None:
        self._load, self._chance = load, np.random.default_rng(seed)
        self.every = {Layer.PACKET: 1, Layer.REQUEST: 1}
        self._now = 1_000.0

    def ticks(self, seconds: float, *, attacked: bool) -> Iterator[tuple[float, Observation, _Play]]:
        for _ in range(round(seconds / TICK)):
            self._now += TICK
            yield self._now, self._observation(attacked), self

    def _observation(self, attacked: bool) -> Observation:
        load, chance = self._load, self._chance
        came = round(load.requests * TICK) * (2 if attacked else 1)
        good_share = 0.5 if attacked else 1.0
        sampled = came // self.every[Layer.REQUEST]
        requests = self._requests(sampled, good_share)
        counted = chance.multinomial(
            came, np.full(load.sites, good_share / load.sites) + _first(load.sites, 1 - good_share)
        )
        sites = np.zeros(load.sites, SITE)
        sites["site"], sites["requests"] = np.arange(load.sites), counted
        sites["latency"] = 0.05
        sites["queue"][0] = 100 if attacked else 0
        packets = self._packets(round(load.packets * TICK), 1 / (_TIMES + 1) if attacked else 1.0)
        return Observation(
            seconds=TICK,
            wall=1e9 + self._now,
            packets=packets,
            passed=_TIMES * packets.size,
            offered_packets=_TIMES * packets.size,
            offered_requests=came,
            requests=requests,
            sites=sites if load.requests else sites[:0],
        )

    def _requests(self, count: int, good_share: float) -> Records:
        chance = self._chance
        made = np.zeros(count, REQUEST)
        made["weight"] = self.every[Layer.REQUEST]
        made["site"] = chance.integers(0, self._load.sites, count)
        visitor = chance.integers(0, 100_000, count)
        made["source"] = made["client"] = visitor
        made["network"] = visitor >> 8
        made["agent"], made["tls"], made["headers"] = visitor % 40, visitor % 17, 200 + visitor % 7
        made["language"], made["version"], made["method"] = visitor % 11, 2, 1
        made["path"], made["query_shape"] = chance.geometric(0.01, count), chance.integers(0, 9, count)
        bots = chance.random(count) >= good_share
        made["good"] = ~bots & (visitor % 5 == 0)
        for name, value in (("site", 0), ("agent", 77), ("tls", 78), ("headers", 3), ("version", 1)):
            made[name][bots] = value
        made["source"][bots] = made["client"][bots] = chance.integers(2**20, 2**31, int(bots.sum()))
        return made

    def _packets(self, count: int, good_share: float) -> Records:
        chance = self._chance
        made = np.zeros(count, PACKET)
        made["weight"] = _TIMES
        header = made["header"]
        header["family"], header["protocol"], header["tcp_flags"] = 4, 6, 16
        header["length"], header["ttl"] = chance.integers(40, 1_500, count), chance.integers(40, 128, count)
        header["window"], header["destination_port"] = chance.integers(200, 4_000, count), 443
        header["tcp_offset"], header["source_port"] = 8, chance.integers(1_024, 65_536, count)
        header["source_low"] = chance.integers(0, 2**32, count)
        bad = chance.random(count) >= good_share
        made["good"] = ~bad  # of connections that stand
        header["protocol"][bad], header["length"][bad], header["ttl"][bad] = 17, 540, 60
        header["destination_port"][bad] = chance.integers(1, 65_536, int(bad.sum()))
        return made


def _first(size: int, share: float) -> NDArray[np.float64]:
    """``share`` for the first of so many, nothing for the others."""
    made = np.zeros(size)
    made[0] = share
    return made
