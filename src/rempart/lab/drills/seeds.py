"""The same drills with one seed after the other: how often, how fast, whom it hit. Files of turns, and a
table.

One turn of each drill has chance in it: where the bots are, when visitors come, what the machine does
meanwhile. A drill has a file of its own, which grows by a turn at a time; a run that is ended goes on
where it was. A figure that was not measured is None, and a time to mitigate that never came is longer than
any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import Unit
from rempart.lab.drills.contract import ContenderResult, Drill
from rempart.lab.drills.figures import share
from rempart.lab.drills.files import replace
from rempart.model.base import Value

FOLDER = "seeds"
IN_TIME_S, GOODPUT, HARMED = 1.0, 0.99, 0.001
"""What is wanted: p95 of the time to mitigate, goodput from then on, share of visits that were harmed."""


class SeedTurn(Value):
    """One turn."""

    seed: int
    day: str
    """ISO 8601."""
    machine: str
    versions: tuple[str, ...]
    remarks: tuple[str, ...]
    result: ContenderResult


class Seeds(Value):
    """All turns of one drill; its file."""

    drill: str
    contender: str
    attack_s: float
    learnt: bool
    """Whether the contender began with what it had learnt in calm."""
    turns: tuple[SeedTurn, ...]
    """By seed."""


class Sort(StrEnum):
    """What an attack is made of."""

    PACKETS = "packets and questions"
    REQUESTS = "requests"
    CONNECTIONS = "connections"
    NOTHING = "no attack"


def sort_of(drill: Drill) -> Sort:
    """Of a mixture, what could reach the origin."""
    units = {ATTACKS[wave.attack].unit for wave in drill.waves}
    if units & {Unit.REQUESTS, Unit.FRAMES}:
        return Sort.REQUESTS
    if Unit.CONNECTIONS in units:
        return Sort.CONNECTIONS
    return Sort.PACKETS if units else Sort.NOTHING


# --- files


def read(folder: Path) -> dict[str, Seeds]:
    """What was measured, by drill. A file that cannot be understood is as good as none."""
    found = {}
    for file in sorted((folder / FOLDER).glob("*.json")):
        try:
            one = Seeds.model_validate_json(file.read_text())
        except ValueError:
            continue
        found[one.drill] = one
    return found


def keep(folder: Path, one: Seeds) -> None:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    replace(folder / FOLDER / f"{one.drill}.json", one.model_dump_json(indent=1) + "\n")


def begun(known: Seeds | None, drill: Drill, contender: str, *, learnt: bool) -> Seeds:
    """What is known of a drill; nothing, when it was measured under other conditions."""
    if known is not None and (known.contender, known.attack_s, known.learnt) == (
        contender,
        drill.attack_s,
        learnt,
    ):
        return known
    return Seeds(drill=drill.name, contender=contender, attack_s=drill.attack_s, learnt=learnt, turns=())


def ahead(every: Mapping[str, Seeds], drills: Sequence[Drill], count: int) -> list[tuple[Drill, int]]:
    """What is still to be measured, all drills with a seed before the next: a run that is ended has as
    many turns of each."""
    return [
        (drill, seed)
        for seed in range(1, count + 1)
        for drill in drills
        if all(turn.seed != seed for turn in every[drill.name].turns)
    ]


def added(known: Seeds, turn: SeedTurn) -> Seeds:
    others = [one for one in known.turns if one.seed != turn.seed]
    return known.model_copy(update={"turns": tuple(sorted((*others, turn), key=lambda one: one.seed))})


def sound(known: Seeds) -> Seeds:
    """Without the turns that have remarks."""
    return known.model_copy(update={"turns": tuple(one for one in known.turns if not one.remarks)})


# --- figures


class Figures(Value):
    """Of some turns together."""

    turns: int
    mitigated_p50: float | None
    """Seconds; None: in half of the turns it never was."""
    mitigated_p95: float | None
    never: int
    """Turns in which the attack was not mitigated while it lasted."""
    answered_p95: float | None
    """Of the turns in which the contender's own log tells of an answer."""
    goodput_after: float | None
    """Mean of the turns that were mitigated."""
    goodput_after_least: float | None
    harmed: float | None
    """Visits that were refused something, stuck, or served nothing, of all."""
    dead_ends: int


def figures(results: Sequence[ContenderResult], *, attacked: bool = True) -> Figures:
    """Pure. ``attacked``: there was something to mitigate."""
    after = [one.goodput_after for one in results if one.goodput_after is not None]
    visits = sum(one.visits or 0 for one in results)
    harmed = sum((one.false_positive_rate or 0.0) * (one.visits or 0) for one in results)
    return Figures(
        turns=len(results),
        mitigated_p50=rank([one.time_to_mitigate_s for one in results], 0.5),
        mitigated_p95=rank([one.time_to_mitigate_s for one in results], 0.95),
        never=sum(one.time_to_mitigate_s is None for one in results) if attacked else 0,
        answered_p95=rank([one.first_answer_s for one in results if one.first_answer_s is not None], 0.95),
        goodput_after=sum(after) / len(after) if after else None,
        goodput_after_least=min(after, default=None),
        harmed=harmed / visits if visits else None,
        dead_ends=sum(one.dead_ends or 0 for one in results),
    )


def rank(times: Iterable[float | None], portion: float) -> float | None:
    """The nearest-rank percentile; None is longer than any time."""
    ordered = sorted(math.inf if one is None else one for one in times)
    if not ordered:
        return None
    found = ordered[min(max(math.ceil(len(ordered) * portion), 1), len(ordered)) - 1]
    return None if math.isinf(found) else found


# --- the page

_HEAD = (
    "drill", "turns", "mitigated p50", "p95", "never", "first answer p95", "goodput after, mean", "least",
    "harmed visits", "dead ends",
)  # fmt: skip


def section(drills: Sequence[Drill], every: Mapping[str, Seeds]) -> list[str]:
    """The part of the scoreboard's page; nothing where nothing was measured."""
    shown = [(one, every[one.name]) for one in drills if one.name in every and every[one.name].turns]
    if not shown:
        return []
    rows: list[str] = []
    unmet: list[str] = []
    for sort in Sort:
        mine = [(drill, one) for drill, one in shown if sort_of(drill) is sort]
        attacked = sort is not Sort.NOTHING
        for drill, one in mine:
            found = figures([turn.result for turn in one.turns], attacked=attacked)
            rows.append(_line(f"[{drill.name}](#{drill.name})", found))
            if lost := _lost(found, attacked=attacked):
                unmet.append(f"* {drill.name}: {', '.join(lost)}")
        if len(mine) > 1:
            together = [turn.result for _, one in mine for turn in one.turns]
            rows.append(_line(f"**all: {sort}**", figures(together, attacked=attacked)))
    lines = [*_introduced([one for _, one in shown]), *rows, ""]
    return [*lines, "Not reached:", "", *unmet, ""] if unmet else lines


def _introduced(shown: Sequence[Seeds]) -> list[str]:
    turns = [turn for one in shown for turn in one.turns]
    days = sorted({turn.day for turn in turns})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    machines = "; ".join(sorted({turn.machine for turn in turns}))
    begins = (
        "begins with what it learnt in two minutes of calm, as one does that has run for a while; only"
        " `poisoned-baseline` begins cold"
        if any(one.learnt for one in shown)
        else "begins cold, with seconds of calm"
    )
    return [
        "## Many seeds",
        "",
        f"{len(turns)} turns of {shown[0].contender}, seed after seed, {span}; {machines}. Each {begins}.",
        "",
        f"Wanted: p95 of the time to mitigate at most {IN_TIME_S:g} s, goodput from then on at least"
        f" {share(GOODPUT)}, at most {share(HARMED)} of visits harmed, no dead end. A dash is a figure that"
        " was not measured, or a time that never came. Harmed are visits that were refused something, stuck,"
        " or served nothing, before the mitigation, too.",
        "",
        f"| {' | '.join(_HEAD)} |",
        "|---" + "|---:" * (len(_HEAD) - 1) + "|",
    ]


def _line(name: str, found: Figures) -> str:
    cells = (
        name, str(found.turns), _seconds(found.mitigated_p50), _seconds(found.mitigated_p95),
        str(found.never), _seconds(found.answered_p95, 2), share(found.goodput_after),
        share(found.goodput_after_least), share(found.harmed), str(found.dead_ends),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _lost(found: Figures, *, attacked: bool) -> list[str]:
    """What is not reached, in words."""
    lost = []
    late = found.mitigated_p95
    if attacked and (late is None or late > IN_TIME_S):
        lost.append(f"mitigated p95 {'never' if late is None else _seconds(late)}")
    if found.goodput_after is not None and found.goodput_after < GOODPUT:
        lost.append(f"goodput after it {share(found.goodput_after)}")
    if found.harmed is not None and found.harmed > HARMED:
        lost.append(f"{share(found.harmed)} of visits harmed")
    if found.dead_ends:
        lost.append(f"{found.dead_ends} dead ends")
    return lost


def _seconds(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f} s"
