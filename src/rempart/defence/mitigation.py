"""What became of each answer: does it hit, does it help, is it still needed, may it stand. Pure.

Every mitigation expires: after a quiet time that doubles whenever the same attack comes back (a pulse of five
seconds never outlasts thirty), at the latest after an hour, when it must be found anew. One without effect is
withdrawn and its signature not tried again for a while; a revoked one never, nor one that means much the
same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rempart.defence.policy import Policy
from rempart.model.attacks import Action, Layer, Mitigation, Signature, State, Trial

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class Standing:
    """A mitigation that stands, and what is followed of it."""

    mitigation: Mitigation
    service: int
    """The key that its alarm has: the site, or the service of packets."""
    expected: float
    """Hits/s that it should have."""
    quiet: float
    share: float = 1.0
    """Of what came when it began, the part that its clients were."""
    peak: float = 0.0
    rate: float = 0.0
    last_hit: float = 0.0
    retried: float = 0.0
    followed: float = 0.0
    """Since when this loop follows it."""
    resumed: bool = False
    """Begun by a loop before a restart, which had the evidence that this one must gather anew."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It stands no more."""

    mitigation: Mitigation
    why: str


class Mitigations:
    """All that stand, and what is remembered of those that do not."""

    def __init__(self, policy: Policy, first: int = 1) -> None:
        self._policy = policy
        self.standing: dict[int, Standing] = {}
        self._next = first
        self._failed: OrderedDict[Signature, float] = OrderedDict()
        self._quiet: OrderedDict[Signature, tuple[float, float]] = OrderedDict()
        """Signature → its next quiet time, and when it ended."""
        self._revoked: OrderedDict[tuple[int, Signature], None] = OrderedDict()

    def identity(self) -> int:
        number, self._next = self._next, self._next % (2**31 - 1) + 1
        return number

    @property
    def upcoming(self) -> int:
        """The number that the next one gets."""
        return self._next

    def begin(
        self, mitigation: Mitigation, service: int, expected: float, share: float, now: float
    ) -> Standing:
        quiet = self._quiet_time(mitigation.signature, now)
        standing = Standing(
            mitigation.model_copy(update={"expires": now + min(quiet, self._policy.life_seconds)}),
            service,
            expected,
            quiet,
            share,
            last_hit=now,
            retried=now,
            followed=now,
        )
        self.standing[mitigation.id] = standing
        return standing

    def resume(self, mitigation: Mitigation, service: int, now: float) -> None:
        """Go on with one that a loop before this one has begun; it keeps its number and its time."""
        quiet, seen = self._policy.quiet_seconds, mitigation.evidence
        self.standing[mitigation.id] = Standing(
            mitigation,
            service,
            seen.covered * max(0.0, seen.rate - seen.usual),
            quiet,
            last_hit=mitigation.expires - quiet,
            retried=now,
            followed=now,
            resumed=True,
        )

    def of(self, layer: Layer, service: int) -> list[Standing]:
        return [
            one
            for one in self.standing.values()
            if one.service == service and one.mitigation.signature.layer is layer
        ]

    def follow(
        self, hits: Mapping[int, int], wrong: Collection[tuple[Layer, int]], seconds: float, now: float
    ) -> list[Ended]:
        """One tick: count, extend, end. ``wrong`` are the services that too much still gets through to."""
        ended = []
        for one in list(self.standing.values()):
            before = one.mitigation
            count = max(before.hits, hits.get(before.id, before.hits))
            rate = (count - before.hits) / seconds
            one.rate += (rate - one.rate) * 0.3
            one.peak = max(one.peak * (1 - 0.001 * seconds), one.rate)
            if rate > 0 and rate >= self._policy.effect_share * one.peak:
                one.last_hit = now
            still = (before.signature.layer, one.service) in wrong
            if still and before.action in (Action.QUEUE, Action.CHALLENGE):
                one.last_hit = now  # what refuses nobody is needed as long as too much comes
            most = before.since + self._policy.life_seconds
            expires = min(one.last_hit + one.quiet, most)
            if count != before.hits or expires != before.expires:
                one.mitigation = before.model_copy(update={"hits": count, "expires": expires})
            if now >= expires:
                ended.append(self.end(before.id, State.EXPIRED, "it is over", now))
            elif (
                before.state is State.ENFORCED
                and still
                and before.action in (Action.DROP, Action.LIMIT)
                and now - one.followed >= self._policy.effect_after
                and one.peak < self._policy.effect_share * one.expected
            ):
                self._fail(before.signature, now)
                ended.append(self.end(before.id, State.WITHDRAWN, "it had no effect", now))
        return ended

    def end(self, identity: int, state: State, why: str, now: float) -> Ended:
        one = self.standing.pop(identity)
        signature = one.mitigation.signature
        if state is State.EXPIRED:
            self._remember(self._quiet, signature, (min(one.quiet * 2, self._policy.quiet_most), now))
        if state is State.REVOKED:
            self._remember(self._revoked, (one.mitigation.key, signature), None)
        return Ended(one.mitigation.model_copy(update={"state": state}), why)

    def fail(self, identity: int, why: str, now: float) -> Ended:
        """Withdraw it, and leave its signature alone for a while."""
        self._fail(self.standing[identity].mitigation.signature, now)
        return self.end(identity, State.WITHDRAWN, why, now)

    def change(self, identity: int, action: Action, trial: Trial, per_second: float | None) -> None:
        """The same signature, stronger or weaker."""
        one = self.standing[identity]
        evidence = one.mitigation.evidence.model_copy(update={"trial": trial})
        one.mitigation = one.mitigation.model_copy(
            update={"action": action, "evidence": evidence, "per_second": per_second}
        )

    def failed(self, signature: Signature, now: float) -> bool:
        return now < self._failed.get(signature, now)

    def revoked(self, key: int) -> list[Signature]:
        return [signature for owner, signature in self._revoked if owner == key]

    def forbid(self, key: int, signature: Signature) -> None:
        self._remember(self._revoked, (key, signature), None)

    def permit(self, key: int, signature: Signature) -> None:
        self._revoked.pop((key, signature), None)

    def remembered(self) -> int:
        """Entries kept about what no longer stands."""
        return len(self._failed) + len(self._quiet) + len(self._revoked)

    def _quiet_time(self, signature: Signature, now: float) -> float:
        quiet, since = self._quiet.get(signature, (self._policy.quiet_seconds, now))
        # Long ago is another attack.
        return quiet if now - since < self._policy.life_seconds else self._policy.quiet_seconds

    def _fail(self, signature: Signature, now: float) -> None:
        self._remember(self._failed, signature, now + self._policy.failed_for)

    def _remember(self, memory: OrderedDict[K, V], key: K, value: V) -> None:
        memory[key] = value
        memory.move_to_end(key)
        while len(memory) > self._policy.remembered:
            memory.popitem(last=False)
