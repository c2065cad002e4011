"""The defence loop over packets, in the packet shield's part: fed from counters and samples, carried out
as rules.

Where it stands: ``service.py`` calls ``tick`` ten times a second with what the ring had. While little
comes and nothing stands, what comes is put together and judged twice a second; a tick that brings more is
judged at once, after what was put together before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import structlog

from rempart.defence.classes import PacketClass, class_of
from rempart.defence.instructions import EnforceRules
from rempart.defence.policy import Policy
from rempart.engines.shield.layout import REASONS, Reason, Verdict
from rempart.engines.shield.ring import Samples
from rempart.model.attacks import NODE, PACKET, Action, Layer, Measure, Observation, Records, Saturation
from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError
from rempart.model.shield import RULES_MAX
from rempart.node.defending.deciding import Decided, Deciding, Naming
from rempart.node.defending.entries import NODE_SUBJECT
from rempart.node.defending.packet_words import packet_words
from rempart.node.shield.kernel import Kernel
from rempart.node.shield.rule_files import kept_rules
from rempart.node.shield.sampled import NOT_JUDGED
from rempart.node.shield.saturation import Gauge

QUIET_SECONDS = 0.5
"""While nothing is the matter, judged so often."""
QUIET_PACKETS = 1_000
"""A second, of what is judged: half of the least that could be news."""
STOPPED = "stopped with rempart up"
NAMING = Naming(key=lambda _: NODE, subject=lambda _: NODE_SUBJECT, words=packet_words)
_ANSWERS = {
    PacketClass.DNS: (Reason.TX_DNS_TRUNCATED, Reason.DROP_DNS_LIMIT),
    PacketClass.SYN: (Reason.TX_SYN_COOKIE, Reason.DROP_SYN_OPTIONS),
    PacketClass.TCP: (Reason.DROP_ACK,),
}
"""What a measure does to packets of each class: its hits."""


def _reasons(*verdicts: Verdict) -> np.ndarray:
    chosen = [one for one in Reason if one not in NOT_JUDGED and one.verdict in verdicts]
    flags = np.zeros(REASONS, bool)
    flags[[int(one) for one in chosen]] = True
    return flags


_THROUGH, _PASSED = _reasons(Verdict.PASS, Verdict.TX), _reasons(Verdict.PASS)


class PacketLoop:
    """One for a loaded shield."""

    def __init__(self, configuration: Configuration, kernel: Kernel, now: float, wall: float) -> None:
        """Goes on with what stood when a process before this one ended, and clears what nobody answers for.

        Raises OSError when the journal cannot be used, and as ``Kernel.enforce`` does.
        """
        section = configuration.defence
        self._kernel = kernel
        self._log = structlog.get_logger("defence")
        room = max(1, RULES_MAX - len(_operator(configuration)))
        policy = Policy(bound=section.bound)
        policy = policy.model_copy(update={"packet_rules": min(policy.packet_rules, room)})
        self._policy = policy
        self._deciding = Deciding(
            configuration.paths, section, Layer.PACKET, NAMING, now, _at(wall), policy=policy
        )
        self.gauge = Gauge()
        self._measures = Measure(0)
        self._every: int | None = 1
        self._due: EnforceRules | None = None
        """What could not be carried out yet."""
        self._before: tuple[float, np.ndarray] | None = None
        self._cookies = False
        self._answered: dict[int, int] = {}
        """Mitigation that is a measure → what its class' answers were when it was first seen."""
        self._waiting: list[Records] = []
        self._waited = (0.0, 0, 0)
        """Seconds, passed and offered packets that are put together."""
        if not self._deciding.standing and kernel.derived():
            kernel.enforce(())

    def tick(self, found: Samples | None, now: float, wall: float) -> None:
        """What came since the last tick: counted here, ``found`` of it sampled. Raises as ``Kernel`` does."""
        totals, before = self._kernel.totals(), self._before
        self._before = (now, totals)
        if before is None:
            self._kernel.follow(self._measures, self._every)
            return
        came = totals[:, 0] - before[1][:, 0]
        # Samples of what is dropped or answered have a rate of their own, so what passes decides about the
        # other.
        passed, offered = int(came[_THROUGH].sum()), int(came[_PASSED].sum())
        records = self._records(found)
        seen = self.gauge.read(int(totals[:, 1].sum()), now)
        seconds, waited = now - before[0], self._waited
        if self._is_quiet(passed / max(seconds, 1e-3), seen):
            self._waiting.append(records)
            self._waited = (waited[0] + seconds, waited[1] + passed, waited[2] + offered)
            if self._waited[0] >= QUIET_SECONDS:
                self._judge_waiting(now, wall, seen, totals)
        else:
            if waited[0]:
                self._judge_waiting(before[0], wall - seconds, seen, before[1])
            self._judge(records, (seconds, passed, offered), now, wall, seen, totals)
        self._deciding.write(now, _at(wall))

    def end(self, now: float, wall: float) -> None:
        """An orderly stop: nothing stands from here on."""
        self._deciding.end(STOPPED, now, _at(wall))

    def clear(self) -> None:
        """Take everything of the loop out of the program. Raises as ``Kernel`` does."""
        self._kernel.enforce(())
        self._kernel.follow(Measure(0), None)

    def hand_over(self, now: float, wall: float) -> None:
        """What stands goes on, and the next process with it."""
        self._deciding.keep(now, _at(wall))
        self._deciding.write(now, _at(wall))

    # --- seeing

    def _records(self, found: Samples | None) -> Records:
        if found is None or not len(found):
            return np.zeros(0, PACKET)
        cookies = self._kernel.cookies_are_made()
        before, self._cookies = self._cookies, cookies
        return self._kernel.records(found, cookies=cookies and before, most=self._policy.tick_records)

    def _is_quiet(self, rate: float, seen: Saturation) -> bool:
        defence = self._deciding.defence
        return (
            rate < QUIET_PACKETS
            and not self._deciding.standing
            and not defence.packets.alarms.on.any()
            and max(seen.link, seen.cpu) <= self._policy.saturation_harm
        )

    def _hits(self, totals: np.ndarray) -> dict[int, int]:
        standing = self._deciding.defence.mitigations.standing
        if not standing:
            self._answered.clear()
            return {}
        hits = dict(self._kernel.hits())
        for number, one in standing.items():
            if one.mitigation.action is Action.CHALLENGE:
                answers = _ANSWERS.get(class_of(one.service), ())
                count = int(sum(totals[reason, 0] for reason in answers))
                # What an earlier process has counted is in the mitigation.
                first = self._answered.setdefault(number, count - one.mitigation.hits)
                hits[number] = count - first
        return hits

    # --- judging

    def _judge_waiting(self, now: float, wall: float, seen: Saturation, totals: np.ndarray) -> None:
        records = np.concatenate(self._waiting) if self._waiting else np.zeros(0, PACKET)
        came, self._waiting, self._waited = self._waited, [], (0.0, 0, 0)
        self._judge(records, came, now, wall, seen, totals)

    def _judge(
        self,
        records: Records,
        came: tuple[float, int, int],
        now: float,
        wall: float,
        seen: Saturation,
        totals: np.ndarray,
    ) -> None:
        seconds, passed, offered = came
        observation = Observation(
            seconds=seconds,
            wall=wall,
            packets=records,
            passed=passed,
            offered_packets=offered,
            hits=self._hits(totals),
            saturation=seen,
        )
        self._carry_out(self._deciding.step(observation, now, _at(wall)))

    def _carry_out(self, decided: Decided) -> None:
        self._due = wanted = decided.rules or self._due
        every = decided.every or self._every
        if wanted is not None:
            self._kernel.enforce(wanted.rules)
            self._due = None
        measures = wanted.measures if wanted is not None else self._measures
        if (measures, every) != (self._measures, self._every):
            self._kernel.follow(measures, every)
            self._measures, self._every = measures, every


def _operator(configuration: Configuration) -> Sequence[object]:
    try:
        return kept_rules(configuration.paths)
    except RempartError:
        return ()


def _at(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
