"""Runs drills with one seed after the other, and keeps each turn as soon as it is over. The rim."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rempart.lab.contenders.contract import Contender
from rempart.lab.contenders.rempart import REMPART
from rempart.lab.drills import scoreboard, seeds, teaching
from rempart.lab.drills.catalogue import DRILLS
from rempart.lab.drills.contract import Drill
from rempart.lab.drills.running import Outcome, run
from rempart.lab.progress import Progress


def repeat(
    drills: Sequence[Drill],
    count: int,
    folder: Path,
    *,
    learnt: bool,
    fresh: bool,
    doubtful: bool,
    progress: Progress,
) -> list[str]:
    """Measure what is missing of the seeds 1 to ``count`` and write the scoreboard in ``folder`` after
    every turn; what could not be measured, and why. ``learnt``: Rempart begins with what it has learnt in
    calm, but in drills that are cold; ``fresh``: nothing of before counts; ``doubtful``: nothing of before
    with remarks."""
    store = folder / scoreboard.PLOTS
    before = {} if fresh else seeds.read(store)
    every = {
        one.name: seeds.begun(before.get(one.name), one, REMPART.name, learnt=learnt and not one.cold)
        for one in drills
    }
    if doubtful:
        every = {name: seeds.sound(one) for name, one in every.items()}
    ahead = seeds.ahead(every, drills, count)
    known: Contender | None = None
    failed = []
    for number, (drill, seed) in enumerate(ahead):

        def part(words: str, share: float, number: int = number, seed: int = seed) -> None:
            progress(f"seed {seed}: {words}", (number + share) / len(ahead))

        if every[drill.name].learnt and known is None:
            known = teaching.learnt(
                store / teaching.FOLDER, lambda _, share: progress("it learns in calm", share)
            )
        who = known if every[drill.name].learnt and known is not None else REMPART
        outcome = run(drill, [who], seed=seed, progress=part, nobody_is_enough=True)
        if not outcome.result.contenders:
            failed.append(f"{drill.name}, seed {seed}: {'; '.join(outcome.left_out.values())}")
            continue
        every[drill.name] = seeds.added(every[drill.name], _turn(outcome, who))
        seeds.keep(store, every[drill.name])
        scoreboard.write(folder, list(DRILLS.values()), scoreboard.read(folder))
    return failed


def _turn(outcome: Outcome, who: Contender) -> seeds.SeedTurn:
    return seeds.SeedTurn(
        seed=outcome.result.seed,
        day=datetime.now(UTC).date().isoformat(),
        machine=scoreboard.this_machine(),
        versions=who.versions(),
        remarks=outcome.remarks,
        result=outcome.result.contenders[0],
    )
