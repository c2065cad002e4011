"""``rempart drill``: rehearse attacks in a small Internet on this machine, next to what others use.

Exit status: 0 every bar met; 1 a bar not met; 2 no such drill or contender; 3 the lab cannot be built here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rempart.cli.output import document, json_option, note, say, table
from rempart.lab.progress import progress_bar
from rempart.model.errors import InvalidInput

if TYPE_CHECKING:
    from rempart.lab.contenders.contract import Contender
    from rempart.lab.drills.contract import Drill
    from rempart.lab.drills.running import Outcome
    from rempart.lab.drills.story_account import Event

Page = Callable[["Drill", "Outcome"], str]

_seed = click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 2**31), help="Same seed, same run."
)
_duration = click.option(
    "--duration", type=click.FloatRange(1, 3_600), help="Seconds of attack.  [default: the drill's]"
)
_against = click.option(
    "--against", help="Contenders, separated by commas.  [default: all that are installed]"
)


@click.group()
def drill() -> None:
    """Rehearse attacks in a small Internet of network namespaces."""


@drill.command("list")
@json_option
def list_drills(as_json: bool) -> None:
    """The drills there are, and who could take part."""
    from rempart.lab.contenders.catalogue import CONTENDERS
    from rempart.lab.drills.catalogue import DRILLS
    from rempart.lab.drills.story import STORY

    drills = (*DRILLS.values(), STORY)
    lacks = {name: contender.lacks() for name, contender in CONTENDERS.items()}
    if as_json:
        document(
            {
                "drills": [{"name": one.name, "summary": one.summary} for one in drills],
                "contenders": [
                    {"name": name, "summary": CONTENDERS[name].summary, "lacks": why}
                    for name, why in lacks.items()
                ],
            }
        )
        return
    table(("DRILL", "WHAT HAPPENS"), [(one.name, one.summary) for one in drills], empty="no drills")
    say()
    table(
        ("CONTENDER", "WHAT IT IS", "TAKES PART"),
        [(name, CONTENDERS[name].summary, why or "yes") for name, why in lacks.items()],
        empty="no contenders",
    )


@drill.command("run")
@click.argument("name")
@_against
@_seed
@_duration
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="Write a page with plots there."
)
@json_option
def run_drill(
    name: str, against: str | None, seed: int, duration: float | None, report: Path | None, as_json: bool
) -> None:
    """Give every contender the same attack, one after the other."""
    from rempart.lab.drills import report as reports
    from rempart.lab.drills.running import run
    from rempart.lab.drills.story import STORY, tell
    from rempart.lab.drills.story_report import page_of

    if name == STORY.name:
        if against is not None:
            raise InvalidInput("the story has phases and no contenders", field="against")
        chosen = STORY
        with progress_bar() as progress:
            told = tell(seed=seed, attack_s=duration, progress=progress)
        outcome = told.outcome
        page: Page = partial(page_of, begins=told.begins, events=told.events)
    else:
        chosen, contenders, page = find_drill(name), find_contenders(against), reports.page_of
        with progress_bar() as progress:
            outcome = run(chosen, contenders, seed=seed, attack_s=duration, progress=progress)
    if report is not None:
        note(f"report: {reports.write(report, chosen, outcome, page)}")
    if as_json:
        for left, why in outcome.left_out.items():
            note(f"{left} was left out: {why}")
        say(outcome.result.json_text())
    else:
        if name == STORY.name:
            show_events(told.events)
        show(chosen, outcome)
    click.get_current_context().exit(0 if outcome.result.ok else 1)


@drill.command()
@click.argument("names", nargs=-1, metavar="[DRILL]...")
@_against
@_seed
@click.option(
    "--duration",
    default=4.0,
    show_default=True,
    type=click.FloatRange(1, 3_600),
    help="Seconds of attack; what comes in pulses has as many as it needs.",
)
@click.option("--fresh", is_flag=True, help="Measure anew what was measured before.")
@click.option("--doubtful", is_flag=True, help="Measure anew what has remarks: the machine was busy, say.")
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000),
    help="Instead, Rempart alone: every drill with each of the seeds 1 to N, for a table of percentiles.",
)
@click.option("--cold", is_flag=True, help="With --seeds: begin each turn with nothing learnt.")
@click.option(
    "--folder",
    default=Path("docs"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where scoreboard.md and its plots are written.",
)
def scoreboard(
    names: tuple[str, ...],
    against: str | None,
    seed: int,
    duration: float,
    fresh: bool,
    doubtful: bool,
    seeds: int | None,
    cold: bool,
    folder: Path,
) -> None:
    """Run every drill against every contender and write the page.

    What was measured before with the same seed and duration is kept, so a run that was ended goes on where
    it was. Drills that are named are measured anew, and the others stay as they are. With --seeds they are
    not: what is missing is measured, of the drills that are named or of all; --fresh begins anew.
    """
    if seeds is not None:
        many_seeds(names, against, seeds, duration, folder, fresh=fresh, doubtful=doubtful, cold=cold)
        return
    from rempart.lab.contenders.catalogue import CONTENDERS
    from rempart.lab.drills import scoreboard as board
    from rempart.lab.drills.catalogue import DRILLS
    from rempart.lab.drills.running import run

    contenders = find_contenders(against)
    drills = [board.brief(find_drill(name), duration) for name in names or DRILLS]
    rows, machine = board.read(folder), board.this_machine()
    versions = {one.name: one.versions() for one in contenders if one.lacks() is None}
    ahead = []
    for one in drills:
        known = rows.get(one.name)
        if known is not None and (fresh or (names and not doubtful)):
            known = board.without(known, [contender.name for contender in contenders])
        elif known is not None and doubtful:
            known = board.without(known, [name for name, turn in known.turns.items() if turn.remarks])
        ahead += [(one, who) for who in board.missing(known, one, contenders, seed)]
    with progress_bar() as progress:
        for number, (one, who) in enumerate(ahead):

            def part(words: str, share: float, number: int = number) -> None:
                progress(words, (number + share) / len(ahead))

            outcome = run(one, [who], seed=seed, progress=part, nobody_is_enough=True)
            rows[one.name] = board.joined(
                rows.get(one.name), one, outcome, tuple(CONTENDERS),
                day=datetime.now(UTC).date().isoformat(), machine=machine, versions=versions,
            )  # fmt: skip
            board.keep(folder, rows[one.name])
            board.write(folder, list(DRILLS.values()), rows)
    say(str(board.write(folder, list(DRILLS.values()), rows)))


def many_seeds(
    names: tuple[str, ...],
    against: str | None,
    count: int,
    duration: float,
    folder: Path,
    *,
    fresh: bool,
    doubtful: bool,
    cold: bool,
) -> None:
    """Measure what is missing of the table of many seeds, and write the page."""
    from rempart.lab.contenders.rempart import REMPART
    from rempart.lab.drills import scoreboard as board
    from rempart.lab.drills.catalogue import DRILLS
    from rempart.lab.drills.repeating import repeat

    if against not in (None, REMPART.name):
        hint = f"--against {REMPART.name}"
        raise InvalidInput("many seeds are of Rempart alone", field="against", hint=hint)
    drills = [board.brief(find_drill(name), duration) for name in names or DRILLS]
    with progress_bar() as progress:
        failed = repeat(
            drills, count, folder, learnt=not cold, fresh=fresh, doubtful=doubtful, progress=progress
        )
    for why in failed:
        note(f"not measured: {why}")
    say(str(board.write(folder, list(DRILLS.values()), board.read(folder))))


def find_drill(name: str) -> Drill:
    """The drill of this name, or InvalidInput with those there are."""
    from rempart.lab.drills.catalogue import DRILLS
    from rempart.lab.drills.story import STORY

    if name not in DRILLS:
        hint = f"one of {', '.join((*DRILLS, STORY.name))}"
        raise InvalidInput(f"there is no drill {name!r}", field="name", hint=hint)
    return DRILLS[name]


def find_contenders(against: str | None) -> list[Contender]:
    """The contenders that are named, in that order; all when none is."""
    from rempart.lab.contenders.catalogue import CONTENDERS

    names = list(dict.fromkeys(against.split(","))) if against else list(CONTENDERS)
    for name in names:
        if name not in CONTENDERS:
            hint = f"any of {', '.join(CONTENDERS)}"
            raise InvalidInput(f"there is no contender {name!r}", field="against", hint=hint)
    return [CONTENDERS[name] for name in names]


def show_events(events: Sequence[Event]) -> None:
    """What happened in the story, for a person."""
    rows = [
        (f"{one.at_s:.1f}", one.who, one.what, one.seen, "" if one.entry is None else str(one.entry))
        for one in events
    ]
    table(("S", "WHO", "DOES WHAT", "SEEN FROM OUTSIDE", "LOG ENTRY"), rows, empty="nothing happened")
    say()


def show(chosen: Drill, outcome: Outcome) -> None:
    """The outcome for a person: figures, who was left out, remarks, bars."""
    from rempart.lab.drills.figures import COLUMNS, row

    table(
        COLUMNS,
        [row(one, attacked=bool(chosen.waves)) for one in outcome.result.contenders],
        empty="no contenders",
    )
    for left, why in outcome.left_out.items():
        note(f"left out: {left}: {why}")
    for remark in outcome.remarks:
        note(f"remark: {remark}")
    say()
    for bar in outcome.result.bars:
        got = "not measured" if bar.got is None else f"{bar.got:.3g}"
        say(f"{'met    ' if bar.ok else 'NOT MET'}  {bar.name}: {got} (want {bar.want})")
