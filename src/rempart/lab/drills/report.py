"""A drill's report: one HTML page that needs nothing else, and the figures as JSON beside it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from rempart.lab.contenders.catalogue import CONTENDERS
from rempart.lab.drills.contract import Drill
from rempart.lab.drills.figures import COLUMNS, row
from rempart.lab.drills.plots import ATTACK, DASHES, Series, chart, colour
from rempart.lab.drills.running import Outcome
from rempart.lab.drills.timeline import Timeline

PAGE = "index.html"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color:
#222; } table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto; } th, td {
text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } svg { width: 100%; height: auto; margin: .4rem 0;
border: 1px solid #eee; } .no { color: #a00; font-weight: 600; } .yes { color: #070; } details { margin:
.6rem 0; } h2 { margin-top: 2rem; }
"""


def write(
    folder: Path, drill: Drill, outcome: Outcome, text: Callable[[Drill, Outcome], str] | None = None
) -> Path:
    """Write the report into a folder, which is made; the page's path. ``text``: another page than
    ``page_of``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(outcome.result.json_text() + "\n")
    lines = [line.model_dump(mode="json") for line in outcome.timelines]
    (folder / "timelines.json").write_text(json.dumps(lines) + "\n")
    page = folder / PAGE
    page.write_text((text or page_of)(drill, outcome))
    return page


def page_of(drill: Drill, outcome: Outcome) -> str:
    """The page. Pure."""
    result = outcome.result
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Drill {drill.name}</title><style>{STYLE}</style>",
        f"<h1>Drill: {html.escape(drill.name)}</h1><p>{html.escape(drill.summary)}. Seed {result.seed}.</p>",
        "<p>Every contender had the same world, visitors and attack, one after the other. The shaded time",
        " is the attack's. Goodput is the share of what visitors wanted that was served right, checked by a",
        " mark on each page.</p>",
        table(drill, outcome),
        bars(outcome),
        left_out(outcome),
        f"<h2>Goodput</h2>{goodput_chart(outcome.timelines)}",
    ]
    for line in outcome.timelines:
        parts.append(f"<h2>{html.escape(line.contender)}</h2>")
        contender = CONTENDERS.get(line.contender)
        parts.append(f"<p>{html.escape(contender.summary)}</p>" if contender else "")
        parts += charts_of(line)
        parts.append(marks_of(line))
    return "".join(parts) + "</html>\n"


def table(drill: Drill, outcome: Outcome) -> str:
    head = "".join(f"<th>{column.lower()}</th>" for column in COLUMNS)
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row(one, attacked=bool(drill.waves)))
        + "</tr>"
        for one in outcome.result.contenders
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def bars(outcome: Outcome) -> str:
    words = []
    for bar in outcome.result.bars:
        got = "not measured" if bar.got is None else f"{bar.got:.3g}"
        verdict = '<span class="yes">met</span>' if bar.ok else '<span class="no">not met</span>'
        words.append(f"<li>{html.escape(bar.name)}: {got}, wanted {html.escape(bar.want)}: {verdict}</li>")
    return f"<h2>What we want</h2><ul>{''.join(words)}</ul>" if words else ""


def left_out(outcome: Outcome) -> str:
    notes = [f"{name} was left out: {why}" for name, why in outcome.left_out.items()] + list(outcome.remarks)
    return "<ul>" + "".join(f"<li>{html.escape(note)}</li>" for note in notes) + "</ul>" if notes else ""


def goodput_chart(lines: Sequence[Timeline]) -> str:
    """Goodput of all contenders in one chart, in per cent."""
    shade = (lines[0].attack_begins, lines[0].attack_ends) if lines and any(lines[0].attack_rate) else None
    return goodput_plot([(line.contender, line.step_s, line.goodput) for line in lines], shade)


def goodput_plot(
    lines: Sequence[tuple[str, float, Sequence[float | None]]], shade: tuple[float, float] | None
) -> str:
    """The same from (contender, seconds of a step, goodput by step). ``shade``: from when to when the attack
    lasted."""
    series = [
        Series(
            name=name,
            colour=colour(name),
            dash=DASHES.get(name, ""),
            step_s=step_s,
            values=tuple(None if value is None else value * 100 for value in goodput),
        )
        for name, step_s, goodput in lines
    ]
    return chart("goodput, % of what visitors wanted", series, shade=shade, most=100)


def charts_of(line: Timeline) -> list[str]:
    """One contender's charts: latency, attack, edge."""
    shade = (line.attack_begins, line.attack_ends) if any(line.attack_rate) else None
    own = colour(line.contender)

    def drawn(name: str, values: Sequence[float | None], which: str = own, dash: str = "") -> Series:
        return Series(name=name, colour=which, dash=dash, step_s=line.step_s, values=tuple(values))

    found = [
        chart(
            "slowest served request, ms", [drawn("latency", line.latency_ms)], shade=shade, marks=line.marks
        )
    ]
    if any(line.refused):
        refused = [count / line.step_s for count in line.refused]
        found.append(
            chart("visitors' requests refused, per second", [drawn("refused", refused)], shade=shade)
        )
    if shade:
        for unit, sent in line.attack_rates.items():
            attack = [drawn("sent", sent, ATTACK)]
            # What reaches the origin is requests, whatever was sent to get them there.
            if any(line.origin_attack_rate) and sent == line.attack_rate:
                attack.append(drawn("reached the origin", smoothed(line.origin_attack_rate), own))
            found.append(chart(f"attack, {unit} per second", attack, shade=shade, marks=line.marks))
    found.append(
        chart(
            "packets that arrived at the edge, per second", [drawn("packets", line.edge_packets)], shade=shade
        )
    )
    found.append(chart("edge's processor, cores", [drawn("cpu", smoothed(line.edge_cpu))], shade=shade))
    return found


def marks_of(line: Timeline) -> str:
    """What the contender did, in the order of time."""
    if not line.marks:
        return ""
    rows = "".join(f"<li>{at:.1f} s: {html.escape(what)}</li>" for at, what in line.marks[:500])
    return f"<details><summary>{len(line.marks)} mitigations</summary><ol>{rows}</ol></details>"


def smoothed(values: Sequence[float], width: int = 5) -> list[float | None]:
    """A running mean over half a second: requests of one tenth are few."""
    half = width // 2
    return [
        sum(values[max(0, at - half) : at + half + 1]) / len(values[max(0, at - half) : at + half + 1])
        for at in range(len(values))
    ]
