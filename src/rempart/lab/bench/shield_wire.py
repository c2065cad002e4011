"""What a flood costs over a wire, beside nftables: the second half of ``rempart bench shield``.

**What is counted.** Processor time a packet, in nanoseconds, of everything that a packet makes a machine
do, wherever the kernel does it. Sender and filter share one core (``shield_ground``, one core), so all of
it is on the account of the sender's thread: its own work, the veth, softirq with NAPI, filter and whatever
the kernel does with what the filter lets through. The time of ``ksoftirqd`` and of the filter's control
group (its servers) is added. Other processes of the machine are not in it: each thread has its own clock
(``clock_getcpuclockid(3)``).

**What is subtracted.** The cost of the same frames into a sink, measured in the same round: two instructions
at the filter's interface, which drop everything as soon as it is there. So neither making and sending frames
nor the veth's queue and NAPI's poll count, as far as they are the same for all; what a filter needs in
addition does, for nftables also the packet (skb) that is built for it.

    CPU                 (sender's thread + ksoftirqd + filter's group) ÷ frames − the same into the sink
    CPU with the wire   the same − what the sender alone needs to make a frame
    CPU, raw            nothing subtracted

"Sender alone" is the same program with the same frames, which in the end lets each go instead of handing it
to the interface. What is left then holds the handing over, the veth and NAPI, in the place of a network
card's driver: figures as of a whole machine, in which all filters are closer to each other. (A dummy
interface would be another sink; not every kernel has one, and a program cannot redirect to it.) The whole
machine's time after ``/proc/stat``, others' work included, is given too.

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

import sys
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
from rempart.model.errors import RempartError

THROUGH = 0.01
"""Share of a flood that may end otherwise, beyond what each source is allowed."""

Progress = Callable[[str], None]


def ended(run: Run, decision: Decision) -> int:
    """Packets that ended as decided: answered, or neither delivered nor answered."""
    return run.answered if decision.answers else run.arrived - run.delivered


def strayed(run: Run, decision: Decision, done: int) -> int:
    """Packets that ended otherwise than decided, though nobody is allowed that."""
    return max(0, run.sent.offered - done - decision.allowed)


class Wire:
    """Contenders on a ground, and the floods that they meet."""

    def __init__(self, ground: Ground, shield: Shield, blocked: Prefixes, progress: Progress) -> None:
        self._ground, self._shield, self._progress = ground, shield, progress
        texts = blocked.texts()
        self._sink = Sink(ground)
        self.contenders: list[Contender] = [Kernel()]
        for hook in Hook:
            progress(f"nftables takes {len(texts):,} prefixes ({hook})")
            self.contenders.append(Nftables(ground, hook, texts))
        self.contenders += [Shielded(ground, shield, mode) for mode in (Mode.NATIVE, Mode.GENERIC)]
        self._floods = {
            one: ground.keep(flood(one, blocked, ground.hardware, 1), one.name) for one in Decision
        }

    def loading_rows(self, count: int) -> list[Row]:
        """What nftables took to load the block list, its text read included."""
        return [
            Row(
                name=f"{count:,} prefixes of IPv4 into a set: {one.name}",
                value=one.loading_s,
                unit="s",
                note=one.lacks(Decision.BLOCKED) or "",
            )
            for one in self.contenders
            if isinstance(one, Nftables)
        ]

    def costs(
        self, decision: Decision, rounds: int, seconds: float, way: Way = Way.LIVE
    ) -> dict[str, Samples]:
        """Runs of all contenders on one core, ``rounds`` times in turn."""
        frames = self._floods[decision]
        found = {one.name: Samples() for one in (self._sink, *self.contenders)} | {ALONE: Samples()}
        self._ground.on_own_core(False)
        # What comes back to the sender is its own business, and ends there at once.
        with self._ground.listening(), self._ground.dropping(Role.BOTS):
            for number in range(rounds):
                about = f"round {number + 1}/{rounds}: {decision}, {way}"
                self._progress(f"{about}: {ALONE}")
                alone_ns = self._alone(frames, seconds, way, found[ALONE])
                turn = number % len(self.contenders)
                for contender in (self._sink, *self.contenders[turn:], *self.contenders[:turn]):
                    samples = found[contender.name]
                    if why := samples.reason or contender.lacks(decision):
                        self._leave_out(contender, decision, samples, why)
                        continue
                    self._progress(f"{about}: {contender.name}")
                    try:
                        net = self._once(contender, decision, frames, seconds, way, samples) - alone_ns
                    except RempartError as error:
                        self._leave_out(contender, decision, samples, error.message)
                        continue
                    if contender is self._sink:
                        sink_ns = net
                    samples.net.append(net)
                    samples.beyond.append(net - sink_ns)
        return found

    def _leave_out(self, contender: Contender, decision: Decision, samples: Samples, why: str) -> None:
        """Say once why a contender has no figures; what it had is not worth more than what it lacks."""
        if contender is self._sink:
            raise RempartError(f"not even the sink can be measured: {why}")
        if not samples.reason:
            sys.stderr.write(f"{decision}: {contender.name} is left out: {why}\n")
        samples.reason = why
        samples.net.clear()
        samples.beyond.clear()

    def _alone(self, frames: Path, seconds: float, way: Way, samples: Samples) -> float:
        """What making a frame costs. A socket's work cannot be told from the wire's: nothing is taken off."""
        if way is Way.SOCKET:
            return 0.0
        sent = self._ground.flood(frames, seconds, Way.NOWHERE).sent
        samples.raw.append(sent.cpu_ns / sent.measured)
        return samples.raw[-1]

    def _once(
        self, contender: Contender, decision: Decision, frames: Path, seconds: float, way: Way,
        samples: Samples,
    ) -> float:  # fmt: skip
        """One run; nanoseconds a packet of all that was done."""
        with contender.standing(decision):
            before = packets(self._shield)[REASONS[decision]]
            run = self._ground.flood(frames, seconds, way)
            judged = packets(self._shield)[REASONS[decision]] - before
        done, offered = ended(run, decision), run.sent.offered
        if contender.name in (SHIELD, GENERIC):
            # By its own count, not only by what did not get through.
            done = min(done, judged)
        raw = run.account_ns / run.sent.measured
        samples.raw.append(raw)
        samples.machine.append(run.machine_ns / offered)
        samples.rate.append(run.per_second)
        samples.absorbed.append(done / offered)
        decides = contender.name != KERNEL and not (contender.name == SINK and decision.answers)
        astray = strayed(run, decision, done)
        if decides and astray > THROUGH * offered:
            raise RempartError(f"{astray:,} of {offered:,} packets were not {decision.ended}")
        return raw

    def asides(self, seconds: float) -> list[Aside]:
        """Each contender once, with a bystander, while the blocked flood comes as fast as it goes."""
        found = []
        self._ground.on_own_core(False)
        for contender in self.contenders:
            if contender.lacks(Decision.BLOCKED) is not None:
                continue
            self._progress(f"a bystander beside the flood: {contender.name}")
            try:
                with contender.standing(Decision.BLOCKED):
                    stood, run = self._ground.beside(self._floods[Decision.BLOCKED], seconds)
            except RempartError as error:
                sys.stderr.write(f"no bystander beside {contender.name}: {error.message}\n")
                continue
            found.append(Aside(contender.name, stood, run))
        return found

    def apart(self, rounds: int, seconds: float) -> list[Row]:
        """The blocked flood against filters on a core of their own: what they keep up with."""
        self._ground.on_own_core(True)
        rates: dict[str, list[float]] = {}
        spent: dict[str, list[float]] = {}
        lost: dict[str, list[float]] = {}
        with self._ground.dropping(Role.BOTS):
            for number in range(rounds):
                for contender in (self._sink, *self.contenders):
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
