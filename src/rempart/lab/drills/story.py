"""The story: a real forum under attack, an operator that drops it by the process, another that takes it up.

    unprotected ─► behind Rempart ─► reports, notice, decision ─► lifted ─► at a second operator
      ─► appeal, reversed ─► behind the first again

One world with two operators, the forum on a machine of its own, a parent zone and a resolver that goes by it;
one run. Visitors and bots go where the resolver leads. Every phase has the same visitors and the same attack
and is judged like a contender of any drill; between the phases the process goes its way on the command line
(``story_case``), and what follows from it is looked at from outside (``story_outside``). The rim.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Container
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rempart.lab.contenders.contract import Contender
from rempart.lab.contenders.none import NONE
from rempart.lab.contenders.rempart import REMPART
from rempart.lab.drills import measures
from rempart.lab.drills.contract import BarWanted, Drill, Metric, Wave
from rempart.lab.drills.figures import share as share_of
from rempart.lab.drills.running import Outcome, Rehearsal, rehearse_standing
from rempart.lab.drills.starting import HOST, ZONE, made, require_generators, target_of, wait_until_served
from rempart.lab.drills.story_account import Account, Event, StoryResult
from rempart.lab.drills.story_case import REPORTER, REPORTER_NAME, Court
from rempart.lab.drills.story_outside import LOOK_EVERY_S, look, records, until_at, vouched_for, where
from rempart.lab.drills.story_proofs import Proofs, bars_of
from rempart.lab.drills.story_stage import LOG_HOST, Operator, Stage, mentions, staged
from rempart.lab.network.making import Network, refuse_without_namespaces
from rempart.lab.network.world import Edge, WorldShape, world
from rempart.lab.origins.catalogue import ORIGINS
from rempart.lab.origins.forum import require_environment
from rempart.lab.processes import require
from rempart.lab.progress import Progress
from rempart.lab.visitors.behaviours import crawlers
from rempart.lab.visitors.contract import Population
from rempart.model.errors import EnvironmentLacks, RempartError

FALLS, STANDS = 0.5, 0.9
"""Everybody in the plan can be served: people pass the challenge, feeds and the search engine's network are
exempt from it. Not nearer to 1: some hundred requests are judged, and a busy machine loses a few."""
SEEN_WITHIN_S = 30.0


class Phase(StrEnum):
    """What is judged, each under the same attack."""

    UNPROTECTED = "unprotected"
    PROTECTED = "protected"
    LIFTED = "lifted"
    MOVED = "moved"
    RETURNED = "returned"


BARE = (Phase.UNPROTECTED, Phase.LIFTED)
"""Phases without protection: the forum's own web server, nginx; on a machine that has none they are left out,
and said."""

WORDS = {
    Phase.UNPROTECTED: "The forum on its own machine, behind a plain nginx.",
    Phase.PROTECTED: "Behind the first operator's Rempart: every visitor is challenged once.",
    Phase.LIFTED: "Three arbiters have lifted that; its names lead to the origin.",
    Phase.MOVED: "At a second operator's Rempart, from what the first one's exit gave the owner.",
    Phase.RETURNED: "Three other arbiters have reversed it; behind the first operator's again.",
}

STORY = Drill(
    name="story",
    summary="a real forum falls unprotected, stands behind Rempart, falls when three arbiters lift that,"
    " stands at a second operator, and at the first again when an appeal reverses it",
    world=WorldShape(edges=2, origin_cpu=0.5, origin_uplink=True),
    origin="forum",
    # Nobody writes without having logged in, and the forum has no interface for programs.
    visitors=Population(visits_per_second=2.5, form_share=0, api_clients=0),
    waves=(Wave(attack="http-get-flood"),),
    settle_s=1.0,
    calm_s=2.0,
    attack_s=7.0,
    after_s=1.0,
    bars=tuple(
        BarWanted(metric=Metric.GOODPUT, at_most=FALLS, contender=phase)
        if phase in BARE
        else BarWanted(metric=Metric.GOODPUT, at_least=STANDS, contender=phase)
        for phase in Phase
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """The story as it went."""

    outcome: Outcome
    begins: tuple[float, ...]
    """When the visitors of each phase began: seconds after those of the first."""
    events: tuple[Event, ...]


def tell(
    *,
    seed: int,
    attack_s: float | None = None,
    progress: Progress = lambda words, share: None,
    attacked: Container[Phase] = tuple(Phase),
) -> Told:
    """Run the story. EnvironmentLacks where it cannot be. ``attacked``: in which phases there is an attack;
    the process goes its way in any case."""
    refuse_without_namespaces()
    require_environment()
    if (why := REMPART.lacks()) is not None:
        raise EnvironmentLacks(REMPART.name, why, hint="run bin/setup --demo")
    require("openssl", "openssl")
    nginx = NONE.lacks()
    left_out = {phase.value: "it was not asked for" for phase in Phase if phase not in attacked}
    left_out |= {} if nginx is None else {phase.value: nginx for phase in BARE}
    drill = STORY if attack_s is None else STORY.model_copy(update={"attack_s": attack_s})
    plan = world(drill.world, seed=seed, run=secrets.token_hex(4), cores=os.cpu_count() or 1)
    require_generators(drill, plan, ORIGINS[drill.origin])
    if plan.bare_origin is None:
        raise RempartError("the story needs a world whose origin has an uplink")
    with ExitStack() as stack:
        progress("story: the world is made", 0.0)
        network = stack.enter_context(Network(plan))
        stage = stack.enter_context(staged(network, ORIGINS[drill.origin], plan.bare_origin))
        return _Telling(drill, stage, seed, left_out, progress).tell()


class _Telling:
    """One run of the story: its acts, and what was seen in them."""

    def __init__(
        self, drill: Drill, stage: Stage, seed: int, left_out: dict[str, str], progress: Progress
    ) -> None:
        self._drill, self._stage, self._seed, self._left_out = drill, stage, seed, left_out
        self._progress = progress
        self._plan = stage.network.plan
        self._account, self._proofs = Account(), Proofs()
        papers = made(stage.network.folder / "papers")
        self._court = Court(stage.first.instance, self._account, papers)
        self._kit = papers / "kit.zip"
        self._seen: list[Rehearsal] = []

    def tell(self) -> Told:
        key = self._before()
        self._attacked(Phase.UNPROTECTED)
        self._goes_behind_the_first()
        self._attacked(Phase.PROTECTED)
        self._is_decided()
        self._account.note("anybody", "mirrors the public log", seen=self._verified(key))
        self._attacked(Phase.LIFTED)
        self._moves()
        self._attacked(Phase.MOVED)
        self._is_reversed()
        self._attacked(Phase.RETURNED)
        self._court.closed()
        self._account.note("anybody", "verifies the public log", seen=self._verified(key))
        return self._told()

    # --- acts ------------------------------------------------------------------------------------------

    def _before(self) -> str:
        """Rules, arbiters and log are there before there is a case; the log's key."""
        self._say("the first operator's charter", 0.0)
        self._stage.forum.anew()
        self._stage.parent.points(HOST, self._stage.addresses)
        self._court.founded()
        key = self._stage.publishes_log()
        self._account.note("operator", f"publishes the log at {LOG_HOST}")
        return key

    def _goes_behind_the_first(self) -> None:
        first = self._stage.first
        first.takes(self._stage.forum, crawlers(self._plan.visitors))
        self._stage.delegates_to(first, ds=first.ds(), instead_of=(HOST,))
        until_at(self._plan, first.edge, seconds=SEEN_WITHIN_S)
        self._account.note("owner", "goes behind the first operator", seen=self._look())

    def _is_decided(self) -> None:
        """From the report to the effect."""
        self._say("the case", 0.0)
        court, first = self._court, self._stage.first
        court.reported()
        court.accepted()
        court.notified()
        # The owner may have it from the notice on; who is dropped may have no later.
        first.exports(self._kit)
        self._account.note("owner", "fetches the exit kit")
        court.answered()
        court.decided()
        effective = court.announced()
        self._account.note("anybody", "looks during the notice", seen=self._look())
        self._watch_the_notice(effective)
        seen_at = until_at(self._plan, self._stage.forum.bare, seconds=SEEN_WITHIN_S)
        self._proofs.lifted_after_s = round(self._account.since(effective, seen_at), 1)
        self._account.note("anybody", "sees the protection lifted", seen=self._look())

    def _watch_the_notice(self, effective: datetime) -> None:
        """Until a moment before the announced time the site is where it was."""
        edge = self._stage.first.edge
        while self._account.since(effective, time.monotonic()) < -LOOK_EVERY_S:
            if self._proofs.looks_in_notice:
                time.sleep(LOOK_EVERY_S)
            found = where(self._plan)
            if self._account.since(effective, time.monotonic()) < 0:
                self._proofs.looks_in_notice += 1
                self._proofs.elsewhere_in_notice += found != {edge.v4, edge.v6}

    def _moves(self) -> None:
        """The owner takes the exit kit to another operator, and tells the registrar."""
        self._say("the second operator", 0.0)
        second = self._stage.second
        second.imports(self._kit)
        self._account.note("second operator", "imports the exit kit")
        told = (records(self._plan, one.edge.v4, ZONE, "MX") for one in (second, self._stage.first))
        self._proofs.records_kept = len(frozenset.intersection(*told))
        self._stage.delegates_to(second)
        self._account.note("owner", "has the delegation changed by the registrar")
        until_at(self._plan, second.edge, seconds=SEEN_WITHIN_S)
        self._proofs.vouched += self._vouched(second)
        self._account.note("anybody", "is led to the second operator", seen=self._look())

    def _is_reversed(self) -> None:
        """The appeal, and the way back."""
        self._say("the appeal", 0.0)
        first = self._stage.first
        self._court.appealed()
        self._court.reversed()
        signed = time.monotonic()
        seen_at = until_at(self._plan, first.edge, seconds=SEEN_WITHIN_S, server=first.edge.v4)
        self._proofs.back_after_s = round(seen_at - signed, 1)
        self._account.note("anybody", f"the first operator's name server says {first.edge.v4} again")
        self._stage.delegates_to(first)
        self._account.note("owner", "has the delegation changed back")
        until_at(self._plan, first.edge, seconds=SEEN_WITHIN_S)
        self._proofs.vouched += self._vouched(first)
        self._account.note("anybody", "is led to the first operator", seen=self._look())

    # --- what is the same in every act -----------------------------------------------------------------

    def _attacked(self, phase: Phase) -> None:
        """Visitors and bots go where the resolver leads, and what they meet there is judged."""
        if phase.value in self._left_out:
            return
        self._say(f"{phase.value}: it starts", 0.0)
        stage, origin = self._stage, ORIGINS[self._drill.origin]
        stage.forum.anew()
        edge, standing = self._led_to(), stage.forum.standing
        wait_until_served(self._plan, target_of(self._plan, origin, edge), standing.authority)
        contender = Contender(
            name=phase.value,
            summary=WORDS[phase],
            lacks=lambda: None,
            start=lambda scene: nullcontext(standing),
        )
        self._account.note("bots", "attack", seen=self._look())
        seen = rehearse_standing(
            self._drill, contender, stage.network, origin, stage.forum.scene, standing,
            seed=self._seed, progress=lambda words, share: self._say(f"{phase.value}: {words}", share),
            edge=edge, folder=made(stage.network.folder / phase.value),
        )  # fmt: skip
        self._seen.append(seen)
        result = measures.judge(seen.evidence)
        self._account.note(
            "bots", "stop", seen=f"{share_of(result.goodput)} of what visitors wanted was served"
        )

    def _led_to(self) -> Edge:
        """Where the names lead now."""
        stage, found = self._stage, where(self._plan)
        there = (
            stage.first.edge,
            stage.second.edge,
            stage.forum.bare,
        )
        for edge in there:
            if found == {edge.v4, edge.v6}:
                return edge
        raise RempartError(f"{HOST} leads to {', '.join(sorted(found)) or 'nothing'}, where nobody is")

    def _verified(self, key: str) -> str:
        checked = self._stage.verified_log(key)
        self._proofs.log_sound, self._proofs.log_entries = bool(checked["sound"]), int(checked["entries"])
        if not self._proofs.log_sound:
            return f"NOT SOUND: {checked['faults']}"
        return f"sound, {self._proofs.log_entries} entries"

    def _vouched(self, operator: Operator) -> bool:
        """Whether what this operator's name server says is signed with a key that the parent vouches for:
        nobody has told the parent of another than the first."""
        deadline = time.monotonic() + SEEN_WITHIN_S
        while not (found := vouched_for(self._plan, operator.edge.v4, ZONE, HOST)):
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_EVERY_S)
        return found

    def _look(self) -> str:
        return look(self._plan).words(self._plan)

    def _say(self, words: str, share: float) -> None:
        self._progress(f"story: {words}", 0.1 + 0.9 * (len(self._seen) + share) / len(Phase))

    def _told(self) -> Told:
        court, account = self._court, self._account
        steps = court.record()
        if REPORTER not in court.confided():
            raise RempartError("who reported is not kept at all")
        papers = self._kit, self._stage.network.folder / "mirror"
        self._proofs.naming_the_reporter = mentions(REPORTER_NAME, *papers) + (
            REPORTER_NAME in court.public_text()
        )
        results = [measures.judge(one.evidence) for one in self._seen]
        bars = (*measures.bars(self._drill.bars, results), *bars_of(steps, self._proofs))
        document = StoryResult(
            drill=self._drill.name, seed=self._seed, contenders=tuple(results), bars=bars,
            timeline=account.events(steps, court.charter_entries()),
        )  # fmt: skip
        remarks = tuple(f"{one.evidence.name}: {remark}" for one in self._seen for remark in one.remarks)
        outcome = Outcome(document, tuple(one.timeline for one in self._seen), self._left_out, remarks)
        first = self._seen[0].evidence.phases.begin
        begins = tuple(round(one.evidence.phases.begin - first, 3) for one in self._seen)
        return Told(outcome, begins, document.timeline)
