"""The scoreboard: every drill, every contender present, as measured; Rempart's losses included."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from rempart.lab.drills.contract import Drill
from rempart.lab.drills.figures import COLUMNS, row
from rempart.lab.drills.report import goodput_chart
from rempart.lab.drills.running import Outcome

PAGE, PLOTS = "scoreboard.md", "scoreboard"


def write(folder: Path, outcomes: Sequence[tuple[Drill, Outcome]], *, seed: int, machine: str) -> Path:
    """Write the page and its plots into a folder of documentation; the page's path."""
    plots = folder / PLOTS
    plots.mkdir(parents=True, exist_ok=True)
    for drill, outcome in outcomes:
        (plots / f"{drill.name}.svg").write_text(goodput_chart(outcome.timelines) + "\n")
        (plots / f"{drill.name}.json").write_text(outcome.result.json_text() + "\n")
    page = folder / PAGE
    page.write_text(page_of(outcomes, seed=seed, machine=machine))
    return page


def page_of(outcomes: Sequence[tuple[Drill, Outcome]], *, seed: int, machine: str) -> str:
    """The page. Pure."""
    lines = [
        "# Scoreboard",
        "",
        "As measured, our losses included. Written by `rempart drill scoreboard`; do not edit.",
        "What the columns mean, and how to object to a configuration: [drills](operate/drills.md).",
        "",
        f"Seed {seed}; {machine}.",
        "",
    ]
    absent: dict[str, str] = {}
    for drill, outcome in outcomes:
        absent |= outcome.left_out
        lines += [f"## {drill.name}", "", f"{drill.summary[0].upper()}{drill.summary[1:]}.", ""]
        lines += [
            "| " + " | ".join(column.lower() for column in COLUMNS) + " |",
            "|---" + "|---:" * (len(COLUMNS) - 1) + "|",
        ]
        lines += [
            "| " + " | ".join(row(one, attacked=bool(drill.waves))) + " |"
            for one in outcome.result.contenders
        ]
        lines += ["", f"![goodput over time]({PLOTS}/{drill.name}.svg)", ""]
        unmet = [bar for bar in outcome.result.bars if not bar.ok]
        for bar in unmet:
            got = "not measured" if bar.got is None else f"{bar.got:.3g}"
            lines.append(f"* Not met: {bar.name} {got}, wanted {bar.want}")
        lines += [f"* {remark}" for remark in outcome.remarks]
        if unmet or outcome.remarks:
            lines.append("")
    lines += absentees(absent)
    return "\n".join(lines).rstrip() + "\n"


def absentees(absent: Mapping[str, str]) -> list[str]:
    if not absent:
        return []
    return ["## Left out", "", *(f"* {name}: {why}" for name, why in absent.items()), ""]


def this_machine(cores: int) -> str:
    """What the figures were measured on, without naming the machine."""
    return f"Linux {platform.release().partition('-')[0]}, {cores} processors, everything on one machine"
