"""What a flood costs over a wire, beside nftables: the second half of ``rempart bench shield``.

**What is counted.** Processor time a packet, in nanoseconds, of everything that a packet makes a machine
do, wherever the kernel does it. Sender and filter share one core (``shield_ground``, one core), so all of
it is on the account of the sender's thread: its own work, the veth, softirq with NAPI, filter and whatever
the kernel does with what the filter lets through. The time of ``ksoftirqd`` and of the filter's control
group (its servers) is added. Other processes of the machine are not in it: each thread has its own clock
(``clock_getcpuclockid(3)``).

**What is subtracted.** One thing: what the sender needs to make its frames, measured in the same round by
the same program with the same frames, which at the end lets each go instead of handing it to the interface
("sender alone"). The handing over itself, the veth's queue and NAPI's poll stay in: they stand for a
network card's driver, and are the same for all. Their sum can be read off the sink, whose two instructions
drop everything as soon as it is there.

    figure = (sender's thread + ksoftirqd + filter's group) ÷ frames − sender alone

The figure before subtracting ("raw") and the whole machine's time after ``/proc/stat`` (others' work
included) are rows of their own.

**How frames enter.** As a network card's driver would hand them over: pages of the kernel's, redirected
from an XDP program (``live_frames``); the shield gets them as they are, nftables gets packets (skb) that
the veth builds of them, as drivers do. As a check, the first flood is also sent by a socket (AF_PACKET):
then a packet exists already and costs nftables nothing, while native XDP has to have it copied. That
favours nftables as no network card does.

**Nothing is taken for granted.** What a filter has dropped is what arrived and was not delivered, by the
kernel's own count (InDelivers), what it has answered is what came back; for the shield, its own counter of
the reason must have counted as many. A run in which more than ``THROUGH`` of the flood ended otherwise,
beyond what each source is allowed, has no figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rempart.engines.shield.libbpf import Mode
from rempart.engines.shield.loader import Shield
from rempart.lab.bench.report import Row
from rempart.lab.bench.shield_contenders import (
    GENERIC,
    KERNEL,
    REASONS,
    SHIELD,
    SINK,
    Contender,
    Kernel,
    Nftables,
    Shielded,
    Sink,
)
from rempart.lab.bench.shield_decisions import Decision, flood
from rempart.lab.bench.shield_figures import ALONE, Aside, Samples, apart_rows
from rempart.lab.bench.shield_ground import Ground, Run
from rempart.lab.bench.shield_nftables import Hook
from rempart.lab.bench.shield_prefixes import Prefixes
from rempart.lab.bench.shield_program import packets
from rempart.lab.bench.shield_sender import Way
from rempart.lab.network.world import Role

THROUGH = 0.01
"""Share of a flood that may end otherwise, beyond what each source is allowed."""

Progress = Callable[[str], None]


def ended(run: Run, decision: Decision) -> int:
    """Packets that ended as decided: answered, or neither delivered nor answered."""
    return run.answered if decision.answers else run.arrived - run.delivered


def strayed(run: Run, decision: Decision, done: int) -> int:
    """Packets that ended otherwise than decided, though nobody is allowed that."""
    return max(0, run.sent.offered - done - decision.allowed)


def cost(run: Run, alone_ns: float) -> float:
    """Nanoseconds a packet of everything but the sender's own work on it."""
    return run.account_ns / run.sent.measured - alone_ns


class Wire:
    """Contenders on a ground, and the floods that they meet."""

    def __init__(self, ground: Ground, shield: Shield, blocked: Prefixes, progress: Progress) -> None:
        self._ground, self._shield, self._progress = ground, shield, progress
        texts = blocked.texts()
        self.contenders: list[Contender] = [Kernel(), Sink(ground)]
        for hook in Hook:
            progress(f"nftables takes {len(texts):,} prefixes ({hook})")
            self.contenders.append(Nftables(ground, hook, texts))
        self.contenders += [Shielded(ground, shield, mode) for mode in (Mode.NATIVE, Mode.GENERIC)]
        self._floods = {
            one: ground.keep(flood(one, blocked, ground.hardware, 1), one.name) for one in Decision
        }

    def costs(
        self, decision: Decision, rounds: int, seconds: float, way: Way = Way.LIVE
    ) -> dict[str, Samples]:
        """Runs of all contenders on one core, ``rounds`` times in turn."""
        frames = self._floods[decision]
        found = {one.name: Samples() for one in self.contenders}
        alone = found.setdefault(ALONE, Samples())
        self._ground.on_own_core(False)
        # What comes back to the sender is its own business, and ends there at once.
        with self._ground.listening(), self._ground.dropping(Role.BOTS):
            for number in range(rounds):
                self._progress(f"round {number + 1}/{rounds}: {decision}, {way}: sender alone")
                itself = self._ground.flood(frames, seconds, Way.NOWHERE)
                alone_ns = itself.sent.cpu_ns / itself.sent.measured
                if way is Way.SOCKET:
                    # A socket's own work cannot be told from the wire's: nothing is taken off.
                    alone_ns = 0.0
                alone.raw.append(alone_ns)
                turn = number % len(self.contenders)
                for contender in (*self.contenders[turn:], *self.contenders[:turn]):
                    samples = found[contender.name]
                    if (why := contender.lacks(decision)) is not None:
                        samples.reason = why
                        continue
                    self._progress(f"round {number + 1}/{rounds}: {decision}, {way}: {contender.name}")
                    self._once(contender, decision, frames, seconds, way, alone_ns, samples)
        return found

    def _once(
        self, contender: Contender, decision: Decision, frames: Path, seconds: float, way: Way,
        alone_ns: float, samples: Samples,
    ) -> None:  # fmt: skip
        with contender.standing(decision):
            before = packets(self._shield)[REASONS[decision]]
            run = self._ground.flood(frames, seconds, way)
            judged = packets(self._shield)[REASONS[decision]] - before
        done = ended(run, decision)
        if contender.name in (SHIELD, GENERIC):
            # By its own count, not only by what did not get through.
            done = min(done, judged)
        offered = run.sent.offered
        samples.raw.append(run.account_ns / run.sent.measured)
        samples.machine.append(run.machine_ns / offered)
        samples.rate.append(run.per_second)
        samples.absorbed.append(done / offered)
        decides = contender.name != KERNEL and not (contender.name == SINK and decision.answers)
        astray = strayed(run, decision, done)
        if decides and astray > THROUGH * run.sent.offered:
            samples.reason = f"{astray:,} of {run.sent.offered:,} packets were not {decision.ended}"
        else:
            samples.net.append(cost(run, alone_ns))

    def asides(self, seconds: float) -> list[Aside]:
        """Each contender once, with a bystander, while the blocked flood comes as fast as it goes."""
        found = []
        self._ground.on_own_core(False)
        for contender in self.contenders:
            if contender.name == SINK or contender.lacks(Decision.BLOCKED) is not None:
                continue
            self._progress(f"a bystander beside the flood: {contender.name}")
            with contender.standing(Decision.BLOCKED), self._ground.bystander(seconds) as stood:
                run = self._ground.flood(self._floods[Decision.BLOCKED], seconds, Way.LIVE)
            found.append(Aside(contender.name, stood(), run))
        return found

    def apart(self, rounds: int, seconds: float) -> list[Row]:
        """The blocked flood against filters on a core of their own: what they keep up with."""
        self._ground.on_own_core(True)
        rates: dict[str, list[float]] = {}
        spent: dict[str, list[float]] = {}
        lost: dict[str, list[float]] = {}
        with self._ground.dropping(Role.BOTS):
            for number in range(rounds):
                for contender in self.contenders:
                    if contender.lacks(Decision.BLOCKED) is not None:
                        continue
                    self._progress(f"round {number + 1}/{rounds}: two cores: {contender.name}")
                    with contender.standing(Decision.BLOCKED):
                        run = self._ground.flood(self._floods[Decision.BLOCKED], seconds, Way.LIVE)
                    rate = run.per_second * run.arrived / run.sent.offered
                    rates.setdefault(contender.name, []).append(rate)
                    lost.setdefault(contender.name, []).append(1 - run.sent.taken / run.sent.offered)
                    if run.arrived:
                        spent.setdefault(contender.name, []).append(run.edge_ns / run.arrived)
        self._ground.on_own_core(False)
        return apart_rows(rates, lost, spent)
