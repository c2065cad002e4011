"""The story: a real forum is attacked four times, and what stands before it changes in between.

    unprotected ─► behind Rempart ─► protection lifted ─► at a second operator

One world with two edges, one forum, one run. Every phase has the same visitors and the same attack and is
judged like a contender of any drill. Protection is lifted and the site moved with what an owner has today:
``zone export`` at the first operator, ``zone import`` and ``site add`` at the second. The rim.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.lab.contenders.none import NONE
from rempart.lab.contenders.rempart import REMPART, authority_of, launched, operator
from rempart.lab.drills import measures
from rempart.lab.drills.contract import BarWanted, Drill, DrillResult, Metric, Wave
from rempart.lab.drills.running import Outcome, Rehearsal, rehearse_standing
from rempart.lab.drills.starting import (
    HOST,
    ZONE,
    edge_scene,
    made,
    origin_scene,
    require_generators,
    serve_origin,
    start_resolver,
    target_of,
    wait_until_served,
)
from rempart.lab.instance import Instance
from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network, refuse_without_namespaces
from rempart.lab.network.world import Edge, Role, WorldShape, world
from rempart.lab.origins.catalogue import ORIGINS
from rempart.lab.origins.contract import OriginScene
from rempart.lab.origins.forum import require_environment
from rempart.lab.progress import Progress
from rempart.lab.visitors.behaviours import crawlers
from rempart.lab.visitors.contract import Population
from rempart.model.errors import EnvironmentLacks, RempartError

FALLS, STANDS = 0.5, 0.9
"""Everybody in the plan can be served: people pass the challenge, feeds and the search engine's network are
exempt from it. Not nearer to 1: some hundred requests are judged, and a busy machine loses a few."""
SECURITY_LEVEL = "under_attack"
FEEDS = "/feeds/"
MAIL = f"mail.{ZONE}"


class Phase(StrEnum):
    """What is judged, each under the same attack."""

    UNPROTECTED = "unprotected"
    PROTECTED = "protected"
    LIFTED = "lifted"
    MOVED = "moved"


WITHOUT = (Phase.UNPROTECTED, Phase.LIFTED)
"""Phases with a plain nginx; on a machine that has none they are left out, and said."""

WORDS = {
    Phase.UNPROTECTED: "The forum behind a plain nginx, no limits.",
    Phase.PROTECTED: "Behind Rempart, security level under_attack: every visitor is challenged once.",
    Phase.LIFTED: "The first operator serves it no longer: plain nginx again.",
    Phase.MOVED: "At a second operator's Rempart, with the zone exported at the first; under_attack too.",
}

STORY = Drill(
    name="story",
    summary="a real forum falls unprotected, stands behind Rempart, falls when that is lifted, and stands"
    " again at a second operator",
    world=WorldShape(edges=2, origin_cpu=0.5),
    origin="forum",
    # Nobody writes without having logged in, and the forum has no interface for programs.
    visitors=Population(visits_per_second=2.5, form_share=0, api_clients=0),
    waves=(Wave(attack="http-get-flood"),),
    settle_s=1.0,
    calm_s=2.0,
    attack_s=7.0,
    after_s=1.0,
    bars=(
        BarWanted(metric=Metric.GOODPUT, at_most=FALLS, contender=Phase.UNPROTECTED),
        BarWanted(metric=Metric.GOODPUT, at_least=STANDS, contender=Phase.PROTECTED),
        BarWanted(metric=Metric.GOODPUT, at_most=FALLS, contender=Phase.LIFTED),
        BarWanted(metric=Metric.GOODPUT, at_least=STANDS, contender=Phase.MOVED),
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """The story as it went."""

    outcome: Outcome
    begins: tuple[float, ...]
    """When the visitors of each phase began: seconds after those of the first."""


def tell(*, seed: int, attack_s: float | None = None, progress: Progress = lambda words, share: None) -> Told:
    """Run the story. EnvironmentLacks where it cannot be."""
    refuse_without_namespaces()
    require_environment()
    if (why := REMPART.lacks()) is not None:
        raise EnvironmentLacks(REMPART.name, why, hint="run bin/setup --demo")
    bare = NONE.lacks()
    left_out = {} if bare is None else {phase.value: bare for phase in WITHOUT}
    drill = STORY if attack_s is None else STORY.model_copy(update={"attack_s": attack_s})
    plan = world(drill.world, seed=seed, run=secrets.token_hex(4), cores=os.cpu_count() or 1)
    require_generators(drill, plan, ORIGINS[drill.origin])
    with ExitStack() as stack:
        network = stack.enter_context(Network(plan))
        origin = origin_scene(network)
        progress("story: the forum is filled", 0.0)
        # There is another operator before anybody needs one.
        elsewhere = edge_scene(network, plan.edges[1], origin, made(network.folder / "2"))
        second = stack.enter_context(launched(elsewhere))
        ORIGINS[drill.origin].prepare(origin)
        phases = [phase for phase in Phase if phase.value not in left_out]
        seen = list(_phases(phases, drill, network, origin, second, seed, progress))
    results = [measures.judge(one.evidence) for one in seen]
    document = DrillResult(
        drill=drill.name, seed=seed, contenders=tuple(results), bars=measures.bars(drill.bars, results)
    )
    remarks = tuple(f"{one.evidence.name}: {remark}" for one in seen for remark in one.remarks)
    outcome = Outcome(document, tuple(one.timeline for one in seen), left_out, remarks)
    first = seen[0].evidence.phases.begin
    return Told(outcome, tuple(round(one.evidence.phases.begin - first, 3) for one in seen))


def _phases(
    phases: Sequence[Phase],
    drill: Drill,
    network: Network,
    origin: OriginScene,
    second_operator: Instance,
    seed: int,
    progress: Progress,
) -> Iterator[Rehearsal]:
    """The phases, one after the other."""
    first, second = network.plan.edges
    zone_file = network.folder / "exported.zone"
    search_engine = crawlers(network.plan.visitors)
    scenery: dict[Phase, tuple[Edge, Callable[[EdgeScene], AbstractContextManager[Standing]]]] = {
        Phase.UNPROTECTED: (first, NONE.start),
        Phase.PROTECTED: (first, partial(_first_operator, exported=zone_file, crawlers=search_engine)),
        Phase.LIFTED: (first, NONE.start),
        Phase.MOVED: (
            second,
            partial(_moved_to, second_operator, exported=zone_file, crawlers=search_engine),
        ),
    }
    for number, phase in enumerate(phases):
        edge, start = scenery[phase]

        def said(words: str, share: float, number: int = number, phase: Phase = phase) -> None:
            progress(f"story: {phase.value}: {words}", 0.05 + 0.95 * (number + share) / len(phases))

        said("it starts", 0.0)
        folder = made(network.folder / phase.value)
        with ExitStack() as turn:
            start_resolver(turn, network, edge)
            # What the last attack left in its queue is not the next phase's: the forum is started anew.
            serve_origin(turn, network, ORIGINS[drill.origin], origin)
            standing = turn.enter_context(start(edge_scene(network, edge, origin, folder)))
            target = target_of(network.plan, ORIGINS[drill.origin], edge)
            wait_until_served(network.plan, target, standing.authority)
            if phase in (Phase.PROTECTED, Phase.MOVED):
                look_at_names(network, edge)
            contender = Contender(name=phase.value, summary=WORDS[phase], lacks=lambda: None, start=start)
            seen = rehearse_standing(
                drill, contender, network, ORIGINS[drill.origin], origin, standing,
                seed=seed, progress=said, edge=edge, folder=folder,
            )  # fmt: skip
        yield seen


@contextlib.contextmanager
def _first_operator(scene: EdgeScene, *, exported: Path, crawlers: str) -> Iterator[Standing]:
    """Rempart with the site and its zone. The owner exports the zone as soon as it is whole: who is dropped
    may have no later."""
    with operator(scene) as instance:
        _add_site(instance, scene, crawlers)
        instance.cli("record", "add", scene.zone, "@", "MX", MAIL, "--priority", "10")
        exported.write_text(instance.cli("zone", "export", scene.zone).stdout)
        yield Standing(authority=authority_of(instance))


@contextlib.contextmanager
def _moved_to(instance: Instance, scene: EdgeScene, *, exported: Path, crawlers: str) -> Iterator[Standing]:
    """Another Rempart, which knows nothing but the exported zone and what the owner tells it."""
    instance.wait_until_up()
    instance.cli("zone", "import", str(exported))
    _add_site(instance, scene, crawlers)
    yield Standing(authority=authority_of(instance))


def _add_site(instance: Instance, scene: EdgeScene, crawlers: str) -> None:
    origin = f"http://{scene.origin_address}:{scene.origin_port}"
    # What a zone file does not carry: where the origin listens, and how visitors are met.
    instance.cli(
        "site", "add", scene.host, "--origin", origin,
        "--security-level", SECURITY_LEVEL, "--exempt-path", FEEDS, "--exempt-network", crawlers,
    )  # fmt: skip


def look_at_names(network: Network, edge: Edge) -> None:
    """RempartError unless the name server at this edge sends visitors here and mail where it belongs: a
    resolver asks it, as the delegation says."""
    found = inside(network.plan.namespace(Role.VISITORS), partial(_names, network.plan.resolver_v4))
    wanted = {"A": {edge.v4}, "AAAA": {edge.v6}, "MX": {f"10 {MAIL}."}}
    if found != wanted:
        raise RempartError(f"the names at {edge.v4} are {found}, not {wanted}")


def _names(resolver: str, *, seconds: float = 10.0) -> dict[str, set[str]]:
    """What the resolver says of the site. It may have been started a moment ago."""
    deadline = time.monotonic() + seconds
    found: dict[str, set[str]] = {}
    for name, kind in ((HOST, "A"), (HOST, "AAAA"), (ZONE, "MX")):
        while kind not in found:
            try:
                answer = dns.query.udp(dns.message.make_query(name, kind), resolver, timeout=1.0)
            except (OSError, dns.exception.Timeout):
                if time.monotonic() > deadline:
                    raise RempartError(f"the resolver does not answer for {name}") from None
                continue
            wanted = dns.rdatatype.from_text(kind)
            found[kind] = {
                item.to_text() for rrset in answer.answer for item in rrset if rrset.rdtype == wanted
            }
    return found
