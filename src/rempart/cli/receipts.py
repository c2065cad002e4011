"""``rempart receipts``: what visitors who were refused say, why they were, and letting them through.

Works on files, like ``rempart mitigation``: what visitors say lies in ``receipts/``, a release is an order
to the defence loop, which follows it within a tick.
"""

from __future__ import annotations

import contextlib
import ipaddress
from datetime import UTC, datetime, timedelta

import click

from rempart.cli.defence_orders import found_entry, order, revocation
from rempart.cli.defence_views import moment
from rempart.cli.output import document, json_option, note, say, table
from rempart.cli.session import Session, pass_session
from rempart.model.attacks import Layer
from rempart.model.base import Value
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput, NotFound, RempartError
from rempart.model.receipts import WHY_OF_ONE, Message, Refusal, one_visitor
from rempart.node.defending import orders
from rempart.node.requests.receipts import Receipt

HOURS = 24
HOURS_MOST = 30 * 24
_SHOWN = 60


class Said(Value):
    """A receipt that visitors have written about."""

    receipt: Receipt | None
    """None: it is not of this node's key."""
    state: str
    """open, released (an address) or revoked (the mitigation)."""
    messages: tuple[Message, ...]


class SaidView(Value):
    """``rempart receipts --json``."""

    receipts: tuple[Said, ...]


@click.group(invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="Also those that are released or revoked.")
@json_option
@click.pass_context
def receipts(context: click.Context, every: bool, as_json: bool) -> None:
    """What visitors who were refused or challenged say about it: "this is a mistake", newest first."""
    if context.invoked_subcommand is not None:
        return
    session: Session = context.obj
    found = [one for one in _said(session.configuration) if every or one.state == "open"]
    if as_json:
        document(SaidView(receipts=tuple(found)).model_dump(mode="json"))
        return
    rows = [
        (
            moment(one.messages[-1].at),
            one.receipt.host if one.receipt else "?",
            one.receipt.mitigation or one.receipt.why or str(one.receipt.status) if one.receipt else "?",
            one.state,
            str(len(one.messages)),
            _line(one.messages[-1].text),
            one.messages[-1].receipt,
        )
        for one in found
    ]
    columns = ("SAID", "SITE", "BY", "STATE", "TIMES", "WORDS", "RECEIPT")
    table(columns, rows, empty="nobody has said that a refusal was a mistake")
    if session.configuration.operator_host is None:
        note("rempart: visitors have no page to say it on: operator_host is not set")


@receipts.command()
@click.argument("id_", metavar="ID")
@json_option
@pass_session
def show(session: Session, id_: str, as_json: bool) -> None:
    """Which layer and rule refused a request, since when, until when; and what was said about it.

    ID is the receipt that the page has shown, the page's address, or the request's id (X-Request-ID).
    """
    configuration = session.configuration
    text = _named(id_)
    found = _receipt(configuration, text)
    messages = tuple(one for one in _messages(configuration) if one.receipt == text)
    said = Said(receipt=found, state=_state(configuration, text, found), messages=messages)
    if as_json:
        document(said.model_dump(mode="json"))
        return
    say(f"{found.id}")
    say(f"  site      {found.host}, {moment(found.at)}: status {found.status}")
    say(f"  visitor   of {found.network}")
    say(f"  layer     {found.layer}")
    say(f"  rule      {found.rule}")
    if found.mitigation is not None:
        say(f"  by        {found.mitigation}" + (f" ({found.action})" if found.action else ""))
    if found.since is not None and found.until is not None:
        say(f"  since     {moment(found.since)}")
        say(f"  until     {moment(found.until)}")
    if said.state != "open":
        say(f"  state     {said.state}")
    for one in messages:
        who = one.address or f"somebody of {one.network}"
        say(f"  said      {moment(one.at)} by {who}" + (f", reach: {one.contact}" if one.contact else ""))
        for line in one.text.splitlines():
            say(f"            {line}")
    if said.state == "open" and _what_releases(found) is not None:
        say(f"  if it is wrong: rempart receipts release {found.id}")


@receipts.command()
@click.argument("id_", metavar="ID")
@click.option("--address", metavar="ADDRESS", help="The visitor's, when no message came from it.")
@click.option(
    "--hours", type=click.IntRange(1, HOURS_MOST), default=HOURS, show_default=True, help="Of an address."
)
@json_option
@pass_session
def release(session: Session, id_: str, address: str | None, hours: int, as_json: bool) -> None:
    """Let them through: the mitigation is revoked, or, where the site's limits or its challenge are about
    one visitor, this address is let through for some hours. It sticks."""
    configuration, text = session.configuration, _named(id_)
    found = _receipt(configuration, text)
    refusal = Refusal(
        host=found.host,
        status=found.status,
        why=found.why,
        at=int(found.at.timestamp()),
        network=found.network,
    )
    what = _what_releases(found)
    if what is None:
        raise Conflict(_nothing_to_release(found), field="ID")
    if what == "mitigation":
        entry = found_entry(configuration, found.mitigation or "")
        made = revocation(
            entry, _host(_address(configuration, text, refusal, address)) if entry.shortened else None
        )
        words = f"{entry.id} is revoked: {entry.words}"
        order(
            configuration, lambda before: orders.revoked(before, made), (entry.layer,), words, as_json, entry
        )
        return
    whom = _address(configuration, text, refusal, address)
    now = datetime.now(UTC)
    let = orders.Release(
        receipt=text, host=found.host, address=whom, at=now, until=now + timedelta(hours=hours)
    )
    words = f"{whom} passes the limits and the challenge of {found.host} until {moment(let.until)}"
    order(configuration, lambda before: orders.released(before, let, now), (Layer.REQUEST,), words, as_json)


@receipts.command()
@click.argument("id_", metavar="ID")
@json_option
@pass_session
def recall(session: Session, id_: str, as_json: bool) -> None:
    """Take the release of an address back. (A revoked mitigation: rempart mitigation restore.)"""
    configuration, text = session.configuration, _named(id_)
    now = datetime.now(UTC)
    known = [one for one in orders.read_orders(configuration.paths).releases if one.until > now]
    if text not in [one.receipt for one in known]:
        raise NotFound("no address is released by this receipt", hint="rempart receipts --all lists them")
    order(
        configuration,
        lambda before: orders.taken_back(before, text, now),
        (Layer.REQUEST,),
        "the release is taken back",
        as_json,
    )


def _named(text: str) -> str:
    """The receipt in what somebody has copied: it, or the address of its page."""
    wanted = text.strip().partition("?")[0].rstrip("/").rpartition("/")[2]
    if not wanted or not all("!" <= one <= "~" and one not in "\"'" for one in wanted):
        raise InvalidInput(f"{text!r} is no receipt", field="ID", hint="the page that refused shows it")
    return wanted


def _receipt(configuration: Configuration, text: str) -> Receipt:
    from rempart.node.requests import receipts as known

    if "." in text:
        return known.receipt(configuration.paths, text)
    try:
        found = known.logged(configuration.paths, text)
    except OSError as error:
        raise EnvironmentLacks(
            "edge.log", f"the edge's log cannot be read: {error.strerror}", hint="run this as root"
        ) from error
    if found is None:
        raise NotFound(
            f"the edge's log has no request {text}",
            hint="it was served, or it is too long ago, or it came amid an attack, of which a share is kept",
        )
    return found


def _said(configuration: Configuration) -> list[Said]:
    """By receipt, the one that was written about last first."""
    by: dict[str, list[Message]] = {}
    for one in _messages(configuration):
        by.setdefault(one.receipt, []).append(one)
    found = []
    for text, messages in sorted(by.items(), key=lambda one: one[1][-1].at, reverse=True):
        receipt: Receipt | None = None
        with contextlib.suppress(RempartError):
            receipt = _receipt(configuration, text)
        state = _state(configuration, text, receipt)
        found.append(Said(receipt=receipt, state=state, messages=tuple(messages)))
    return found


def _messages(configuration: Configuration) -> tuple[Message, ...]:
    from rempart.gate.receipts.files import read_messages

    folder = configuration.paths.receipts
    try:
        return read_messages(folder)
    except OSError as error:
        raise EnvironmentLacks(
            str(folder), f"{folder} cannot be read: {error.strerror}", hint="run this as root"
        ) from error


def _state(configuration: Configuration, text: str, found: Receipt | None) -> str:
    given, now = orders.read_orders(configuration.paths), datetime.now(UTC)
    if any(one.receipt == text and one.until > now for one in given.releases):
        return "released"
    if found is not None and found.mitigation in {one.id for one in given.revocations}:
        return "revoked"
    return "open"


def _what_releases(found: Receipt) -> str | None:
    if found.mitigation is not None:
        return "mitigation"
    return "address" if found.why in WHY_OF_ONE else None


def _nothing_to_release(found: Receipt) -> str:
    if found.why == "site-rate":
        return (
            f"the limit of {found.host} is about all its visitors together: "
            f"rempart site change {found.host} changes it"
        )
    return f"there is nothing to release: {found.rule}"


def _address(configuration: Configuration, text: str, refusal: Refusal, given: str | None) -> str:
    """Whose refusal it was, as far as it can be known."""
    if given is None:
        said = [one.address for one in _messages(configuration) if one.receipt == text and one.address]
        if said:
            return said[-1]
        raise InvalidInput(
            f"the receipt knows only that the visitor is of {refusal.network}; no message came from there",
            field="--address",
            hint="ask the visitor, and say --address",
        )
    try:
        plain = str(ipaddress.ip_network(given, strict=False).network_address)
    except ValueError:
        raise InvalidInput(f"{given!r} is no address", field="--address") from None
    if not refusal.holds(plain):
        raise InvalidInput(f"{given} is not of {refusal.network}, as the visitor is", field="--address")
    return one_visitor(plain)


def _host(address: str) -> str:
    return address.partition("/")[0]


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
