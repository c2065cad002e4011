"""``rempart transparency``: the reports that DSA Art. 15 asks for, counted from the cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rempart.cli.output import document, json_option, note, say, working
from rempart.cli.session import Session, pass_session
from rempart.model.errors import EnvironmentLacks, InvalidInput

if TYPE_CHECKING:
    from rempart.governance.disclosure.words import Language

_year = click.option("--year", required=True, type=click.IntRange(2020, 2100))
_half = click.option("--half", type=click.Choice(["1", "2"]), help="Half a year.  [default: all of it]")


@click.group()
def transparency() -> None:
    """Transparency reports: what was reported, ordered, decided and appealed, in numbers."""


@transparency.command()
@_year
@_half
@click.option(
    "--format", "kind", type=click.Choice(["json", "csv", "html"]), default="json", show_default=True,
    help="csv: the tables of Implementing Regulation (EU) 2024/2835, a file each.",
)  # fmt: skip
@click.option(
    "--language", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="Of the page."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="A file; for csv, a folder.")
@pass_session
def report(
    session: Session, year: int, half: str | None, kind: str, language: Language, out: Path | None
) -> None:
    """A report of a year or half a year; before that is over, of what there is so far."""
    from rempart.governance.disclosure.counting import TransparencyReport
    from rempart.governance.disclosure.files import json_of
    from rempart.governance.disclosure.page import page
    from rempart.governance.disclosure.templates import tables

    if kind == "csv" and out is None:
        raise InvalidInput("the tables are a file each", field="--out", hint="name a folder: -o FOLDER")
    with session.controller() as controller, working("counting"):
        made = controller.ask(TransparencyReport, "/v1/transparency", year=year, half=half)
    if kind == "csv" and out is not None:
        written = _written(out, tables(made))
        note(f"{written} tables are in {out}.")
        return
    text = json_of(made) if kind == "json" else page(made, language)
    if out is None:
        click.echo(text, nl=False)
        return
    _write(out, text)
    note(f"The report is in {out}.")


@transparency.command()
@_year
@_half
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write its files to this folder, too.",
)
@json_option
@pass_session
def publish(session: Session, year: int, half: str | None, out: Path | None, as_json: bool) -> None:
    """Put the report of a period that is over into the public log, with the hash of each of its files."""
    from rempart.controller.cases.disclosure import Published
    from rempart.governance.disclosure.counting import Period
    from rempart.governance.disclosure.files import files_of

    period = Period.model_validate({"year": year, "half": half and int(half)})
    with session.controller() as controller, working("counting"):
        made = controller.write(Published, "POST", "/v1/transparency", body=period)
    if out is not None:
        _written(out, files_of(made.report))
    if as_json:
        document(made.model_dump(mode="json"))
        return
    over = made.report.period
    say(f"The report of {over.first} to {over.last} is entry {made.index} of the public log.")
    if out is not None:
        say(f"Its files are in {out}; put them where everybody can read them.")


def _written(folder: Path, files: dict[str, str]) -> int:
    for name, text in files.items():
        _write(folder / name, text)
    return len(files)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    except OSError as error:
        raise EnvironmentLacks(str(path), f"{path} cannot be written: {error.strerror}") from error
