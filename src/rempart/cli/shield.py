"""``rempart shield``: the packet shield, looked at and changed by hand.

Works on the tables that are in the kernel and on the lists on disk, and asks no process: what is done here
holds at once, also while every part of the node is dead.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypedDict, Unpack

import click

from rempart.cli.output import document, json_option, note, say, table
from rempart.cli.session import Session, pass_session
from rempart.cli.shield_rules import rules
from rempart.cli.shield_views import ListingView, PutView, TakesView
from rempart.cli.shield_watching import capture, status, top
from rempart.model.errors import EnvironmentLacks, InvalidInput
from rempart.node.shield.by_hand import ALLOW, BLOCK, Listing, Lists, Put, Takes, opened
from rempart.node.shield.prefix_files import Prefixes, duration, one_prefix, read_prefixes

NOT_LOADED = "no packet shield is in the kernel: it is stored, and holds from the next start of rempart up"
SPARED_SHOWN = COVERED_SHOWN = 5
EACH_SHOWN = 20
_PREFIXES = click.argument("prefixes", nargs=-1, metavar="PREFIX…")
_FILE = click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file of prefixes, one on a line; - reads standard input.",
)
_REALLY = click.option("--yes-really", "really", is_flag=True, help="Also what is refused as dangerous.")


class _Named(TypedDict):
    """Prefixes on the command line, or in a file."""

    prefixes: tuple[str, ...]
    file: Path | None


class _Wanted(_Named):
    """And for how long, why, and whether it was thought over."""

    time_: str | None
    reason: str
    really: bool


@click.group()
def shield() -> None:
    """The packet shield: what it does, whom it blocks, its rules."""


for _command in (status, top, capture, rules):
    shield.add_command(_command)


def _puts(command: Callable[..., None], opposite: str) -> click.Command:
    """A command that puts prefixes on a list: what ``block`` and ``allow`` ask for."""
    for decorate in (
        pass_session,
        json_option,
        _REALLY,
        _FILE,
        click.option("--reason", default="", help="Why, for whoever looks at the list later."),
        click.option(
            "--for",
            "time_",
            metavar="TIME",
            help=f"How long: 90s, 30m, 1h, 7d.  [default: until {opposite}]",
        ),
        _PREFIXES,
    ):
        command = decorate(command)
    return shield.command()(command)


def _takes(command: Callable[..., None]) -> click.Command:
    """A command that takes prefixes off a list: what ``unblock`` and ``disallow`` ask for."""
    for decorate in (pass_session, json_option, _FILE, _PREFIXES):
        command = decorate(command)
    return shield.command()(command)


@partial(_puts, opposite="unblocked")
def block(session: Session, as_json: bool, **given: Unpack[_Wanted]) -> None:
    """Drop everything from these addresses and prefixes, at once."""
    _put(session, BLOCK, "blocked", given, as_json)


@_takes
def unblock(session: Session, as_json: bool, **given: Unpack[_Named]) -> None:
    """Take prefixes off the block list, at once. Exit status 1 when a shorter one still covers one of
    them."""
    _take(session, BLOCK, "blocked", given, as_json)


@partial(_puts, opposite="disallowed")
def allow(session: Session, as_json: bool, **given: Unpack[_Wanted]) -> None:
    """Let everything from these addresses and prefixes through, before any other rule or list."""
    _put(session, ALLOW, "allowed", given, as_json)


@_takes
def disallow(session: Session, as_json: bool, **given: Unpack[_Named]) -> None:
    """Take prefixes off the allow list, at once. Exit status 1 when a shorter one still covers one of
    them."""
    _take(session, ALLOW, "allowed", given, as_json)


@shield.command("list")
@click.argument("which", type=click.Choice(["blocked", "allowed"]), default="blocked")
@json_option
@pass_session
def list_(session: Session, which: str, as_json: bool) -> None:
    """Who is on a list, until when, why, and how often it was met."""
    with _lists(session) as found:
        entries = sorted(
            found.entries(BLOCK if which == "blocked" else ALLOW),
            key=lambda one: (one.network.version, one.network.network_address.packed, one.network.prefixlen),
        )
    if as_json:
        document([ListingView.of(one).model_dump(mode="json") for one in entries])
        return
    rows = [_row(one) for one in entries]
    table(("PREFIX", "UNTIL", "PACKETS", "REASON"), rows, empty=f"nobody is {which}")


# --- what they share ---------------------------------------------------------------------------------


@contextmanager
def _lists(session: Session) -> Iterator[Lists]:
    held = opened(session.configuration)
    if held is None and not session.configuration.paths.shield.is_dir():
        raise EnvironmentLacks(
            "packet shield",
            f"nothing was ever started on {session.configuration.paths.root}",
            hint="start it with: rempart up",
        )
    try:
        yield Lists(session.configuration, held)
    finally:
        if held is not None:
            held.close()


def _put(session: Session, name: str, words: str, wanted: _Wanted, as_json: bool) -> None:
    seconds = duration(wanted["time_"]) if wanted["time_"] is not None else None
    reason, prefixes = wanted["reason"], wanted["prefixes"]
    if len(reason) > 200 or "\n" in reason:
        raise InvalidInput("a line of at most 200 characters is meant", field="--reason")
    with _progress() as advance:
        given = _given(prefixes, wanted["file"], advance)
        with _lists(session) as found:
            done = found.put(
                name, given, seconds=seconds, reason=reason, really=wanted["really"], progress=advance
            )
    until = "" if seconds is None else f" until {_moment(time.time() + seconds)}"
    _say_put(done, f"{_entries(done, prefixes)} {words}{until}.", as_json)


def _take(session: Session, name: str, words: str, named: _Named, as_json: bool) -> None:
    with _progress() as advance:
        given = _given(named["prefixes"], named["file"], advance)
        with _lists(session) as found:
            taken = found.take(name, given, progress=advance)
    _say_taken(taken, words, as_json)


def _given(prefixes: tuple[str, ...], file: Path | None, advance: _Advance) -> Prefixes:
    if bool(prefixes) == (file is not None):
        raise InvalidInput(
            "prefixes on the command line or in a file are meant",
            field="PREFIX",
            hint="PREFIX… or --file LIST",
        )
    if file is None:
        for one in prefixes:
            one_prefix(one)
        return read_prefixes(prefixes, "PREFIX", advance)
    if str(file) == "-":
        return read_prefixes(sys.stdin, "standard input", advance)
    try:
        with file.open(encoding="utf-8") as lines:
            return read_prefixes(lines, str(file), advance)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is no text (UTF-8)", field="--file") from error
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}", field="--file") from error


class _Advance:
    """Shows how far it is, on a terminal, once it takes longer than a moment."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._shown = False

    def __call__(self, count: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._began > 0.5:
            self._shown = True
            click.echo(f"\r{count:,} …", err=True, nl=False)

    def end(self) -> None:
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)


@contextmanager
def _progress() -> Iterator[_Advance]:
    advance = _Advance()
    try:
        yield advance
    finally:
        advance.end()


def _say_put(done: Put, words: str, as_json: bool) -> None:
    if as_json:
        document(PutView.of(done).model_dump(mode="json"))
    else:
        say(words)
    if not done.live:
        note(f"rempart: {NOT_LOADED}")
    for one in done.spared[:SPARED_SHOWN]:
        note(f"rempart: {one} inside of it is on the allow list and goes on being let through")
    if len(done.spared) > SPARED_SHOWN:
        note(f"rempart: and so are {len(done.spared) - SPARED_SHOWN} more")


def _say_taken(taken: Takes, list_name: str, as_json: bool) -> None:
    if as_json:
        document(TakesView.of(taken).model_dump(mode="json"))
    else:
        for words in _taken_words(taken, list_name):
            say(words)
    if not taken.live:
        note(f"rempart: {NOT_LOADED}")
    covered = [one for one in taken.each if one.covered_by]
    for one in covered[:COVERED_SHOWN]:
        around = one.covered_by[0]
        reason = f", {around.reason}" if around.reason else ""
        note(f"rempart: {one.network} is still {list_name}, by {around.network}{reason}")
    if covered:
        raise click.exceptions.Exit(1)


def _taken_words(taken: Takes, list_name: str) -> Iterable[str]:
    if len(taken.each) > EACH_SHOWN:
        words = "1 entry is" if taken.removed == 1 else f"{taken.removed:,} entries are"
        yield f"{words} off the list."
        return
    for one in taken.each:
        if not one.was_listed:
            yield f"{one.network} was not {list_name} by itself: unchanged."
        elif not one.covered_by:
            yield f"{one.network} is no longer {list_name}."
        else:
            yield f"{one.network} is off the list."


def _row(one: Listing) -> tuple[str, str, str, str]:
    until = _moment(one.until / 1e9) if one.until else ""
    return str(one.network), until, f"{one.packets:,}", one.reason


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(sep=" ", timespec="seconds")


def _entries(done: Put, given: tuple[str, ...]) -> str:
    if done.entries == 1:
        return f"{one_prefix(given[0]) if given else '1 prefix'} is"
    return f"{done.entries:,} prefixes are"
