"""The scoreboard: every drill, every contender present, as measured; Rempart's losses included.

Each drill has a file of its own, which grows by one contender at a time: a run that is ended keeps what it
has measured, the next goes on from there, and one drill can be measured again without the others.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rempart.lab.contenders.contract import Contender
from rempart.lab.drills import measures, seeds
from rempart.lab.drills.contract import Drill, DrillResult
from rempart.lab.drills.figures import COLUMNS, row, share
from rempart.lab.drills.files import replace
from rempart.lab.drills.report import goodput_plot
from rempart.lab.drills.running import Outcome
from rempart.lab.figures import Bar
from rempart.model.base import Value

PAGE, PLOTS = "scoreboard.md", "scoreboard"
SETTLE_S, CALM_S, AFTER_S = 0.5, 3.0, 0.5
"""Shorter than a drill's own: there are a hundred and fifty runs."""


class Turn(Value):
    """How and when one contender was measured."""

    day: str
    """ISO 8601."""
    machine: str
    versions: tuple[str, ...]
    remarks: tuple[str, ...]
    step_s: float
    goodput: tuple[float | None, ...]
    """Over time, for the plot."""
    attack: tuple[float, float] | None
    """From when to when the attack lasted, seconds after the visitors began."""


class Row(DrillResult):
    """What is known of one drill; its file. A drill's document, and how each contender was measured."""

    attack_s: float
    turns: dict[str, Turn]
    """Contender → its turn; the same names as in ``contenders``."""
    left_out: dict[str, str]
    """Contender → why it could not take part when it was last tried."""


def brief(drill: Drill, attack_s: float) -> Drill:
    """A drill as the scoreboard runs it: the attack as long as asked, what is around it short."""
    return drill.model_copy(
        update={
            "settle_s": SETTLE_S,
            "calm_s": max(CALM_S, drill.least_calm_s),
            "after_s": AFTER_S,
            "attack_s": max(attack_s, drill.least_attack_s),
        }
    )


def missing(row: Row | None, drill: Drill, contenders: Sequence[Contender], seed: int) -> list[Contender]:
    """Who was not yet measured in this drill with this seed and length. Who was left out is tried again."""
    if row is None or (row.seed, row.attack_s) != (seed, drill.attack_s):
        return list(contenders)
    return [contender for contender in contenders if contender.name not in row.turns]


def without(row: Row, names: Collection[str]) -> Row:
    """A row that these contenders are to be measured for anew."""
    return row.model_copy(
        update={
            "contenders": tuple(one for one in row.contenders if one.name not in names),
            "turns": {name: turn for name, turn in row.turns.items() if name not in names},
        }
    )


def joined(
    row: Row | None,
    drill: Drill,
    outcome: Outcome,
    order: Sequence[str],
    *,
    day: str,
    machine: str,
    versions: Mapping[str, tuple[str, ...]],
) -> Row:
    """A row with what a run adds to it; one of another seed or length is begun anew. ``order``: of contenders
    on the page; ``versions``: of those that ran."""
    seed = outcome.result.seed
    if row is None or (row.seed, row.attack_s) != (seed, drill.attack_s):
        row = Row(
            drill=drill.name,
            seed=seed,
            contenders=(),
            bars=(),
            attack_s=drill.attack_s,
            turns={},
            left_out={},
        )
    ran = {one.name for one in outcome.result.contenders}
    old = without(row, ran)
    place = {name: number for number, name in enumerate(order)}
    results = sorted(
        (*old.contenders, *outcome.result.contenders), key=lambda one: place.get(one.name, len(place))
    )
    turns = {
        line.contender: Turn(
            day=day,
            machine=machine,
            versions=versions.get(line.contender, ()),
            remarks=tuple(
                remark.removeprefix(f"{line.contender}: ")
                for remark in outcome.remarks
                if remark.startswith(f"{line.contender}: ")
            ),
            step_s=line.step_s,
            goodput=line.goodput,
            attack=(line.attack_begins, line.attack_ends) if drill.eventful else None,
        )
        for line in outcome.timelines
    }
    left_out = {**old.left_out, **outcome.left_out}
    return row.model_copy(
        update={
            "contenders": tuple(results),
            "bars": measures.bars(drill.bars, results),
            "turns": {**old.turns, **turns},
            "left_out": {name: why for name, why in left_out.items() if name not in ran},
        }
    )


def read(folder: Path) -> dict[str, Row]:
    """What was measured before, by drill. A file that cannot be understood is as good as none."""
    found = {}
    for file in sorted((folder / PLOTS).glob("*.json")):
        try:
            one = Row.model_validate_json(file.read_text())
        except ValueError:
            continue
        found[one.drill] = one
    return found


def keep(folder: Path, one: Row) -> None:
    """Write a row's file and plot."""
    plots = folder / PLOTS
    plots.mkdir(parents=True, exist_ok=True)
    replace(plots / f"{one.drill}.json", one.json_text() + "\n")
    lines = [(name, one.turns[name].step_s, one.turns[name].goodput) for name in names_of(one)]
    shade = next((turn.attack for turn in one.turns.values() if turn.attack), None)
    replace(plots / f"{one.drill}.svg", goodput_plot(lines, shade) + "\n")


def write(folder: Path, drills: Sequence[Drill], rows: Mapping[str, Row]) -> Path:
    """Write the page, with the turns of many seeds that are there; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    replace(page, page_of(drills, rows, seeds.read(folder / PLOTS)))
    return page


def names_of(one: Row) -> list[str]:
    return [result.name for result in one.contenders]


def page_of(
    drills: Sequence[Drill], rows: Mapping[str, Row], many: Mapping[str, seeds.Seeds] | None = None
) -> str:
    """The page, drills in their order. ``many``: turns with many seeds. Pure."""
    shown = [(drill, rows[drill.name]) for drill in drills if drill.name in rows]
    lines = [
        "# Scoreboard",
        "",
        "As measured, our losses included. Written by `rempart drill scoreboard`; do not edit.",
        "What the columns mean, and how to object to a configuration: [drills](operate/drills.md).",
        "",
        "Everything runs on one machine and an edge has a part of a processor: figures tell contenders apart,"
        " not what any of them can bear elsewhere.",
        "",
        *facts(shown),
        "",
        *overview(shown),
        *seeds.section(drills, many or {}),
    ]
    for drill, one in shown:
        lines += section(drill, one)
    lines += absentees(shown)
    unmeasured = [drill.name for drill in drills if drill.name not in rows]
    if unmeasured:
        lines += ["## Not measured yet", "", ", ".join(unmeasured), ""]
    return "\n".join(lines).rstrip() + "\n"


def facts(shown: Sequence[tuple[Drill, Row]]) -> list[str]:
    """When, on what, and with which versions."""
    turns = [(name, turn) for _, one in shown for name, turn in one.turns.items()]
    days = sorted({turn.day for _, turn in turns})
    machines = sorted({turn.machine for _, turn in turns})
    seeds_of = sorted({one.seed for _, one in shown})
    versions: dict[str, set[str]] = {}
    for name, turn in turns:
        versions.setdefault(name, set()).add(", ".join(turn.versions))
    if not turns:
        return []
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return [
        f"Measured {span}; seed {', '.join(map(str, seeds_of))}; {'; '.join(machines)}.",
        "",
        "| contender | versions |",
        "|---|---|",
        *(f"| {name} | {'; '.join(sorted(found))} |" for name, found in versions.items()),
    ]


def overview(shown: Sequence[tuple[Drill, Row]]) -> list[str]:
    """Goodput of all, a line for each drill; how many of the bars Rempart met."""
    names = list(dict.fromkeys(name for _, one in shown for name in names_of(one)))
    if not names:
        return []
    lines = [
        "## Goodput",
        "",
        f"| drill | {' | '.join(names)} | bars met |",
        "|---" + "|---:" * (len(names) + 1) + "|",
    ]
    for drill, one in shown:
        goodput = {result.name: share(result.goodput) for result in one.contenders}
        met = f"{sum(bar.ok for bar in one.bars)} of {len(one.bars)}" if one.bars else "–"
        cells = " | ".join(goodput.get(name, "–") for name in names)
        lines.append(f"| [{drill.name}](#{drill.name}) | {cells} | {met} |")
    return [*lines, ""]


def section(drill: Drill, one: Row) -> list[str]:
    """One drill's part of the page."""
    length = f" {one.attack_s:g} s of {'attack' if drill.waves else 'crowd'}." if drill.eventful else ""
    lines = [
        f"## {drill.name}",
        "",
        f"{drill.summary[0].upper()}{drill.summary[1:]}.{length}",
        "",
        "| " + " | ".join(column.lower() for column in COLUMNS) + " |",
        "|---" + "|---:" * (len(COLUMNS) - 1) + "|",
        *("| " + " | ".join(row(result, attacked=bool(drill.waves))) + " |" for result in one.contenders),
        "",
        f"![goodput over time]({PLOTS}/{drill.name}.svg)",
        "",
    ]
    said = [unmet(bar) for bar in one.bars if not bar.ok]
    said += [f"* {name}: {remark}" for name in names_of(one) for remark in one.turns[name].remarks]
    return [*lines, *said, ""] if said else lines


def unmet(bar: Bar) -> str:
    got = "not measured" if bar.got is None else f"{bar.got:.3g}"
    return f"* Not met: {bar.name} {got}, wanted {bar.want}"


def absentees(shown: Sequence[tuple[Drill, Row]]) -> list[str]:
    """Who was left out of what, and why; the same reason is given once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for drill, one in shown:
        for name, why in one.left_out.items():
            reasons.setdefault((name, why), []).append(drill.name)
    if not reasons:
        return []
    lines = [f"* {name}: {why} ({', '.join(drills)})" for (name, why), drills in reasons.items()]
    return ["## Left out", "", *lines, ""]


def this_machine() -> str:
    """What the figures are measured on, without naming the machine."""
    cores = os.cpu_count() or 1
    return f"Linux {platform.release().partition('-')[0]}, {cores} processors, everything on one machine"
