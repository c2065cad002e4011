"""``rempart attacks``, ``rempart mitigations`` and ``rempart mitigation``: what the defence loop sees,
does and may do.

Works on files: the loops' journals are read, orders to them are written, and no process is asked, so it
works while parts are dead. An order is followed within a tick of the loop, and the command waits for the
answer.
"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from rempart.cli.defence_orders import all_accounts, found_entry, order, past, revocation
from rempart.cli.defence_views import (
    AttacksView,
    MitigationsView,
    ModesView,
    evidence_lines,
    moment,
    number,
)
from rempart.cli.output import document, json_option, note, say, table
from rempart.cli.session import Session, pass_session
from rempart.model.attacks import Layer, Mode
from rempart.model.configuration import Configuration
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.names import parse_hostname
from rempart.node.defending import orders
from rempart.node.defending.entries import NODE_SUBJECT, Entry, read_identity
from rempart.node.defending.journal import read_history
from rempart.node.defending.running import not_running, stale
from rempart.node.last_good import holds

_ALL = click.option("--all", "every", is_flag=True, help="Also what is over, newest first.")


@click.command()
@_ALL
@json_option
@pass_session
def attacks(session: Session, every: bool, as_json: bool) -> None:
    """Attacks that go on: what is attacked, since when, what they have in common, what stands against
    them."""
    accounts = all_accounts(session.configuration)
    found = [one for account in accounts for one in account.attacks]
    if every:
        past = [
            one.attack
            for layer in Layer
            for one in reversed(read_history(session.configuration.paths, layer))
            if one.attack is not None
        ]
        found += sorted(past, key=lambda one: one.begin, reverse=True)
    if as_json:
        document(
            AttacksView(attacks=tuple(found), stale=_stale(session.configuration)).model_dump(mode="json")
        )
        return
    rows = [
        (
            one.subject,
            one.kind,
            moment(one.begin),
            moment(one.end) if one.end else "",
            f"{number(one.peak)}/s",
            f"{number(one.usual)}/s",
            " ".join(one.mitigations),
            "; ".join(one.signatures),
        )
        for one in found
    ]
    columns = ("ON", "KIND", "SINCE", "UNTIL", "PEAK", "USUAL", "ANSWERED BY", "SIGNATURE")
    table(columns, rows, empty="no attack goes on" if not every else "no attack was ever seen")
    _say_missing(session.configuration)


@click.command()
@_ALL
@json_option
@pass_session
def mitigations(session: Session, every: bool, as_json: bool) -> None:
    """What stands against attacks now: what is done with what, since when, until when, how often it was
    met."""
    configuration = session.configuration
    found = [one for account in all_accounts(configuration) for one in account.standing]
    if every:
        found += sorted(past(configuration), key=lambda one: one.since, reverse=True)
    if as_json:
        document(
            MitigationsView(mitigations=tuple(found), stale=_stale(configuration)).model_dump(mode="json")
        )
        return
    rows = [
        (
            one.id,
            one.subject,
            _does(one),
            str(one.state),
            number(one.hits),
            moment(one.since),
            moment(one.ended or one.expires),
            one.words,
        )
        for one in found
    ]
    columns = ("ID", "ON", "ACTION", "STATE", "HITS", "SINCE", "UNTIL", "SIGNATURE")
    table(columns, rows, empty="nothing stands" if not every else "nothing ever stood")
    _say_missing(configuration)


@click.group()
def mitigation() -> None:
    """One mitigation: why it is there, and an end to it; and whether they act at all."""


@mitigation.command()
@click.argument("id_", metavar="ID")
@json_option
@pass_session
def show(session: Session, id_: str, as_json: bool) -> None:
    """Its cause, its signature, the figures that it stands on, what it met, when it ends."""
    found = found_entry(session.configuration, id_)
    if as_json:
        document(found.model_dump(mode="json"))
        return
    say(f"{found.id}  {_does(found)}, {found.state}")
    say(f"  on           {found.subject}")
    say(f"  cause        {found.cause}")
    say(f"  signature    {found.words}")
    for line in evidence_lines(found):
        say(f"  {line}")
    say(f"  hits         {number(found.hits)}")
    say(f"  since        {moment(found.since)}")
    if found.ended is None:
        say(f"  expires      {moment(found.expires)}, later while it is met")
    else:
        say(f"  ended        {moment(found.ended)}: {found.why}")


@mitigation.command()
@click.argument("id_", metavar="ID")
@click.option("--address", metavar="ADDRESS", help="Of one that is over and was about a single address.")
@json_option
@pass_session
def revoke(session: Session, id_: str, address: str | None, as_json: bool) -> None:
    """End it at once, and keep it and what means the same from coming back."""
    configuration = session.configuration
    found = found_entry(configuration, id_)
    made = revocation(found, address)
    words = f"{found.id} is revoked: {found.words}"
    order(configuration, lambda before: orders.revoked(before, made), (found.layer,), words, as_json, found)


@mitigation.command()
@click.argument("id_", metavar="ID")
@json_option
@pass_session
def restore(session: Session, id_: str, as_json: bool) -> None:
    """Take a revocation back: the loop may find the same again."""
    configuration = session.configuration
    layer, count = read_identity(id_)
    known = {one.id: one for one in orders.read_orders(configuration.paths).revocations}
    found = next((one for one in known.values() if read_identity(one.id) == (layer, count)), None)
    if found is None:
        names = ", ".join(known) or "none is"
        raise NotFound(f"{id_} is not revoked", hint=f"revoked: {names}")
    words = f"{found.id} is no longer revoked"
    order(configuration, lambda before: orders.permitted(before, found.id), (layer,), words, as_json)


@mitigation.command()
@click.argument("mode_", metavar="[enforce|observe|default]", required=False)
@click.option("--site", metavar="HOST", help="Of one site's requests.")
@click.option("--packets", is_flag=True, help="Of this node's packets.")
@json_option
@pass_session
def mode(session: Session, mode_: str | None, site: str | None, packets: bool, as_json: bool) -> None:
    """Whether mitigations act (enforce) or only say what they would do (observe); without arguments, what
    holds."""
    configuration = session.configuration
    if mode_ is None:
        _show_modes(configuration, as_json)
        return
    if mode_ not in (*Mode, "default"):
        raise InvalidInput(f"{mode_!r}: enforce, observe or default is meant", field="MODE")
    if packets == (site is not None):
        raise InvalidInput(
            "--packets or --site HOST is meant", field="MODE", hint="rempart mitigation mode shows all"
        )
    subject = NODE_SUBJECT if site is None else _site(configuration, site)
    layer = Layer.PACKET if site is None else Layer.REQUEST
    wanted = None if mode_ == "default" else Mode(mode_)
    holds = wanted or Mode(configuration.defence.mode)
    words = f"{subject}: {holds}" + (" (the configuration's)" if wanted is None else "")
    order(configuration, lambda before: orders.with_mode(before, subject, wanted), (layer,), words, as_json)


def _show_modes(configuration: Configuration, as_json: bool) -> None:
    given = orders.read_orders(configuration.paths)
    found = ModesView(default=Mode(configuration.defence.mode), modes=given.modes)
    if as_json:
        document(found.model_dump(mode="json"))
        return
    rows = [
        ("default", str(found.default)),
        *((one, str(value)) for one, value in sorted(found.modes.items())),
    ]
    table(("ON", "MODE"), rows, empty="")


def _site(configuration: Configuration, text: str) -> str:
    """A site that there is, or that has a mode from when there was one. Raises InvalidInput, NotFound."""
    host = parse_hostname(text, wildcard=True, field="--site")
    known = holds(configuration.paths.last_good, f"site/{host}")
    if known is False and host not in orders.read_orders(configuration.paths).modes:
        raise NotFound(f"this node serves no site {host}", hint="rempart site list names them")
    return host


def _say_missing(configuration: Configuration) -> None:
    if not configuration.defence.enabled:
        note("rempart: the defence loop is switched off by defence.enabled = false")
        return
    for one in _stale(configuration):
        note(f"rempart: {one}")


def _stale(configuration: Configuration) -> tuple[str, ...]:
    wall = datetime.now(UTC)
    accounts = all_accounts(configuration)
    found = (stale(configuration.paths, one, wall) for one in accounts)
    silent = [one for one in Layer if one not in {account.layer for account in accounts}]
    never = (f"{one} does not run" for one in not_running(configuration.paths, silent))
    return (*(one for one in found if one), *never)


def _does(one: Entry) -> str:
    return f"{one.action} above {number(one.per_second)}/s" if one.per_second is not None else str(one.action)
