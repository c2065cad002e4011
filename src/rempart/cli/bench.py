"""``rempart bench``: measure on this machine, side by side with peers, and say what was not reached.

Each benchmark is imported when it is run: they bring the whole controller along, and other commands start
without it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from rempart.cli.output import json_option, say, table
from rempart.lab.bench.report import BenchReport

Progress = Callable[[str], None]

_rounds = click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1, 100), help="Interleaved rounds."
)
_seconds = click.option(
    "--seconds", default=2, show_default=True, type=click.IntRange(1, 60), help="Length of one run."
)
_keep = click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False),
    help="Fill this folder and keep it: the next run goes on with it.  [default: a temporary one]",
)  # fmt: skip
_build_seconds = click.option(
    "--build-seconds", type=click.FloatRange(min=1),
    help="Fill for so long at most; measured is only what is full.",
)  # fmt: skip


@click.group()
def bench() -> None:
    """Measure this machine: ratios and medians, side by side with peers."""


@bench.command()
@_rounds
@_seconds
@json_option
def edge(rounds: int, seconds: int, as_json: bool) -> None:
    """What protection costs a request, next to plain HAProxy and nginx."""
    from rempart.lab.bench import edge as edge_bench

    finish(lambda progress: edge_bench.run(rounds, seconds, progress), as_json)


@bench.command()
@_rounds
@_seconds
@json_option
def defence(rounds: int, seconds: int, as_json: bool) -> None:
    """What the judgement of the defence loop costs, calm and under attack."""
    from rempart.lab.bench import defence as defence_bench

    finish(lambda progress: defence_bench.run(rounds, seconds, progress), as_json)


@bench.command()
@click.option(
    "--entries", default=1_000_000, show_default=True, type=click.IntRange(1_000, 100_000_000),
    help="How large the log is.",
)  # fmt: skip
@_keep
@_build_seconds
@json_option
def log(entries: int, keep: Path | None, build_seconds: float | None, as_json: bool) -> None:
    """What the public log costs: appending, proofs, serving, disk, memory, and verifying all of it."""
    from rempart.lab.bench import public_log as log_bench

    finish(lambda progress: log_bench.run(entries, keep, build_seconds, progress), as_json)


@bench.command()
@click.option(
    "--cases", "number", default=100_000, show_default=True, type=click.IntRange(100, 10_000_000),
    help="How many there are.",
)  # fmt: skip
@_keep
@_build_seconds
@json_option
def cases(number: int, keep: Path | None, build_seconds: float | None, as_json: bool) -> None:
    """What many cases cost: lists, searches, signatures, a year's report, disk and memory."""
    from rempart.lab.bench import cases as cases_bench

    finish(lambda progress: cases_bench.run(number, keep, build_seconds, progress), as_json)


@bench.command()
@_rounds
@_seconds
@json_option
def gate(rounds: int, seconds: int, as_json: bool) -> None:
    """What challenges cost the edge, and what a clearance costs a request."""
    from rempart.lab.bench import gate as gate_bench

    finish(lambda progress: gate_bench.run(rounds, seconds, progress), as_json)


@bench.command()
@_rounds
@_seconds
@json_option
def generators(rounds: int, seconds: int, as_json: bool) -> None:
    """Packets per second that one core of the lab sends, next to the field's generators (as root)."""
    from rempart.lab.bench import generators as generators_bench

    finish(lambda progress: generators_bench.run(rounds, seconds, progress), as_json)


@bench.command()
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(1, 100), help="Interleaved rounds."
)
@click.option(
    "--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1, 60), help="Length of one run."
)
@json_option
def shield(rounds: int, seconds: float, as_json: bool) -> None:
    """What the packet shield costs a packet, and a flood next to nftables (as root; a quarter of an hour)."""
    from rempart.lab.bench import shield as shield_bench

    finish(lambda progress: shield_bench.run(rounds, seconds, progress), as_json)


@bench.command()
@click.option(
    "--size", "sizes", multiple=True, type=click.IntRange(1, 50_000), help="Sites; may be repeated."
)
@click.option("--changes", default=15, show_default=True, type=click.IntRange(1, 1_000))
@json_option
def sites(sizes: tuple[int, ...], changes: int, as_json: bool) -> None:
    """How long one site change takes to be live, and what sites cost in memory."""
    from rempart.lab.bench import sites as sites_bench

    finish(lambda progress: sites_bench.run(sizes or sites_bench.SIZES, changes, progress), as_json)


@bench.command()
@click.option(
    "--size", "sizes", multiple=True, type=click.IntRange(1, 50_000), help="Zones; may be repeated."
)
@click.option("--changes", default=50, show_default=True, type=click.IntRange(1, 1_000))
@_rounds
@json_option
def dns(sizes: tuple[int, ...], changes: int, rounds: int, as_json: bool) -> None:
    """How long a record change takes to be answered, and queries per second next to plain Knot."""
    from rempart.lab.bench import dns as dns_bench

    finish(
        lambda progress: dns_bench.run(sizes or dns_bench.SIZES, changes, rounds, progress=progress), as_json
    )


def finish(measure: Callable[[Progress], BenchReport], as_json: bool) -> None:
    """Measure with progress on standard error, print the report, exit 1 when a bar was not met."""
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        report = measure(status.update)
    if as_json:
        say(report.json_text())
    else:
        show(report)
    click.get_current_context().exit(0 if report.ok else 1)


def show(report: BenchReport) -> None:
    """The report for a person: the figures, then the bars."""
    rows = []
    for row in report.rows:
        ratios = [f"{value:.2f} × {peer}" for peer, value in row.ratio.items() if value is not None]
        figure = "not measured" if row.value is None else f"{row.value:,.1f}"
        rows.append((row.name, figure, row.unit, "; ".join([*ratios, row.note] if row.note else ratios)))
    table(("WHAT", "MEDIAN", "UNIT", "RATIO TO PEERS, REMARKS"), rows, empty="nothing was measured")
    say()
    for bar in report.bars:
        got = "not measured" if bar.got is None else f"{bar.got:.2f}"
        say(f"{'met    ' if bar.ok else 'NOT MET'}  {bar.name}: {got} (want {bar.want})")
