"""What commands print: tables for people, one JSON document for programs, messages to standard error.

Standard output carries the result and nothing else, so that it can be piped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def say(text: str = "") -> None:
    """A line of the result."""
    click.echo(text)


def note(text: str) -> None:
    """A line that is not part of the result."""
    click.echo(text, err=True)


def document(value: Any) -> None:
    """The result as one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def counted(number: int, what: str) -> str:
    """``1 zone``, ``2 zones``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Rows under their columns: drawn on a terminal, plain and tab-separated in a pipe."""
    if not rows:
        note(empty)
        return
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            click.echo("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        # What must be typed again stays in one piece, however narrow the terminal.
        whole = max(len(row[number]) for row in rows) if column == "ID" else None
        drawn.add_column(column, overflow="fold", min_width=whole, no_wrap=whole is not None)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(drawn)


@contextmanager
def working(words: str) -> Iterator[None]:
    """Show on a terminal that something that may take longer is under way."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        progress.add_task(words, total=None)
        yield
