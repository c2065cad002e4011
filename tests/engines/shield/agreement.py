"""Program and oracle side by side: the same frames, tables and time, and everything they say compared.

    python -m tests.engines.shield.agreement --seed 1 --packets 1000000      (root)

prints how many agreed and how often each reason was given, or the first packet on which they differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from rempart.engines.shield.layout import Reason, Verdict
from rempart.engines.shield.model import Decision, State, Tables, decide
from rempart.engines.shield.model.tables import Sockets

from .generator import Generator
from .program import OBJECT, Answer, Shield
from .sockets import network
from .worlds import MILLISECOND, SECOND, tables

EPISODE = 2500
"""Packets until the tables change."""
BUCKETS_READ = 40
"""Worlds after which all buckets are compared, which takes as long as some thousand packets."""
STEPS = (
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    1000,
    100_000,
    100_000,
    MILLISECOND,
    MILLISECOND,
    10 * MILLISECOND,
    50 * MILLISECOND,
)


@dataclass(slots=True)
class Run:
    """Two sides that have seen the same so far."""

    shield: Shield
    sockets: Sockets
    state: State = field(default_factory=State)
    reasons: Counter[Reason] = field(default_factory=Counter)
    packets: int = 0


class Disagreement(Exception):
    """Program and oracle differ; the text says about what, and on which frame."""


def verify(run: Run, world: Tables, frame: bytes, now: int) -> tuple[Answer, Decision]:
    """Both sides decide one frame. Raises Disagreement."""
    answer = run.shield.run(frame, now)
    decision = decide(world, run.state, frame, now, answer.frame)
    run.packets += 1
    run.reasons[decision.reason] += 1
    wrong = differences(answer, decision)
    if wrong:
        told = report(frame, now, answer, decision, wrong)
        small = _smaller(run, world, frame, now, wrong)
        raise Disagreement(f"{told}\nno longer than needed: {small.hex()}")
    return answer, decision


def _smaller(run: Run, world: Tables, frame: bytes, now: int, wrong: list[str]) -> bytes:
    """The frame with everything cut off or zeroed that the difference does not need."""

    def differs(candidate: bytes) -> bool:
        answer = run.shield.run(candidate, now)
        return differences(answer, decide(world, run.state, candidate, now, answer.frame)) == wrong

    if not differs(frame):
        return frame  # it was about what they remember
    step = len(frame) // 2
    while step:
        while len(frame) - step >= 14 and differs(frame[:-step]):
            frame = frame[:-step]
        step //= 2
    for at in range(len(frame)):
        zeroed = frame[:at] + b"\0" + frame[at + 1 :]
        if frame[at] and differs(zeroed):
            frame = zeroed
    return frame


def differences(answer: Answer, decision: Decision) -> list[str]:
    """What the two say differently."""
    wrong = []
    if answer.verdict != decision.verdict:
        wrong.append("verdict")
    if decision.verdict is not Verdict.DROP and answer.frame != decision.frame_out:
        wrong.append("frame afterwards")
    if answer.samples != [one.packed() for one in decision.samples]:
        wrong.append("samples")
    if answer.captures != [one.packed() for one in decision.captures]:
        wrong.append("captures")
    return wrong


def report(frame: bytes, now: int, answer: Answer, decision: Decision, wrong: list[str]) -> str:
    """Both decisions about a frame, for reading."""
    lines = [
        f"program and oracle differ in: {', '.join(wrong)}",
        f"frame ({len(frame)} bytes) at {now}: {frame.hex()}",
        f"program: {_verdict(answer.verdict)}; after: {_changed(frame, answer.frame)}",
        *(f"  sample: {_sample(one)}" for one in answer.samples),
        *(f"  capture: {_sample(one)}" for one in answer.captures),
        f"oracle: {decision.verdict.name} {decision.reason.name}, rule {decision.rule}; "
        f"after: {_changed(frame, decision.frame_out)}",
        f"  vector: {decision.vector.hex()}",
        *(f"  sample: {_sample(one.packed())}" for one in decision.samples),
        *(f"  capture: {_sample(one.packed())}" for one in decision.captures),
    ]
    return "\n".join(lines)


def _verdict(number: int) -> str:
    return Verdict(number).name if number in list(Verdict) else f"verdict {number}"


def _changed(before: bytes, after: bytes) -> str:
    return "as it came" if before == after else after.hex()


def _sample(record: bytes) -> str:
    reason = Reason(record[19]).name if record[19] in list(Reason) else f"reason {record[19]}"
    rule = int.from_bytes(record[20:24], "little")
    head = record[:16].hex()
    return (
        f"{reason} verdict {record[18]} rule {rule} vector {record[24:88].hex()} ({head}, {len(record) - 88})"
    )


def random_run(
    seed: int, packets: int, shield: Shield, sockets: Sockets, tell: Callable[[int], None] = lambda _: None
) -> Run:
    """So many random packets in random worlds. Raises Disagreement with the seed and the place in it."""
    random = Random(seed)
    run = Run(shield, sockets)
    generator = Generator(random, sockets)
    now = 1_000 * SECOND + random.getrandbits(30)
    while run.packets < packets:
        world = tables(random, now, generator.pool, sockets)
        shield.enter(world)
        generator.enter(world, now)
        run.state.allowed.clear()
        run.state.blocked.clear()
        run.state.cookies.clear()
        begun = run.packets
        try:
            for _ in range(min(EPISODE, packets - run.packets)):
                frame = generator.next()
                pace = random.random()
                now += STEPS[int(pace * len(STEPS))] if pace < 0.999 else SECOND
                answer, decision = verify(run, world, frame, now)
                if decision.reason is Reason.TX_SYN_COOKIE:
                    generator.answered(frame, answer.frame)
            thorough = run.packets == packets or run.packets % (BUCKETS_READ * EPISODE) == 0
            wrong = shield.differences(run.state, world, buckets=thorough)
            if wrong:
                raise Disagreement("\n".join(["program and oracle remember differently:", *wrong]))
        except Disagreement as error:
            place = f"seed {seed}, packet {run.packets} (the world began with {begun})"
            raise Disagreement(f"{place}\n{error}\nconfig: {world.config}\nrules: {_rules(world)}") from None
        tell(run.packets)
    return run


def _rules(world: Tables) -> str:
    if world.rules is None:
        return "none"
    return f"{len(world.rules.rules)}, needs {world.rules.needs}, labels {world.rules.qname_labels}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Hold the packet program to its oracle.")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--object", type=Path, default=OBJECT, help="another build of the program")
    given = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[given.seed % len(cpus)]})  # counters of one CPU decide what is sampled
    begun = time.monotonic()
    with network() as sockets, Shield(given.object) as shield:
        try:
            run = random_run(given.seed, given.packets, shield, sockets)
        except Disagreement as error:
            sys.stdout.write(f"{error}\n")
            return 1
    counts = {reason.name: run.reasons[reason] for reason in Reason}
    result = {"seed": given.seed, "packets": run.packets, "seconds": round(time.monotonic() - begun, 1)}
    sys.stdout.write(json.dumps({**result, "reasons": counts}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
