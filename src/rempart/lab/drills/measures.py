"""Figures from truths. Pure: what happened is given, nothing is asked.

Goodput, latency and false positives are those of requests that visitors wanted from the attack's beginning
to the drill's end (in a drill without attack: from the end of settling in).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from rempart.lab.attacks.contract import Sent, Unit
from rempart.lab.drills.contract import BarWanted, ContenderResult, Latency, Metric
from rempart.lab.figures import Bar, at_least, at_most, percentile
from rempart.lab.network.addressing import Prefixes
from rempart.lab.origins.contract import OriginRequest
from rempart.lab.visitors.contract import Outcome, Truth
from rempart.model.base import Value

STEP_S = 0.1
WINDOW_S = 1.0
"""Goodput of a moment is that of the second which begins then: a tenth alone holds too few requests to
tell."""
KEPT = 0.95


class Phases(Value):
    """When what was, in CLOCK_MONOTONIC seconds."""

    begin: float
    """Visitors began."""
    calm: float
    """Settled: what is calm is measured from here …"""
    attack: float
    """… to here. Without attack: the same as ``calm``."""
    attack_end: float
    end: float
    """Visitors want nothing new from here on."""


class Evidence(Value):
    """All that was seen of one contender."""

    name: str
    phases: Phases
    truths: tuple[Truth, ...]
    sent: tuple[Sent, ...]
    units: tuple[Unit, ...]
    """What each of ``sent`` counts."""
    origin: tuple[OriginRequest, ...]
    bots: Prefixes
    cpu_seconds: float | None
    """Of the edge, from ``calm`` to ``end``."""
    answers: tuple[float, ...] = ()
    """When the contender did something about somebody, as its own log tells (CLOCK_MONOTONIC)."""


def judge(seen: Evidence) -> ContenderResult:
    """The figures of one contender."""
    wanted = within(seen.truths, seen.phases.attack, seen.phases.end)
    served = [truth for truth in wanted if truth.outcome is Outcome.SERVED]
    latency = Latency(p50=percentile(latencies(served), 0.5), p99=percentile(latencies(served), 0.99))
    calm = percentile(latencies(within(seen.truths, seen.phases.calm, seen.phases.attack)), 0.99)
    units = units_sent(seen)
    mitigated = time_to_mitigate(seen)
    return ContenderResult(
        name=seen.name,
        legit_total=len(wanted),
        legit_ok=len(served),
        goodput=len(served) / len(wanted) if wanted else None,
        latency_ms=latency,
        time_to_mitigate_s=mitigated,
        false_positive_rate=false_positives(wanted),
        cpu_seconds=seen.cpu_seconds,
        attack_total=None if units is None else units[main_unit(seen.units)],
        attack_reached_origin=reached(seen) if seen.sent else None,
        attack_units=units,
        calm_p99_ms=calm,
        p99_over_calm=latency.p99 / calm if calm and latency.p99 is not None else None,
        visits=len({truth.visit for truth in wanted}),
        goodput_after=goodput_after(seen, mitigated),
        dead_ends=sum(truth.outcome is Outcome.DEAD_END for truth in wanted),
        first_answer_s=first_answer(seen),
    )


def within(truths: Sequence[Truth], since: float, until: float) -> list[Truth]:
    """What was wanted between two moments."""
    return [truth for truth in truths if since <= truth.intended < until]


def latencies(truths: Sequence[Truth]) -> list[float]:
    """Milliseconds of those that were served."""
    return [truth.latency * 1000 for truth in truths if truth.outcome is Outcome.SERVED]


def units_sent(seen: Evidence) -> dict[Unit, int] | None:
    """What was sent, each kind of unit by itself; None where nobody was to send anything."""
    if not seen.sent:
        return None
    found = dict.fromkeys(seen.units, 0)
    for sent, unit in zip(seen.sent, seen.units, strict=True):
        found[unit] += sent.total.units if sent.total else 0
    return found


def main_unit(units: Sequence[Unit]) -> Unit:
    """The kind of unit that an attack of several is told by: what an origin could be made to answer, if any
    of it is that."""
    return Unit.REQUESTS if Unit.REQUESTS in units else units[0]


def share_served(truths: Sequence[Truth]) -> float | None:
    return sum(t.outcome is Outcome.SERVED for t in truths) / len(truths) if truths else None


def attack_begins(seen: Evidence) -> float | None:
    """When the first attack unit left, of waves that began earlier to teach those of the attack's own
    time; None: none was sent."""
    firsts = [sent.first_at for sent in seen.sent if sent.first_at is not None]
    return max(min(firsts), seen.phases.attack) if firsts else None


def calm_share(seen: Evidence) -> float | None:
    """Goodput before the attack; whole where there was no calm."""
    if seen.phases.calm == seen.phases.attack:
        return 1.0
    return share_served(within(seen.truths, seen.phases.calm, seen.phases.attack))


def goodput_after(seen: Evidence, mitigated: float | None) -> float | None:
    """Goodput of what was wanted from the mitigation to the attack's end."""
    begin = attack_begins(seen)
    if begin is None or mitigated is None:
        return None
    return share_served(within(seen.truths, begin + mitigated, seen.phases.attack_end))


def first_answer(seen: Evidence) -> float | None:
    """Seconds from the attack's beginning to the contender's first answer to it."""
    begin = attack_begins(seen)
    if begin is None:
        return None
    after = [at for at in seen.answers if begin <= at <= seen.phases.attack_end]
    return round(min(after) - begin, 2) if after else None


def time_to_mitigate(seen: Evidence) -> float | None:
    """Seconds from the first attack unit to the first step from which on every second's goodput is at least
    95 % of calm's; 0 when it never fell; None when it did not come back while the attack lasted, or nothing
    was sent."""
    first, calm, last_bad = attack_begins(seen), calm_share(seen), None
    if first is None or not calm:
        return None
    truths = [in_time(truth, seen.phases.attack_end) for truth in seen.truths]
    for step, share in enumerate(goodput_by_step(truths, first, seen.phases.end)):
        if share is not None and share < KEPT * calm:
            last_bad = step
    if last_bad is None:
        return 0.0
    recovered = (last_bad + 1) * STEP_S
    # What comes back when the attack ends was not mitigated.
    return round(recovered, 1) if first + recovered < seen.phases.attack_end else None


def in_time(truth: Truth, attack_end: float) -> Truth:
    """A request as it counts for the time to mitigate: one that waited long, and was served only when the
    attack was over, was served by its end."""
    if truth.intended < attack_end < truth.ended and truth.latency > WINDOW_S:
        return replace(truth, outcome=Outcome.FAILED)
    return truth


def goodput_by_step(truths: Sequence[Truth], since: float, until: float) -> list[float | None]:
    """Goodput of the second that begins at each tenth; None where nobody wanted anything."""
    wanted: dict[int, int] = defaultdict(int)
    served: dict[int, int] = defaultdict(int)
    for truth in within(truths, since, until):
        step = int((truth.intended - since) / STEP_S)
        wanted[step] += 1
        served[step] += truth.outcome is Outcome.SERVED
    steps, window = int((until - since) / STEP_S), round(WINDOW_S / STEP_S)
    shares: list[float | None] = []
    for step in range(steps):
        total = sum(wanted[n] for n in range(step, step + window))
        shares.append(sum(served[n] for n in range(step, step + window)) / total if total else None)
    return shares


def false_positives(wanted: Sequence[Truth]) -> float | None:
    """Share of visits that were refused something, ended in a dead end, or were served nothing at all."""
    visits: dict[int, list[Truth]] = defaultdict(list)
    for truth in wanted:
        visits[truth.visit].append(truth)
    harmed = sum(
        any(truth.outcome in (Outcome.REFUSED, Outcome.DEAD_END) for truth in visit)
        or not any(truth.outcome is Outcome.SERVED for truth in visit)
        for visit in visits.values()
    )
    return harmed / len(visits) if visits else None


def reached(seen: Evidence) -> int:
    """Requests of bots that the origin had to answer, by the addresses in its log."""
    return sum(seen.bots.holds(request.client) for request in seen.origin)


def bars(wanted: Sequence[BarWanted], results: Sequence[ContenderResult]) -> tuple[Bar, ...]:
    """The bars of a drill, for the contenders that took part."""
    found = []
    for want in wanted:
        result = next((one for one in results if one.name == want.contender), None)
        if result is None:
            continue
        name, got = f"{want.contender}: {want.metric.value}", figure(result, want.metric)
        if want.at_least is not None:
            found.append(at_least(name, want.at_least, got))
        if want.at_most is not None:
            found.append(at_most(name, want.at_most, got))
    return tuple(found)


def figure(result: ContenderResult, metric: Metric) -> float | None:
    match metric:
        case Metric.GOODPUT:
            return result.goodput
        case Metric.LATENCY_P99:
            return result.latency_ms.p99
        case Metric.P99_OVER_CALM:
            return result.p99_over_calm
        case Metric.TIME_TO_MITIGATE:
            return result.time_to_mitigate_s
        case Metric.FALSE_POSITIVES:
            return result.false_positive_rate
        case Metric.DEAD_ENDS:
            return None if result.dead_ends is None else float(result.dead_ends)
