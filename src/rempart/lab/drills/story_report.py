"""The story's page: one plot over the whole time with its phases marked, what happened, then each phase by
itself. Pure."""

from __future__ import annotations

import html
from collections.abc import Sequence

from rempart.lab.drills.contract import Drill
from rempart.lab.drills.plots import ATTACK, Section, Series, chart
from rempart.lab.drills.report import STYLE, bars, charts_of, left_out, marks_of, smoothed, table
from rempart.lab.drills.running import Outcome
from rempart.lab.drills.story import WORDS, Phase
from rempart.lab.drills.story_account import Event
from rempart.lab.drills.story_case import ANSWER_S, NOTICE_S
from rempart.lab.drills.timeline import Timeline
from rempart.lab.origins.forum.board.seed import POSTS

SERVED = "#0b6e4f"
WORDY = """
.happened td, .happened th { text-align: left; white-space: normal; } .happened td:first-child { text-align:
right; white-space: nowrap; }
"""


def page_of(drill: Drill, outcome: Outcome, *, begins: Sequence[float], events: Sequence[Event] = ()) -> str:
    """The page. ``begins``: seconds from the first phase's beginning to each one's; ``events``: what
    happened."""
    lines = outcome.timelines
    sections = sections_of(lines, begins)
    goodput = joined(
        lines, begins, [[None if v is None else v * 100 for v in line.goodput] for line in lines]
    )
    latency = joined(lines, begins, [line.latency_ms for line in lines])
    sent = joined(lines, begins, [line.attack_rate for line in lines])
    reached = joined(lines, begins, [smoothed(line.origin_attack_rate) for line in lines])
    step = lines[0].step_s if lines else 0.1

    def drawn(name: str, colour: str, values: Sequence[float | None]) -> Series:
        return Series(name=name, colour=colour, step_s=step, values=tuple(values))

    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Drill {drill.name}</title><style>{STYLE}{WORDY}</style>",
        f"<h1>Drill: {html.escape(drill.name)}</h1><p>{html.escape(drill.summary)}.",
        f" Seed {outcome.result.seed}.</p><p>The forum is django-machina with {POSTS:,} posts; the attack",
        " asks its search for words that it does not know. Every phase has the same visitors and the same",
        " attack (shaded); the forum is started anew before each. What protects it is not limits for each",
        " client, since no bot asks more than a visitor does: the owner has set the security level",
        " <code>under_attack</code>, so every visitor is challenged once, also before the attack. Feeds and",
        " a search engine's network are exempt. Goodput is the share of what visitors wanted that was served",
        " right. Visitors and bots go where a resolver leads them, by the parent zone's delegation. The case",
        f" goes its way on the command line, with a policy whose times are short: {ANSWER_S} s to answer,",
        f" {NOTICE_S} s of notice.</p>",
        chart("goodput, %", [drawn("goodput", SERVED, goodput)], sections=sections, most=100),
        chart("slowest served request, ms", [drawn("latency", SERVED, latency)], sections=sections),
        chart(
            "attack, requests per second",
            [drawn("sent", ATTACK, sent), drawn("reached the forum", SERVED, reached)],
            sections=sections,
        ),
        table(drill, outcome),
        happened(events),
        bars(outcome),
        left_out(outcome),
    ]
    for line in lines:
        words = WORDS[Phase(line.contender)]
        parts.append(f"<h2>{html.escape(line.contender)}</h2><p>{html.escape(words)}</p>")
        parts += charts_of(line)
        parts.append(marks_of(line))
    return "".join(parts) + "</html>\n"


def happened(events: Sequence[Event]) -> str:
    """What happened, as a table."""
    if not events:
        return ""
    rows = "".join(
        f"<tr><td>{one.at_s:.1f}</td><td>{html.escape(one.who)}</td><td>{html.escape(one.what)}</td>"
        f"<td>{html.escape(one.seen)}</td><td>{'' if one.entry is None else one.entry}</td></tr>"
        for one in events
    )
    head = "<tr><th>s</th><th>who</th><th>does what</th><th>seen from outside</th><th>log entry</th></tr>"
    return f'<h2>What happened</h2><table class="happened">{head}{rows}</table>'


def sections_of(lines: Sequence[Timeline], begins: Sequence[float]) -> list[Section]:
    """Where on the whole time each phase lies, and its attack."""
    return [
        Section(
            name=line.contender,
            begins=begin,
            ends=begin + len(line.goodput) * line.step_s,
            shade=(begin + line.attack_begins, begin + line.attack_ends) if any(line.attack_rate) else None,
        )
        for line, begin in zip(lines, begins, strict=True)
    ]


def joined(
    lines: Sequence[Timeline], begins: Sequence[float], each: Sequence[Sequence[float | None]]
) -> list[float | None]:
    """The series of all phases as one over the whole time; nothing is drawn between two of them."""
    whole: list[float | None] = []
    for line, begin, values in zip(lines, begins, each, strict=True):
        whole += [None] * (round(begin / line.step_s) - len(whole))
        whole += values
    return whole
