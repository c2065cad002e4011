"""The defence loop as one machine: ``handle(event, now) → [instruction]``, ten times a second. Pure.

An observation is counted, compared with what is usual, and kept if it may be good. Where there is an alarm,
the traffic of since then is searched for what it has in common, each finding stands trial, and what passes is
enforced. What stands is followed every tick. Same events, same instructions: chance is seeded, sets are
ordered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rempart.defence import learnt
from rempart.defence.baseline import DEVIATIONS
from rempart.defence.classes import MEANING, PORTS, PacketClass, class_of, classes, services
from rempart.defence.detect import harmed_sites, harms, saturated
from rempart.defence.instructions import (
    EnforceRules,
    Instruction,
    RecordAttack,
    RecordMitigation,
    SampleRate,
    Withdraw,
)
from rempart.defence.matching import labels, matching, shield_rule
from rempart.defence.mitigation import Ended, Mitigations, Standing
from rempart.defence.policy import Policy
from rempart.defence.signatures import mined
from rempart.defence.sketch import HeavyHitters
from rempart.defence.trial import FEW, own_records, tried
from rempart.defence.verdicts import CHALLENGED, Passed, judged, permitted, stronger
from rempart.defence.watch import Watch
from rempart.model.attacks import (
    NODE,
    PACKET,
    REQUEST,
    Action,
    Attack,
    Event,
    Evidence,
    Forbid,
    Layer,
    Measure,
    Mitigation,
    Mode,
    ModeChange,
    Observation,
    Permit,
    Records,
    Revoke,
    Signature,
    State,
    Trial,
)

_RETRY = 1.0
"""Seconds between trials of what stands."""
_OWN_LEAST = 50
"""With fewer records of its own class, an attack is compared with all good ones."""
_EVIDENCE = 3.0
"""Good records times bound, from which on a trial can speak for a drop (``trial.upper_bound``)."""
_SAME = 0.8
"""A signature that means so much of what a revoked one means is the revoked one."""
_GOOD_STOPPED = 0.1
"""Of what a challenge of everybody stops, so much are people who have not passed it yet."""
_SERVICE_SHARE = 0.02
_SKETCH = 512
_FADE = 0.99


class Defence:
    """The judgement of one node."""

    def __init__(
        self,
        policy: Policy | None = None,
        modes: Mapping[int, Mode] | None = None,
        *,
        mode: Mode = Mode.ENFORCE,
        first: int = 1,
        seed: int = 0,
    ) -> None:
        """``modes``: of sites (or ``NODE``) that have one of their own; ``mode``: of the others. ``first``:
        the number of the first mitigation, so that numbers of before a restart do not come again."""
        self.policy = policy or Policy()
        policy = self.policy
        self._modes = dict(modes or {})
        self._mode = mode
        self.packets = Watch(
            Layer.PACKET, PACKET, policy.packet_floor, policy.services + len(PacketClass), policy, seed
        )
        # A class that was never seen is known to be nothing.
        self.packets.baseline.rows(np.array([int(one) * PORTS for one in PacketClass], np.int64))
        self.requests = Watch(Layer.REQUEST, REQUEST, policy.site_floor, policy.sites, policy, seed + 1)
        self.mitigations = Mitigations(policy, first)
        self._ports = HeavyHitters(_SKETCH)
        self._own_services: NDArray[np.int64] = np.zeros(0, np.int64)
        self._attacks: dict[tuple[Layer, int], Attack] = {}
        self._every = {Layer.PACKET: 1, Layer.REQUEST: 1}
        self._ported = 0.0
        self._observed_hits: dict[int, int] = {}
        self._enforced: EnforceRules | None = EnforceRules((), Measure(0), ())
        """What was told last; None: another process has told it."""

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """What follows from ``event`` at ``now`` (seconds, never going back)."""
        match event:
            case Observation():
                return self._observe(event, now)
            case Revoke(mitigation=identity):
                return self._revoke(identity, now)
            case ModeChange(key=key, mode=mode):
                return self._set_mode(key, mode)
            case Forbid(key=key, signature=signature):
                return self._forbid(key, signature, now)
            case Permit(key=key, signature=signature):
                self.mitigations.permit(key, signature)
                return []

    @property
    def attacks(self) -> Collection[Attack]:
        """Those that go on, as they are now."""
        return self._attacks.values()

    def resume(self, mitigation: Mitigation, service: int, now: float) -> None:
        """Go on with what a loop before this one has begun, before the first tick. ``service``: what it was
        counted under (``Standing.service``)."""
        self.mitigations.resume(mitigation, service, now)
        self._enforced = None

    def kept(self, layer: Layer, now: float, wall: float) -> bytes:
        """What is learnt of a layer, to outlive the process (``learnt``). ``wall``: Unix time."""
        return learnt.kept(self._watched(layer), self._own_services, now, wall)

    def recall(self, octets: bytes, layer: Layer, now: float, wall: float, most_s: float) -> learnt.Recalled:
        """Begin with what was kept, before the first tick. ValueError when it cannot be used: then nothing
        is known."""
        found, services = learnt.recall(octets, self._watched(layer), now, wall, most_s)
        if layer is Layer.PACKET:
            self._own_services = services[: self.policy.services]
        return found

    def _watched(self, layer: Layer) -> Watch:
        return self.packets if layer is Layer.PACKET else self.requests

    # --- one tick

    def _observe(self, seen: Observation, now: float) -> list[Instruction]:
        seconds = max(seen.seconds, 1e-3)
        told: list[Instruction] = self._sample_rates(seen, seconds)
        packets = _thin(seen.packets, self.policy.tick_records)
        requests = _thin(seen.requests, self.policy.tick_records)
        self._watch_packets(packets, seen, seconds, now)
        self._watch_requests(requests, seen, seconds, now)
        ended = self._follow(packets, requests, seen, seconds, now)
        told += self._ended(ended)
        told += self._tried_again(now)
        for watch in (self.packets, self.requests):
            for key in watch.to_look_into(seen.wall, now):
                told += self._look_into(watch, key, seen, seconds, now)
        told += self._attacks_now(now)
        return told + self._enforce()

    def _sample_rates(self, seen: Observation, seconds: float) -> list[Instruction]:
        told: list[Instruction] = []
        for layer, offered, most in (
            (Layer.PACKET, seen.offered_packets, self.policy.packets_per_second),
            (Layer.REQUEST, seen.offered_requests, self.policy.requests_per_second),
        ):
            wanted = _power_of_two(offered / seconds / most)
            # Up at once, down only when it is clearly too rare: rates that swing must not make the order
            # swing.
            if wanted > self._every[layer] or wanted * 4 <= self._every[layer]:
                self._every[layer] = wanted
                told.append(SampleRate(layer, wanted))
        return told

    def _watch_packets(self, packets: Records, seen: Observation, seconds: float, now: float) -> None:
        through = ~packets["dropped"]
        kinds = classes(packets)
        services_seen = services(packets, kinds)
        own = np.isin(services_seen, self._own_services)
        keys = np.where(own, services_seen, kinds * PORTS)
        weights = packets["weight"].astype(np.float64)
        present, place = np.unique(keys[through], return_inverse=True)
        rates = np.bincount(place, weights=weights[through], minlength=present.size) / seconds
        variances = np.bincount(place, weights=weights[through] ** 2, minlength=present.size) / seconds**2
        sampled = float(weights[through].sum())
        if sampled and seen.passed:
            counted = seen.passed / sampled  # how many there were is counted, not sampled
            rates, variances = rates * counted, variances * counted**2
        watch = self.packets
        rows = watch.baseline.rows(present)
        harmed = np.full(watch.baseline.keys.size, saturated(seen.saturation, self.policy))
        watch.observe(rows, rates, variances, harmed, self._standing(Layer.PACKET), seconds, now, seen.wall)
        header = packets["header"]
        clients = header["source_high"].astype(np.uint64) ^ header["source_low"].astype(np.uint64)
        watch.take(packets, keys, clients, through, seconds, now)
        if watch.allowed.all():
            self._ports.add(services_seen[through].astype(np.uint64), weights[through])
            if now - self._ported >= 1.0:
                self._ported = now
                self._ports.fade(_FADE)
                heavy = self._ports.heavy(_SERVICE_SHARE).astype(np.int64)
                wanted = np.union1d(self._own_services, heavy[heavy % PORTS > 0])
                if wanted.size <= self.policy.services:
                    self._own_services = wanted

    def _watch_requests(self, requests: Records, seen: Observation, seconds: float, now: float) -> None:
        watch, sites = self.requests, seen.sites
        keys = sites["site"].astype(np.int64)
        through = np.maximum(0, sites["requests"].astype(np.int64) - sites["refused"]) / seconds
        rows = watch.baseline.rows(keys)
        harmed = harmed_sites(sites, watch.baseline, rows, self.policy)
        watch.observe(rows, through, None, harmed, self._standing(Layer.REQUEST), seconds, now, seen.wall)
        watch.baseline.learn_latency(rows, sites["latency"], watch.allowed)
        keys = requests["site"].astype(np.int64)
        watch.take(requests, keys, requests["client"], ~requests["refused"], seconds, now)

    # --- what stands

    def _standing(self, layer: Layer) -> set[int]:
        return {
            one.service
            for one in self.mitigations.standing.values()
            if one.mitigation.signature.layer is layer
        }

    def _follow(
        self, packets: Records, requests: Records, seen: Observation, seconds: float, now: float
    ) -> list[Ended]:
        hits = dict(seen.hits)
        for one in self.mitigations.standing.values():
            if one.mitigation.state is State.OBSERVED:
                # Nothing counts for what is not enforced; samples say what it would have hit.
                signature = one.mitigation.signature
                records = packets if signature.layer is Layer.PACKET else requests
                hits[one.mitigation.id] = one.mitigation.hits + round(
                    float(records["weight"][matching(signature, records)].sum())
                )
        wrong = {(watch.layer, key) for watch in (self.packets, self.requests) for key in watch.wrong()}
        return self.mitigations.follow(hits, wrong, seconds, now)

    def _tried_again(self, now: float) -> list[Instruction]:
        """What stands is tried against what was learnt since; stronger or weaker, or it goes."""
        told: list[Instruction] = []
        for one in list(self.mitigations.standing.values()):
            mitigation = one.mitigation
            watch, kind = self._watch_of(one)
            of_all = mitigation.signature.terms == (MEANING[kind] if kind is not None else ())
            if now - one.retried < _RETRY or of_all:
                continue
            one.retried = now
            good, own, before = self._good(watch, one.service)
            provisional = before is not None
            if one.resumed and good.size * self.policy.bound_of(mitigation.key) < _EVIDENCE:
                continue  # what it was tried against is forgotten, which says nothing against it
            trial = tried(
                mitigation.signature, good, own, mitigation.key, self.policy, share_now=one.share, harmed=True
            )
            action = permitted(self._known(watch, one.service, trial.action, provisional), kind)
            if action is None or action is Action.QUEUE:
                if mitigation.action is Action.CHALLENGE and watch.layer is Layer.REQUEST:
                    # Begun when nobody was known: who is good by now tells what to challenge instead, and
                    # until then they pass it.
                    instead = self._narrower(one, good, own, provisional, now)
                    if not instead and one.rate >= self.policy.factor * self._usual(watch, one.service):
                        continue
                    told += instead
                told += self._ended([self.mitigations.fail(mitigation.id, "it would hit good traffic", now)])
            elif action is not mitigation.action:
                needed = one.rate > 0 or self._alarmed(watch, one.service)
                if stronger(action, mitigation.action) and not needed:
                    continue
                limit = self._limit(watch, one.service, trial) if action is Action.LIMIT else None
                self.mitigations.change(
                    mitigation.id, action, trial.model_copy(update={"action": action}), limit
                )
                told.append(RecordMitigation(one.mitigation))
        return told

    def _narrower(
        self, one: Standing, good: Records, own: Records, provisional: bool, now: float
    ) -> list[Instruction]:
        """What a challenge of too many stops, told from the good ones that it hits: enforced in its place."""
        watch, key = self.requests, one.service
        records = watch.stopped(one.mitigation.id)
        if records.size < self.policy.least_records or own.size < FEW:
            return []
        told: list[Instruction] = []
        for candidate in mined(Layer.REQUEST, key, None, records, own, _GOOD_STOPPED, self.policy):
            passed = judged(candidate, records, good, own, key, None, self.policy, harmed=True)
            if (
                passed is None
                or passed.action is Action.QUEUE
                or passed.signature == one.mitigation.signature
            ):
                continue
            action = self._known(watch, key, passed.action, provisional) or Action.CHALLENGE
            trial = passed.trial.model_copy(update={"action": action})
            if not self._refused_before(passed.signature, key, records, now):
                evidence = one.mitigation.evidence
                told += self._begin(
                    watch, key, replace(passed, action=action, trial=trial), one.rate, evidence.usual,
                    evidence.harm, now,
                )  # fmt: skip
        return told

    def _usual(self, watch: Watch, key: int) -> float:
        row = watch.row(key)
        level = float(watch.baseline.level[row]) if row < watch.baseline.level.size else 0.0
        return max(level, watch.baseline.floor / 10)

    def _watch_of(self, one: Standing) -> tuple[Watch, PacketClass | None]:
        if one.mitigation.signature.layer is Layer.PACKET:
            return self.packets, class_of(one.service)
        return self.requests, None

    def _alarmed(self, watch: Watch, key: int) -> bool:
        row = watch.row(key)
        return row < watch.alarms.on.size and bool(watch.alarms.on[row])

    def _known(self, watch: Watch, key: int, action: Action | None, provisional: bool) -> Action | None:
        """Weakened to a challenge where too little was learnt to refuse anybody."""
        row = watch.row(key)
        if action in (Action.DROP, Action.LIMIT) and provisional:
            return Action.CHALLENGE
        if action not in (Action.DROP, Action.LIMIT) or row >= watch.baseline.known.size:
            return action
        return action if watch.baseline.known[row] >= self.policy.known_seconds else Action.CHALLENGE

    def _good(self, watch: Watch, key: int) -> tuple[Records, Records, float | None]:
        """Good records, those of its own, and, when they are only what came before the attack, at which
        rate it did: on a cold start nothing was calm for long, and to be asked for a proof refuses nobody."""
        good = watch.reservoir.records()
        own = own_records(good, watch.reservoir.keys(), key)
        if watch.layer is Layer.REQUEST and good.size < _OWN_LEAST:
            before, rate = watch.before(key, _OWN_LEAST)
            if before.size >= _OWN_LEAST:
                return before, before, rate
            known = np.concatenate([own, watch.reservoir.proven(key)])
            if known.size >= FEW:
                return known, known, 0.0
        return good, own, None

    def _ended(self, ended: list[Ended]) -> list[Instruction]:
        return [Withdraw(one.mitigation, one.why) for one in ended]

    # --- what is wrong

    def _look_into(
        self, watch: Watch, key: int, seen: Observation, seconds: float, now: float
    ) -> list[Instruction]:
        policy, row = self.policy, watch.row(key)
        records, span = watch.recent(key, seconds, now)
        standing = self.mitigations.of(watch.layer, key)
        harmed = bool(watch.harmed[row])
        meaning = MEANING[class_of(key)] if watch.layer is Layer.PACKET else ()
        whole = any(one.mitigation.signature.terms == meaning for one in standing)
        left = np.ones(records.size, bool)
        for one in standing:
            if one.mitigation.signature.terms != meaning:
                left &= ~matching(one.mitigation.signature, records)
        records = records[left]
        if records.size < policy.least_records:
            if not standing:
                watch.again(key, now)
            return []
        weights = records["weight"].astype(np.float64)
        rate = float(weights.sum()) / span
        # Requests that each stand for one are all known: one that stands for w has the variance w² - w.
        # Packets are sampled always.
        variance = weights * (weights - 1) if watch.layer is Layer.REQUEST else weights**2
        certain = rate - DEVIATIONS * float(np.sqrt(variance.clip(0).sum())) / span
        usual = float(watch.baseline.level[row])
        # What nothing stands for yet must itself be worth an alarm; after a good answer it is not.
        if certain < policy.factor * float(watch.baseline.usual(seen.wall)[row]) and not (
            harmed and certain >= policy.harm_rise * usual
        ):
            if not standing:
                watch.again(key, now)
            return []
        kind = class_of(key) if watch.layer is Layer.PACKET else None
        site = key if watch.layer is Layer.REQUEST else None
        good, own, before = self._good(watch, key)
        provisional = before is not None
        against = own if own.size >= _OWN_LEAST else good
        # What is usual is learnt more slowly than a few seconds of life.
        expected = min(0.9 * rate, max(usual, before or 0.0))
        candidates = mined(watch.layer, site, kind, records, against, expected / rate, policy)
        words = self._harms(watch, key, seen) if harmed else ()
        told: list[Instruction] = []
        queued, challenged = False, None
        for candidate in candidates:
            if self._refused_before(candidate.signature, self._owner(watch, key), records, now):
                continue
            passed = judged(
                candidate, records, good, own, self._owner(watch, key), kind, policy, harmed=harmed
            )
            if passed is None:
                continue
            known = permitted(self._known(watch, key, passed.action, provisional), kind)
            if known is None or (known is Action.CHALLENGE and not harmed and kind is None):
                continue
            if known is not passed.action:
                trial = passed.trial.model_copy(update={"action": known})
                passed = replace(passed, action=known, trial=trial)
            if passed.action is Action.QUEUE:
                queued = True
                continue
            if kind is not None and passed.action is Action.CHALLENGE:
                challenged = passed
                continue
            told += self._begin(watch, key, passed, rate, usual, words, now)
        if kind is not None and kind in CHALLENGED and not candidates:
            challenged = self._nothing_tells(kind, good, own, records)
        if kind is not None and challenged is not None and not whole:
            # Sources of a whole class prove themselves, or none: the shield knows no finer measure.
            of_class = replace(challenged, signature=Signature(layer=Layer.PACKET, terms=MEANING[kind]))
            told += self._begin(watch, key, of_class, rate, usual, words, now)
        if watch.layer is Layer.REQUEST and harmed and not whole and (queued or not told) and not standing:
            told += self._queue(watch, key, rate, usual, words, now)
        if told:
            watch.found(key, now)
        return told

    def _nothing_tells(self, kind: PacketClass, good: Records, own: Records, records: Records) -> Passed:
        """A flood that is like the good in everything: all of its class prove themselves."""
        signature = Signature(layer=Layer.PACKET, terms=MEANING[kind])
        trial = tried(signature, good, own, NODE, self.policy, share_now=1.0, harmed=True)
        action = Action.CHALLENGE
        return Passed(signature, action, trial.model_copy(update={"action": action}), 1.0, records.size, 1.0)

    def _queue(
        self, watch: Watch, key: int, rate: float, usual: float, words: tuple[str, ...], now: float
    ) -> list[Instruction]:
        """Nothing tells the one from the other, and the origin suffers: who is proven goes first, nobody is
        refused."""
        signature = Signature(layer=Layer.REQUEST, site=key)
        if self._refused_before(signature, key, np.zeros(0, REQUEST), now):
            return []
        trial = Trial(
            records=0,
            hit=0,
            own_records=0,
            own_hit=0,
            upper=0.0,
            bound=self.policy.bound_of(key),
            action=Action.QUEUE,
        )
        passed = Passed(signature, Action.QUEUE, trial, 1.0, 0, 1.0)
        return self._begin(watch, key, passed, rate, usual, words, now)

    def _refused_before(self, signature: Signature, owner: int, records: Records, now: float) -> bool:
        if self.mitigations.failed(signature, now):
            return True
        revoked = self.mitigations.revoked(owner)
        if signature in revoked:
            return True
        if not records.size:
            return False
        means = matching(signature, records)
        return any(
            one.layer is signature.layer
            and float((means & matching(one, records)).sum()) >= _SAME * max(1.0, float(means.sum()))
            for one in revoked
            if one.terms
        )

    def _begin(
        self,
        watch: Watch,
        key: int,
        passed: Passed,
        rate: float,
        usual: float,
        words: tuple[str, ...],
        now: float,
    ) -> list[Instruction]:
        policy = self.policy
        many = sum(
            one.mitigation.signature.layer is watch.layer for one in self.mitigations.standing.values()
        )
        if many >= (policy.packet_rules if watch.layer is Layer.PACKET else policy.request_rules):
            return []
        if not self._names_agree(passed.signature):
            return []
        owner = self._owner(watch, key)
        observed = self._modes.get(owner, self._mode) is Mode.OBSERVE
        evidence = Evidence(
            rate=rate,
            usual=usual,
            covered=passed.covered,
            sampled=passed.records,
            trial=passed.trial,
            harm=words,
        )
        mitigation = Mitigation(
            id=self.mitigations.identity(),
            key=owner,
            cause=_cause(watch.layer, key, rate, usual, passed.signature),
            signature=passed.signature,
            action=passed.action,
            per_second=self._limit(watch, key, passed.trial) if passed.action is Action.LIMIT else None,
            evidence=evidence,
            since=now,
            expires=now,
            state=State.OBSERVED if observed else State.ENFORCED,
        )
        expected = passed.covered * max(0.0, rate - usual)
        standing = self.mitigations.begin(mitigation, key, expected, passed.share, now)
        return [RecordMitigation(standing.mitigation)]

    def _names_agree(self, signature: Signature) -> bool:
        """All rules of the shield that look at names look at equally many labels."""
        count = labels(signature)
        others = {labels(one.mitigation.signature) for one in self.mitigations.standing.values()} - {None}
        return count is None or not others or others == {count}

    def _owner(self, watch: Watch, key: int) -> int:
        return NODE if watch.layer is Layer.PACKET else key

    def _limit(self, watch: Watch, key: int, trial: Trial) -> float:
        """What the good ones among those it hits need, and room."""
        share = (trial.own_hit + 1) / (trial.own_records + 1)
        return max(10.0, self.policy.limit_room * min(1.0, share) * self._usual(watch, key))

    def _harms(self, watch: Watch, key: int, seen: Observation) -> tuple[str, ...]:
        if watch.layer is Layer.PACKET:
            return harms(None, seen.saturation, self.policy)
        mine = np.flatnonzero(seen.sites["site"] == key)
        return harms(seen.sites[mine[0]] if mine.size else None, seen.saturation, self.policy)

    # --- attacks, and what is told

    def _attacks_now(self, now: float) -> list[Instruction]:
        told: list[Instruction] = []
        now_standing: dict[tuple[Layer, int], list[Standing]] = {}
        for one in self.mitigations.standing.values():
            now_standing.setdefault((one.mitigation.signature.layer, one.mitigation.key), []).append(one)
        for place, standing in now_standing.items():
            before = self._attacks.get(place)
            signatures = tuple(one.mitigation.signature for one in standing)
            rate = sum(one.rate for one in standing)
            begun = before or Attack(
                key=place[1],
                kind="",
                begin=min(one.mitigation.since for one in standing),
                usual=standing[0].mitigation.evidence.usual,
            )
            every = tuple(dict.fromkeys((*begun.signatures, *signatures)))[-self.policy.request_rules :]
            peak = max(begun.peak, rate, *(one.mitigation.evidence.rate for one in standing))
            kind = _kind_of(standing, begun.kind)
            attack = begun.model_copy(update={"signatures": every, "peak": peak, "kind": kind})
            self._attacks[place] = attack
            if before is None or before.signatures != every or before.kind != kind:
                told.append(RecordAttack(attack))
        for place in [one for one in self._attacks if one not in now_standing]:
            told.append(RecordAttack(self._attacks.pop(place).model_copy(update={"end": now})))
        return told

    def _enforce(self) -> list[Instruction]:
        rules, measures, requests = [], Measure(0), []
        for one in self.mitigations.standing.values():
            mitigation = one.mitigation
            if mitigation.state is not State.ENFORCED:
                continue
            if mitigation.signature.layer is Layer.REQUEST:
                # Hits and expiry move every tick and change nothing of what the edge does.
                requests.append(mitigation.model_copy(update={"hits": 0, "expires": 0.0}))
            elif (rule := shield_rule(mitigation)) is not None:
                rules.append(rule)
            elif mitigation.action is Action.CHALLENGE:
                dns = class_of(one.service) is PacketClass.DNS
                measures |= Measure.DNS_CHALLENGE if dns else Measure.SYN_COOKIES
        wanted = EnforceRules(tuple(rules), measures, tuple(requests))
        if wanted == self._enforced:
            return []
        self._enforced = wanted
        return [wanted]

    # --- what people say

    def _revoke(self, identity: int, now: float) -> list[Instruction]:
        if identity not in self.mitigations.standing:
            return []
        ended = self.mitigations.end(identity, State.REVOKED, "a person revoked it", now)
        return [*self._ended([ended]), *self._attacks_now(now), *self._enforce()]

    def _forbid(self, key: int, signature: Signature, now: float) -> list[Instruction]:
        told: list[Instruction] = []
        for identity, one in list(self.mitigations.standing.items()):
            if one.mitigation.key == key and one.mitigation.signature == signature:
                told += self._revoke(identity, now)
        self.mitigations.forbid(key, signature)
        return told

    def _set_mode(self, key: int, mode: Mode) -> list[Instruction]:
        self._modes[key] = mode
        state = State.OBSERVED if mode is Mode.OBSERVE else State.ENFORCED
        told: list[Instruction] = []
        for one in self.mitigations.standing.values():
            if one.mitigation.key == key and one.mitigation.state is not state:
                one.mitigation = one.mitigation.model_copy(update={"state": state})
                told.append(RecordMitigation(one.mitigation))
        return told + self._enforce()


def _cause(layer: Layer, key: int, rate: float, usual: float, signature: Signature) -> str:
    what = class_of(key).kind if layer is Layer.PACKET else "http-flood"
    return f"{what}: {rate:,.0f}/s where {usual:,.0f}/s is usual; {signature.words()}"[:200]


def _kind_of(standing: list[Standing], before: str) -> str:
    kinds = {before} - {"", "crowd"}
    for one in standing:
        mitigation = one.mitigation
        if mitigation.signature.layer is Layer.PACKET:
            kinds.add(class_of(one.service).kind)
        elif mitigation.action is not Action.QUEUE:
            kinds.add("http-flood")
    if not kinds:
        return "crowd"
    return kinds.pop() if len(kinds) == 1 else "mixture"


def _thin(records: Records, most: int) -> Records:
    """Every so many-th record, each standing for as many more."""
    step = -(-records.size // most)
    if step <= 1:
        return records
    chosen = records[::step].copy()
    chosen["weight"] *= records.size / chosen.size
    return chosen


def _power_of_two(number: float) -> int:
    every = 1
    while every < number:
        every *= 2
    return every
