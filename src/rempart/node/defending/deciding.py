"""One loop in a running node: the judgement with its journal and a person's orders. The rim, but for its
clock.

A tick of its owner::

    decided = deciding.step(observation, now, wall)
    …carry out ``decided.rules`` and ``decided.every``…
    deciding.write(now, wall)

``now`` is the loop's clock (monotonic), ``wall`` the time of day at that moment. Writing comes after
carrying out: the disk delays no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from rempart.defence.instructions import (
    EnforceRules,
    Instruction,
    RecordAttack,
    RecordMitigation,
    SampleRate,
    Withdraw,
)
from rempart.defence.loop import Defence
from rempart.defence.policy import Policy
from rempart.model.attacks import (
    Attack,
    Event,
    Forbid,
    Layer,
    Mitigation,
    Mode,
    ModeChange,
    Observation,
    Permit,
    Revoke,
    Signature,
    State,
)
from rempart.model.configuration import DefenceSection, StatePaths
from rempart.model.errors import RempartError
from rempart.node.defending.entries import Account, AttackEntry, Entry, for_history, identity
from rempart.node.defending.journal import Journal
from rempart.node.defending.memory import Memory
from rempart.node.defending.orders import Orders, OrdersFile, Revocation

WRITE_SECONDS = 1.0
"""Hits and expiry of what stands are written this often; what begins or ends at once."""
SIGN_SECONDS = 10.0
"""With nothing new it is written that there is nothing: so silence means something (``running.stale``)."""
_ENDED_MOST = 1_000
KEEP_SECONDS = 60.0
"""What was learnt is written this often: a process that is killed has learnt so much in vain."""
RESTARTED = "its process ended"


@dataclass(frozen=True, slots=True)
class Naming:
    """What a layer calls things: subjects (site or ``node``) by the loop's keys, signatures in words."""

    key: Callable[[str], int]
    subject: Callable[[int], str]
    words: Callable[[Signature], str]


@dataclass(frozen=True, slots=True)
class Decided:
    """What a step wants carried out; None: as before."""

    rules: EnforceRules | None = None
    every: int | None = None
    """One sample in so many."""


@dataclass(slots=True)
class _Over:
    entries: list[Entry] = field(default_factory=list)
    attacks: list[AttackEntry] = field(default_factory=list)


class Deciding:
    """The loop of one layer."""

    def __init__(
        self,
        paths: StatePaths,
        section: DefenceSection,
        layer: Layer,
        naming: Naming,
        now: float,
        wall: datetime,
        *,
        policy: Policy | None = None,
        seed: int = 0,
    ) -> None:
        """Raises OSError when the journal cannot be used."""
        self.layer = layer
        self._section = section
        self._naming = naming
        self._log = structlog.get_logger("defence").bind(layer=str(layer))
        self._journal = Journal(paths, layer, section)
        self._file = OrdersFile(paths)
        self._followed = Orders()
        before = self._journal.opened(wall)
        self.defence = Defence(
            policy or Policy(bound=section.bound), mode=Mode(section.mode), first=before.next, seed=seed
        )
        self._entries: dict[int, Entry] = {}
        self._attacks: dict[int, AttackEntry] = {}
        self._over = _Over()
        self._ended: list[Entry] = []
        self._changed, self._write_due, self._said = True, float("-inf"), ""
        self._failed = False
        """The last write was in vain."""
        self._memory = Memory(paths, layer)
        self._keep_due = now + KEEP_SECONDS
        self._recall(now, wall)
        self._sign_due = now + SIGN_SECONDS
        self._resume(before, now, wall)

    @property
    def standing(self) -> int:
        return len(self._entries)

    @property
    def orders(self) -> Orders:
        """What people have ordered, as it is followed."""
        return self._followed

    def entries(self, now: float, wall: datetime) -> tuple[Entry, ...]:
        """What stands, with what it has met up to now."""
        self._refresh(now, wall)
        return tuple(self._entries.values())

    def take_ended(self) -> tuple[Entry, ...]:
        """What has ended since the last call, as history keeps it."""
        ended, self._ended = tuple(map(for_history, self._ended)), []
        return ended

    # --- a tick

    def step(self, observation: Observation, now: float, wall: datetime) -> Decided:
        """Follow what people say, judge what was seen."""
        told = self._ordered(now) + self.defence.handle(observation, now)
        return self._taken(told, now, wall)

    def say(self, event: Event, now: float, wall: datetime) -> Decided:
        """The same for one event alone."""
        return self._taken(self.defence.handle(event, now), now, wall)

    def write(self, now: float, wall: datetime) -> None:
        """Write down what is new; a disk that does not take it is said once."""
        if now >= self._keep_due:
            self.keep(now, wall)
        wanted = self._changed or (self._entries and now >= self._write_due) or now >= self._sign_due
        if not wanted:
            return
        if self._failed and now < self._write_due:
            return
        self._write_due, self._sign_due = now + WRITE_SECONDS, now + SIGN_SECONDS
        self._refresh(now, wall)
        self._failed = True
        try:
            self._journal.over(self._over.entries, self._over.attacks, wall)
            self._over = _Over()
            self._journal.write(self.account(wall))
            self._changed = self._failed = False
        except OSError as error:
            for kept in (self._over.entries, self._over.attacks):
                del kept[: -self._section.history_entries]
            self._fault(f"the journal cannot be written: {error.strerror}")

    def keep(self, now: float, wall: datetime) -> None:
        """Write down what was learnt; the last thing of each process, and now and then."""
        self._keep_due = now + KEEP_SECONDS
        try:
            if self._section.learnt_days:
                self._memory.write(self.defence.kept(self.layer, now, wall.timestamp()))
        except OSError as error:
            self._fault(f"what was learnt cannot be written: {error.strerror}")

    def end(self, why: str, now: float, wall: datetime) -> None:
        """The last words of an orderly stop: nothing stands any more."""
        self.keep(now, wall)
        self._refresh(now, wall)
        self._close(tuple(self._entries.values()), tuple(self._attacks.values()), why, wall)
        self._entries, self._attacks, self._changed = {}, {}, True
        self.write(now, wall)

    def account(self, wall: datetime) -> Account:
        """What stands, as of the last step."""
        return Account(
            layer=self.layer,
            at=wall,
            next=self.defence.mitigations.upcoming,
            orders=self._followed.number,
            mode=Mode(self._section.mode),
            modes=self._followed.modes,
            standing=tuple(self._entries.values()),
            attacks=tuple(self._attacks.values()),
        )

    # --- what people say

    def _ordered(self, now: float) -> list[Instruction]:
        try:
            if not self._file.changed():
                return []
        except RempartError as error:
            self._fault(str(error))
            return []
        before, self._followed = self._followed, self._file.orders
        self._changed = True
        told: list[Instruction] = []
        for event in self._events(before, self._followed):
            told += self.defence.handle(event, now)
        self._log.info("orders followed", number=self._followed.number)
        return told

    def _events(self, before: Orders, wanted: Orders) -> Iterable[Event]:
        old, new = (self._mine(one.revocations) for one in (before, wanted))
        for one in old.values():
            if one.id not in new:
                yield Permit(self._naming.key(one.subject), one.signature)
        standing = {entry.id: number for number, entry in self._entries.items()}
        for one in new.values():
            if one.id in old:
                continue
            if one.id in standing:
                # Its signature may be stronger or narrower by now than it was when it was read.
                yield Revoke(standing[one.id])
            yield Forbid(self._naming.key(one.subject), one.signature)
        for subject in sorted({*before.modes, *wanted.modes}):
            usual = Mode(self._section.mode)
            mode = wanted.modes.get(subject, usual)
            if mode is not before.modes.get(subject, usual):
                yield ModeChange(self._naming.key(subject), mode)

    def _mine(self, revocations: Iterable[Revocation]) -> dict[str, Revocation]:
        return {one.id: one for one in revocations if one.layer is self.layer}

    # --- what the loop says

    def _taken(self, told: Iterable[Instruction], now: float, wall: datetime) -> Decided:
        rules, every = None, None
        for one in told:
            match one:
                case EnforceRules():
                    rules = one
                case SampleRate(layer=layer, every=wanted):
                    every = wanted if layer is self.layer else every
                case RecordMitigation(mitigation=mitigation):
                    self._recorded(mitigation, now, wall)
                case Withdraw(mitigation=mitigation, why=why):
                    self._withdrawn(mitigation, why, now, wall)
                case RecordAttack(attack=attack):
                    self._attacked(attack, now, wall)
        return Decided(rules, every)

    def _recorded(self, mitigation: Mitigation, now: float, wall: datetime) -> None:
        entry = self._entry(mitigation, now, wall)
        known = self._entries.get(mitigation.id)
        self._entries[mitigation.id] = entry
        self._changed = True
        self._log.warning(
            "mitigation" if known is None else "mitigation changed",
            id=entry.id,
            state=str(entry.state),
            action=str(entry.action),
            subject=entry.subject,
            cause=entry.cause,
        )

    def _withdrawn(self, mitigation: Mitigation, why: str, now: float, wall: datetime) -> None:
        self._entries.pop(mitigation.id, None)
        entry = self._entry(mitigation, now, wall).model_copy(update={"ended": wall, "why": why})
        self._over.entries.append(entry)
        self._ended = [*self._ended[-_ENDED_MOST:], entry]
        self._changed = True
        self._log.info("mitigation ended", id=entry.id, state=str(entry.state), why=why, hits=entry.hits)

    def _attacked(self, attack: Attack, now: float, wall: datetime) -> None:
        entry = self._attack(attack, now, wall)
        if attack.end is None:
            if attack.key not in self._attacks:
                self._log.warning("attack", subject=entry.subject, kind=entry.kind)
            self._attacks[attack.key] = entry
        else:
            self._attacks.pop(attack.key, None)
            self._over.attacks.append(entry)
            self._log.info("attack is over", subject=entry.subject, kind=entry.kind, peak=round(entry.peak))
        self._changed = True

    def _entry(self, one: Mitigation, now: float, wall: datetime) -> Entry:
        standing = self.defence.mitigations.standing.get(one.id)
        before = self._entries.get(one.id)
        service = standing.service if standing is not None else before.service if before is not None else 0
        words = self._naming.words(one.signature)
        return Entry(
            id=identity(self.layer, one.id),
            layer=self.layer,
            subject=self._naming.subject(one.key),
            # The loop's own words for the signature are numbers.
            cause=f"{one.cause.partition('; ')[0]}; {words}"[:200],
            signature=one.signature,
            words=words,
            action=one.action,
            per_second=one.per_second,
            evidence=one.evidence,
            hits=one.hits,
            since=_at(one.since, now, wall),
            expires=_at(one.expires, now, wall),
            state=one.state,
            service=service,
        )

    def _attack(self, one: Attack, now: float, wall: datetime) -> AttackEntry:
        subject = self._naming.subject(one.key)
        before = self._attacks.get(one.key)
        mine = [entry.id for entry in self._entries.values() if entry.subject == subject]
        ids = tuple(dict.fromkeys([*(before.mitigations if before is not None else ()), *mine]))
        return AttackEntry(
            layer=self.layer,
            subject=subject,
            kind=one.kind,
            begin=_at(one.begin, now, wall),
            end=_at(one.end, now, wall) if one.end is not None else None,
            peak=one.peak,
            usual=one.usual,
            signatures=tuple(self._naming.words(signature) for signature in one.signatures),
            mitigations=ids,
        )

    def _refresh(self, now: float, wall: datetime) -> None:
        for number, standing in self.defence.mitigations.standing.items():
            if (entry := self._entries.get(number)) is not None:
                hits, expires = standing.mitigation.hits, _at(standing.mitigation.expires, now, wall)
                self._entries[number] = entry.model_copy(update={"hits": hits, "expires": expires})
        for attack in self.defence.attacks:
            if attack.key in self._attacks:
                self._attacks[attack.key] = self._attack(attack, now, wall)

    def _recall(self, now: float, wall: datetime) -> None:
        """What a process before this one has learnt, as old as it is by now."""
        try:
            octets = self._memory.read()
            if octets is None:
                return
            if not self._section.learnt_days:
                self._memory.forget()
                return
            most = self._section.learnt_days * 86_400.0
            found = self.defence.recall(octets, self.layer, now, wall.timestamp(), most)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self._log.warning(
                "what was learnt cannot be used; beginning cold", file=str(self._memory.path), reason=reason
            )
            return
        self._log.info(
            "goes on with what was learnt",
            age_s=round(found.age_s),
            profiles=found.profiles,
            records=found.records,
        )

    def _resume(self, before: Account, now: float, wall: datetime) -> None:
        """What stood goes on: a process that dies must not let an attack in."""
        gone = []
        # What the configuration says now; what orders say of single sites follows with the first step.
        usual = State.OBSERVED if Mode(self._section.mode) is Mode.OBSERVE else State.ENFORCED
        for known in before.standing:
            one = known.model_copy(update={"state": usual})
            if one.expires <= wall:
                gone.append(one)
                continue
            self._entries[one.number] = one
            self.defence.resume(_mitigation(one, self._naming, now, wall), one.service, now)
        subjects = {one.subject for one in self._entries.values()}
        for attack in before.attacks:
            if attack.subject in subjects:
                self._attacks[self._naming.key(attack.subject)] = attack
        self._close(gone, [one for one in before.attacks if one.subject not in subjects], RESTARTED, wall)
        if self._entries:
            self._log.warning("goes on with", ids=[one.id for one in self._entries.values()])

    def _close(
        self, entries: Iterable[Entry], attacks: Iterable[AttackEntry], why: str, wall: datetime
    ) -> None:
        for one in entries:
            update = {"state": State.WITHDRAWN, "ended": wall, "why": why}
            self._over.entries.append(closed := one.model_copy(update=update))
            self._ended = [*self._ended[-_ENDED_MOST:], closed]
        self._over.attacks += [one.model_copy(update={"end": wall}) for one in attacks]

    def _fault(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self._log.error("defence", reason=words)


def _mitigation(one: Entry, naming: Naming, now: float, wall: datetime) -> Mitigation:
    return Mitigation(
        id=one.number,
        key=naming.key(one.subject),
        cause=one.cause,
        signature=one.signature,
        action=one.action,
        per_second=one.per_second,
        evidence=one.evidence,
        hits=one.hits,
        since=now + (one.since - wall).total_seconds(),
        expires=now + (one.expires - wall).total_seconds(),
        state=one.state,
    )


def _at(moment: float, now: float, wall: datetime) -> datetime:
    return wall + timedelta(seconds=moment - now)
