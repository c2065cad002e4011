"""Plots over time as SVG, drawn here so that a report needs nothing from anywhere. Pure."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

from rempart.model.base import Value

WIDTH, HEIGHT = 760, 190
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 26, 24

COLOURS = {
    "rempart": "#0b6e4f",
    "none": "#777777",
    "nftables": "#c9a100",
    "nginx": "#3d7fc4",
    "haproxy": "#b5651d",
    "fail2ban": "#8e4fb0",
    "crowdsec": "#c43d5a",
}
DASHES = {"none": "6 3", "nftables": "10 3", "nginx": "2 2", "fail2ban": "8 2 2 2", "crowdsec": "4 4"}
"""Lines differ also without colour."""
ATTACK = "#c0392b"


class Series(Value):
    """A line: a value for each step from 0; None is a gap."""

    name: str
    colour: str
    dash: str = ""
    step_s: float
    values: tuple[float | None, ...]


class Section(Value):
    """A stretch of a chart's time with a name of its own, and when within it the attack lasted."""

    name: str
    begins: float
    ends: float
    shade: tuple[float, float] | None = None


def chart(
    title: str,
    series: Sequence[Series],
    *,
    shade: tuple[float, float] | None = None,
    sections: Sequence[Section] = (),
    marks: Sequence[tuple[float, str]] = (),
    most: float | None = None,
) -> str:
    """One chart. ``shade``: from when to when the attack lasted; ``sections``: parts of the time, named
    within the chart; ``marks``: moments with words; ``most``: the top of the scale, otherwise a round number
    above the largest value."""
    seconds = max((len(line.values) * line.step_s for line in series), default=1.0)
    largest = max((value for line in series for value in line.values if value is not None), default=0.0)
    top = most if most is not None else nice_above(largest)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(at: float) -> float:
        return LEFT + wide * at / seconds

    def y(value: float) -> float:
        return TOP + high * (1 - min(value, top) / top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{html.escape(title)}" font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="15" font-weight="600" fill="#222222">{html.escape(title)}</text>',
    ]
    for attacked in (shade, *(section.shade for section in sections)):
        if attacked is None:
            continue
        begin, end = x(max(0.0, attacked[0])), x(min(seconds, attacked[1]))
        parts.append(
            f'<rect x="{begin:.1f}" y="{TOP}" width="{max(0.0, end - begin):.1f}" height="{high}"'
            f' fill="{ATTACK}" opacity="0.08"/>'
        )
    for share in (0, 0.5, 1):
        level = y(top * share)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}" stroke="#dddddd"/>',
            f'<text x="{LEFT - 6}" y="{level + 4:.1f}" text-anchor="end" fill="#555555">'
            f"{figure(top * share)}</text>",
        ]
    for second in range(0, int(seconds) + 1, every(seconds)):
        parts.append(
            f'<text x="{x(second):.1f}" y="{HEIGHT - 8}" text-anchor="middle" fill="#555555">'
            f"{second} s</text>"
        )
    for section in sections:
        parts += [
            f'<line x1="{x(section.begins):.1f}" x2="{x(section.begins):.1f}" y1="{TOP}" y2="{TOP + high}"'
            ' stroke="#888888"/>',
            f'<text x="{x(section.begins) + 4:.1f}" y="{TOP + high * 0.62:.1f}" font-weight="600"'
            f' fill="#444444">{html.escape(section.name)}</text>',
        ]
    for at, words in marks[:200]:
        parts.append(
            f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{TOP}" y2="{TOP + high}" stroke="#222222"'
            f' stroke-dasharray="1 3"><title>{html.escape(words)}</title></line>'
        )
    for line in series:
        dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
        parts.append(
            f'<path d="{path_of(line, x, y)}" fill="none" stroke="{line.colour}" stroke-width="1.6"{dash}/>'
        )
    right = WIDTH - RIGHT
    for line in reversed(series):
        parts.append(
            f'<text x="{right}" y="15" text-anchor="end" fill="{line.colour}">{html.escape(line.name)}</text>'
        )
        right -= 8 + round(6.2 * len(line.name))
    parts.append("</svg>")
    return "".join(parts)


def path_of(line: Series, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """The line's path; it is broken where there is no value."""
    steps, drawing = [], False
    for number, value in enumerate(line.values):
        if value is None:
            drawing = False
            continue
        steps.append(f"{'L' if drawing else 'M'}{x(number * line.step_s):.1f} {y(value):.1f}")
        drawing = True
    return "".join(steps)


def nice_above(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def every(seconds: float) -> int:
    """How far apart the seconds are that are written under a chart."""
    return next(step for step in (1, 2, 5, 10, 20, 60, 600, 86_400) if seconds / step <= 14)


def figure(value: float) -> str:
    """A short number."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    if value >= 1_000:
        return f"{value / 1_000:g} k"
    return f"{value:g}"


def colour(contender: str) -> str:
    return COLOURS.get(contender, "#444444")
