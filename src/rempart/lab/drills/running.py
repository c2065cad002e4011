"""Runs a drill: every contender in turn gets the same world, visitors and waves. The rim.

Whatever happens, the world is taken down; and what a killed run leaves, the next clears.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.contenders.contract import Contender, Standing
from rempart.lab.contenders.writing import last_words
from rempart.lab.drills import measures
from rempart.lab.drills.contract import ContenderResult, Drill, DrillResult
from rempart.lab.drills.measures import Evidence, Phases
from rempart.lab.drills.starting import (
    made,
    parameters_of,
    require_generators,
    start_contender,
    start_origin,
    start_resolver,
    start_visitors,
    start_wave,
    target_of,
    wait_until_served,
)
from rempart.lab.drills.timeline import Moment, Timeline, timeline
from rempart.lab.network.making import Network, refuse_without_namespaces
from rempart.lab.network.world import Edge, Role, world
from rempart.lab.origins.catalogue import ORIGINS
from rempart.lab.origins.contract import Origin, OriginScene, read_log
from rempart.lab.progress import Progress
from rempart.lab.visitors.contract import Crowd, VisitorsOrder
from rempart.lab.visitors.truth import read_truths, worst_lag
from rempart.model.errors import EnvironmentLacks, RempartError

LEAD_S = 2.0
"""From starting visitors and senders to the beginning: they import and plan meanwhile."""
WATCH_EVERY_S = 0.1
SENDERS_END_S = 15.0
OTHERS_SHARE = 0.25
LATE_S = 0.25
"""When the visitors' own clock was later than this, the lab was too small, and the report says so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a drill gives: the document, and what the report draws."""

    result: DrillResult
    timelines: tuple[Timeline, ...]
    left_out: dict[str, str]
    """Contender → why it took no part."""
    remarks: tuple[str, ...]
    """What a reader of the figures must know."""


def run(
    drill: Drill,
    contenders: Sequence[Contender],
    *,
    seed: int,
    attack_s: float | None = None,
    progress: Progress = lambda words, share: None,
    nobody_is_enough: bool = False,
) -> Outcome:
    """Run a drill. EnvironmentLacks where the lab cannot be built; or nobody can take part, unless
    ``nobody_is_enough``."""
    refuse_without_namespaces()
    drill = drill if attack_s is None else drill.model_copy(update={"attack_s": attack_s})
    cores = os.cpu_count() or 1
    require_generators(drill, world(drill.world, seed=seed, run="plan", cores=cores), ORIGINS[drill.origin])
    left_out = left_out_of(drill, contenders)
    present = [contender for contender in contenders if contender.name not in left_out]
    if not present and not nobody_is_enough:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise EnvironmentLacks("contenders", f"none of the contenders can take part: {reasons}")
    results: list[ContenderResult] = []
    timelines: list[Timeline] = []
    remarks: list[str] = []
    for number, contender in enumerate(present):

        def said(words: str, share: float, number: int = number, name: str = contender.name) -> None:
            progress(f"{drill.name}: {name}: {words}", (number + share) / len(present))

        try:
            seen = rehearse(drill, contender, seed=seed, progress=said)
        except (RempartError, OSError) as error:
            # One that does not come up is left out by name; the others still have their turn.
            left_out[contender.name] = f"did not start: {error}"
            continue
        results.append(measures.judge(seen.evidence))
        timelines.append(seen.timeline)
        remarks += [f"{contender.name}: {remark}" for remark in seen.remarks]
    if not results and not nobody_is_enough:
        raise RempartError("; ".join(f"{name} {why}" for name, why in left_out.items()))
    document = DrillResult(
        drill=drill.name, seed=seed, contenders=tuple(results), bars=measures.bars(drill.bars, results)
    )
    return Outcome(document, tuple(timelines), left_out, tuple(remarks))


def left_out_of(drill: Drill, contenders: Sequence[Contender]) -> dict[str, str]:
    """Who cannot take part, and why."""
    dns = drill.visitors.dns_queries_per_second > 0 or any(
        ATTACKS[wave.attack].concerns_dns for wave in drill.waves
    )
    reasons = {}
    for contender in contenders:
        why = "it is no name server" if dns and not contender.answers_dns else contender.lacks()
        if why is not None:
            reasons[contender.name] = why
    return reasons


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One contender's turn."""

    evidence: Evidence
    timeline: Timeline
    remarks: tuple[str, ...]


def rehearse(
    drill: Drill, contender: Contender, *, seed: int, progress: Progress = lambda words, share: None
) -> Rehearsal:
    """Build the world, let the contender stand in it, attack it, take everything down."""
    plan = world(drill.world, seed=seed, run=secrets.token_hex(4), cores=os.cpu_count() or 1)
    origin = ORIGINS[drill.origin]
    progress("the world is made", 0.0)
    with ExitStack() as stack:
        network = stack.enter_context(Network(plan))
        start_resolver(stack, network)
        scene = start_origin(stack, network, origin)
        progress("it starts", 0.02)
        with network.quota_lifted(Role.EDGE):
            standing = start_contender(stack, network, contender, scene)
            wait_until_served(plan, target_of(plan, origin), standing.authority)
        return rehearse_standing(
            drill, contender, network, origin, scene, standing, seed=seed, progress=progress
        )


def rehearse_standing(
    drill: Drill,
    contender: Contender,
    network: Network,
    origin: Origin,
    scene: OriginScene,
    standing: Standing,
    *,
    seed: int,
    progress: Progress,
    edge: Edge | None = None,
    folder: Path | None = None,
) -> Rehearsal:
    """Visitors and waves against a contender that stands already: at the first edge, unless another is given.
    ``folder``: for what is written meanwhile, a new one for each rehearsal in one world."""
    edge, folder = edge or network.plan.edges[0], folder or network.folder
    phases = phases_of(drill, time.monotonic() + LEAD_S)
    target = target_of(network.plan, origin, edge)
    visitors = VisitorsOrder(
        population=drill.visitors,
        addresses=network.plan.visitors,
        site=origin.site,
        target=target,
        secret=scene.secret,
        authority=standing.authority,
        begin_at=phases.begin,
        seconds=phases.end - phases.begin,
        crowd=Crowd(
            times=drill.crowd,
            begins_s=phases.attack - phases.begin,
            ends_s=phases.attack_end - phases.begin,
            page=origin.site.pages[-1].path,
        )
        if drill.crowd > 1
        else None,
        seed=seed,
        folder=made(folder / "visitors"),
    )
    before = len(list(read_log(scene.folder)))
    with ExitStack() as stack:
        visiting = stack.enter_context(start_visitors(network, visitors))
        senders = [
            start_wave(stack, network, target, phases, drill, number, seed, folder)
            for number in range(len(drill.waves))
        ]
        moments = watch(network, edge, phases, visiting, progress)
        try:
            visiting.wait(timeout=visitors.patience_s + 15)
        except psutil.TimeoutExpired:
            raise RempartError(f"visitors did not end:\n{last_words(network.folder)}") from None
        # Its last count is written when a sender ends, which on a busy machine is later than it should.
        psutil.wait_procs([process for _, process in senders], timeout=SENDERS_END_S)
        sent = tuple(sender.read() for sender, _ in senders)
    truths = tuple(read_truths(visitors.folder))
    if not truths:
        raise RempartError(f"visitors wrote no truth:\n{last_words(network.folder)}")
    answers = standing.mitigations()
    evidence = Evidence.model_construct(
        name=contender.name,
        phases=phases,
        truths=truths,
        sent=sent,
        units=tuple(ATTACKS[wave.attack].unit for wave in drill.waves),
        origin=tuple(read_log(scene.folder))[before:],
        bots=network.plan.bots,
        cpu_seconds=cpu_between(moments, phases.calm, phases.end),
        answers=tuple(one.at for one in answers),
    )
    return Rehearsal(
        evidence=evidence,
        timeline=timeline(evidence, moments, answers),
        remarks=remarks_on(drill, network, visitors, evidence, moments),
    )


def phases_of(drill: Drill, begin: float) -> Phases:
    """When what will be."""
    calm = begin + (0.0 if drill.cold else drill.settle_s)
    calm_s = 0.0 if drill.cold else drill.calm_s
    attack = calm + calm_s if drill.eventful else calm
    attack_end = calm + calm_s + drill.attack_s
    return Phases(
        begin=begin, calm=calm, attack=attack, attack_end=attack_end, end=attack_end + drill.after_s
    )


def watch(
    network: Network, edge: Edge, phases: Phases, visiting: psutil.Process, progress: Progress
) -> list[Moment]:
    """Look at an edge's counters ten times a second until the end."""
    moments = []
    while (now := time.monotonic()) < phases.end:
        if now >= phases.begin:
            counted = network.counters(edge.role, edge.interface)
            moments.append(
                Moment(
                    at=now,
                    received_packets=counted.received_packets,
                    cpu_seconds=network.cpu_seconds(edge.role),
                    others_cpu_seconds=network.others_cpu_seconds(),
                )
            )
        if not visiting.is_running() or visiting.status() == psutil.STATUS_ZOMBIE:
            raise RempartError(f"the visitors' process ended early:\n{last_words(network.folder)}")
        progress(
            phase_at(phases, now), 0.1 + 0.85 * max(0.0, (now - phases.begin) / (phases.end - phases.begin))
        )
        time.sleep(WATCH_EVERY_S)
    return moments


def phase_at(phases: Phases, now: float) -> str:
    """What is going on, for people."""
    if now < phases.begin:
        return "visitors get ready"
    if now < phases.attack:
        return "calm"
    return "under attack" if now < phases.attack_end else "aftermath"


def cpu_between(moments: Sequence[Moment], since: float, until: float) -> float | None:
    """Processor seconds spent between two moments, as the account at the nearest looks says."""
    spent = [moment.cpu_seconds for moment in moments if since <= moment.at <= until]
    if len(spent) < 2 or spent[0] is None or spent[-1] is None:
        return None
    return round(spent[-1] - spent[0], 3)


def others_share(moments: Sequence[Moment]) -> float | None:
    """Processors' worth that went to processes outside of the run."""
    if len(moments) < 2 or moments[0].others_cpu_seconds is None or moments[-1].others_cpu_seconds is None:
        return None
    spent = moments[-1].others_cpu_seconds - moments[0].others_cpu_seconds
    return spent / (moments[-1].at - moments[0].at)


def remarks_on(
    drill: Drill, network: Network, order: VisitorsOrder, seen: Evidence, moments: Sequence[Moment]
) -> tuple[str, ...]:
    """What makes figures doubtful, said beside them."""
    remarks = []
    lag = worst_lag(order.folder, seen.phases.calm, seen.phases.end)
    if lag is not None and lag > LATE_S:
        remarks.append(
            f"the visitors' own clock was up to {lag:.2f} s late: this machine is small for the drill"
        )
    busy = others_share(moments)
    if busy is not None and busy > OTHERS_SHARE:
        remarks.append(f"other processes of this machine took {busy:.2f} processors meanwhile")
    if not network.hierarchies.v1 and network.hierarchies.v2 is None:
        remarks.append(network.hierarchies.words)
    for wave, sent in zip(drill.waves, seen.sent, strict=True):
        attack = ATTACKS[wave.attack]
        parameters = parameters_of(attack.defaults, wave.parameters)
        ordered = float(parameters["rate"])
        lasted = (wave.ends - wave.begins) * drill.attack_s + wave.lead_s
        ordered *= 1 - min(float(parameters["rise_s"]), lasted) / 2 / lasted
        got = sent.total.units / lasted if sent.total else 0.0
        if got < 0.9 * ordered and not parameters["off_s"]:
            remarks.append(f"{wave.attack}: {got:,.0f} {attack.unit}/s were sent of {ordered:,.0f} ordered")
    return tuple(remarks)
