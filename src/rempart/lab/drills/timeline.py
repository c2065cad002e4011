"""A run as a series of tenths of seconds, for plots. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rempart.lab.attacks.contract import Sent, Unit
from rempart.lab.contenders.contract import Mitigation
from rempart.lab.drills.measures import STEP_S, Evidence, goodput_by_step, main_unit
from rempart.lab.visitors.contract import Outcome
from rempart.model.base import Value


class Moment(Value):
    """What an edge's counters said at a moment: CLOCK_MONOTONIC, totals."""

    at: float
    received_packets: int
    cpu_seconds: float | None
    others_cpu_seconds: float | None = None
    """Of the machine's processes that are no part of the run."""


class Timeline(Value):
    """Steps of ``STEP_S`` from ``begin``; rates are per second. None: nothing to say of that step."""

    contender: str
    step_s: float
    goodput: tuple[float | None, ...]
    """Of the second that begins with the step."""
    latency_ms: tuple[float | None, ...]
    """The slowest request that was wanted in the step and served."""
    attack_rate: tuple[float, ...]
    """Of the kind of unit that ``attack_total`` counts."""
    attack_rates: dict[Unit, tuple[float, ...]]
    """Of every kind that was sent."""
    origin_attack_rate: tuple[float, ...]
    refused: tuple[int, ...]
    edge_packets: tuple[float, ...]
    edge_cpu: tuple[float, ...]
    """Processors' worth."""
    marks: tuple[tuple[float, str], ...]
    """Seconds after the begin, and what the contender did then."""
    attack_begins: float
    attack_ends: float


def timeline(seen: Evidence, moments: Sequence[Moment], mitigations: Sequence[Mitigation]) -> Timeline:
    """One contender's series."""
    begin, end = seen.phases.begin, seen.phases.end
    steps = int((end - begin) / STEP_S)
    slowest: list[float | None] = [None] * steps
    refused = [0] * steps
    for truth in seen.truths:
        step = int((truth.intended - begin) / STEP_S)
        if not 0 <= step < steps:
            continue
        if truth.outcome is Outcome.SERVED:
            slowest[step] = max(slowest[step] or 0.0, truth.latency * 1000)
        refused[step] += truth.outcome in (Outcome.REFUSED, Outcome.DEAD_END)
    reached = [0.0] * steps
    for request in seen.origin:
        step = int((request.at - begin) / STEP_S)
        if 0 <= step < steps and seen.bots.holds(request.client):
            reached[step] += 1 / STEP_S
    attacks = dict.fromkeys(seen.units, (0.0,) * steps)
    for sent, unit in zip(seen.sent, seen.units, strict=True):
        series = rates([(sample.at, float(sample.units)) for sample in sent.samples], begin, steps)
        attacks[unit] = tuple(one + other for one, other in zip(attacks[unit], series, strict=True))
    packets = [(moment.at, float(moment.received_packets)) for moment in moments]
    cpu = [(moment.at, moment.cpu_seconds) for moment in moments if moment.cpu_seconds is not None]
    return Timeline(
        contender=seen.name,
        step_s=STEP_S,
        goodput=tuple(goodput_by_step(seen.truths, begin, end)),
        latency_ms=tuple(slowest),
        attack_rate=attacks[main_unit(seen.units)] if attacks else (0.0,) * steps,
        attack_rates=attacks,
        origin_attack_rate=tuple(reached),
        refused=tuple(refused),
        edge_packets=tuple(rates(packets, begin, steps)),
        edge_cpu=tuple(rates(cpu, begin, steps)),
        marks=tuple((mark.at - begin, mark.what) for mark in mitigations if begin <= mark.at <= end),
        attack_begins=first_of(seen.sent, seen.phases.attack) - begin,
        attack_ends=seen.phases.attack_end - begin,
    )


def first_of(sent: Sequence[Sent], otherwise: float) -> float:
    return min((one.first_at for one in sent if one.first_at is not None), default=otherwise)


def rates(totals: Sequence[tuple[float, float]], begin: float, steps: int) -> list[float]:
    """Per second, by step, from running totals at irregular moments: growth is spread evenly between two of
    them."""
    series = [0.0] * steps
    for (earlier, before), (later, after) in pairwise(totals):
        if later <= earlier or after <= before:
            continue
        pace = (after - before) / (later - earlier)
        first, last = max(0, int((earlier - begin) / STEP_S)), min(steps - 1, int((later - begin) / STEP_S))
        for step in range(first, last + 1):
            overlap = min(later, begin + (step + 1) * STEP_S) - max(earlier, begin + step * STEP_S)
            if overlap > 0:
                series[step] += pace * overlap / STEP_S
    return series
