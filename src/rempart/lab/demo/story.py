"""The story drill as a demo: what happens, a table and a page."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.table import Table

from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.contenders.catalogue import CONTENDERS
from rempart.lab.drills import figures, report, story
from rempart.lab.drills.contract import ContenderResult
from rempart.lab.drills.running import Outcome
from rempart.lab.drills.story import STORY, WORDS, Phase
from rempart.lab.drills.story_account import Event
from rempart.lab.drills.story_report import page_of
from rempart.lab.figures import Bar
from rempart.lab.progress import progress_bar

say = Console(highlight=False, record=True)
PICTURE = re.sub(r"@font-face {{.*?}}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""rich's drawing of a terminal without the fonts that it would fetch."""


def tell(*, seed: int, folder: Path, picture: Path | None = None) -> int:
    """Run the story and show it; 0 when it went as it should. ``folder``: where the page is written;
    ``picture``: where an SVG of all that was said is."""
    bots = ATTACKS[STORY.waves[0].attack].defaults
    say.print(
        f"{bots.source_count:,} bots ask a real forum for {bots.rate:g} costly pages a second,"
        f" {STORY.attack_s:g} s in each phase:\n",
        soft_wrap=True,
    )
    for phase in Phase:
        say.print(f"  [bold]{phase.value:12}[/] {WORDS[phase]}", soft_wrap=True)
    began = time.monotonic()
    with progress_bar() as progress:
        told = story.tell(seed=seed, progress=progress)
    outcome = told.outcome
    say.print()
    say.print(table(outcome))
    say.print(f"\n{LEGEND}\n", style="dim")
    for line in happened(told.events):
        say.print(line, soft_wrap=True)
    say.print()
    for words in remarks(outcome):
        say.print(words, soft_wrap=True)
    if picture is not None:
        say.save_svg(str(picture), title="bin/demo", code_format=PICTURE, clear=False)
    page = report.write(folder, STORY, outcome, partial(page_of, begins=told.begins, events=told.events))
    say.print(f"\nThe page, with what happened over time: {page}", soft_wrap=True)
    say.print(
        f"{'It went as told' if outcome.result.ok else '[red]It did not go as told[/]'},"
        f" in {time.monotonic() - began:.0f} s."
    )
    return 0 if outcome.result.ok else 1


COLUMNS = ("PHASE", "SERVED", "WANTED", "", "MEDIAN", "HARMED", "ATTACK", "REACHED IT")
LEGEND = """\
SERVED      share of what visitors wanted that was served right (WANTED as a share of 1)
MEDIAN      from wanting something to having it, of what was served
HARMED      share of visits that were refused something or got nothing
REACHED IT  attack requests that the forum had to answer"""


def table(outcome: Outcome) -> Table:
    """A line for each phase that was."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        drawn.add_column(column, justify="left" if column in ("PHASE", "") else "right", no_wrap=True)
    for result in outcome.result.contenders:
        drawn.add_row(*row(result, outcome.result.bars))
    return drawn


def row(result: ContenderResult, bars: Sequence[Bar]) -> tuple[str, ...]:
    """A line of ``COLUMNS``."""
    own = [bar for bar in bars if bar.name.startswith(f"{result.name}:")]
    return (
        result.name,
        figures.share(result.goodput),
        ", ".join(bar.want for bar in own),
        "[green]ok[/]" if all(bar.ok for bar in own) else "[red]NO[/]",
        figures.milliseconds(result.latency_ms.p50),
        figures.share(result.false_positive_rate),
        "–" if result.attack_total is None else f"{result.attack_total:,}",
        "–" if result.attack_reached_origin is None else f"{result.attack_reached_origin:,}",
    )


def happened(events: Sequence[Event]) -> list[str]:
    """The process between the attacks, a line for each step."""
    return [
        f"{one.at_s:6.1f} s  {one.who:15}  {one.what}"
        + ("" if one.entry is None else f" [dim](log entry {one.entry})[/]")
        for one in events
        if one.who != "bots"
    ]


def remarks(outcome: Outcome) -> list[str]:
    """What was left out, what makes figures doubtful, and who else could be compared with here."""
    found = [f"left out: {phase}: {why}" for phase, why in outcome.left_out.items()]
    found += [f"remark: {remark}" for remark in outcome.remarks]
    lacks = {name: contender.lacks() for name, contender in CONTENDERS.items()}
    there = [name for name, why in lacks.items() if why is None]
    found.append(f"\nrempart drill run NAME compares, here, {', '.join(there)}.")
    found += [f"left out of drills: {name}: {why}" for name, why in lacks.items() if why is not None]
    if len(there) < len(lacks):
        found.append("bin/setup --peers installs them.")
    return found
