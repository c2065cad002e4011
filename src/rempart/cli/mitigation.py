"""``rempart attacks``, ``rempart mitigations`` and ``rempart mitigation``: what the defence loop sees,
does and may do.

Works on files: the loops' journals are read, orders to them are written, and no process is asked, so it
works while parts are dead. An order is followed within a tick of the loop, and the command waits for the
answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import click

from rempart.cli.defence_views import (
    AttacksView,
    MitigationsView,
    ModesView,
    OrderedView,
    evidence_lines,
    moment,
    number,
)
from rempart.cli.output import document, json_option, note, say, table
from rempart.cli.session import Session, pass_session
from rempart.model.attacks import Layer, Mode
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput, NotFound, RempartError
from rempart.model.names import parse_hostname
from rempart.node.defending import orders
from rempart.node.defending.entries import NODE_SUBJECT, Account, Entry, read_identity
from rempart.node.defending.journal import read_account, read_accounts, read_history
from rempart.node.defending.running import not_running, runs

WAIT_SECONDS = 5.0
"""How long an order's answer is waited for."""
_ALL = click.option("--all", "every", is_flag=True, help="Also what is over, newest first.")
_LOOKING = 0.02


@click.command()
@_ALL
@json_option
@pass_session
def attacks(session: Session, every: bool, as_json: bool) -> None:
    """Attacks that go on: what is attacked, since when, what they have in common, what stands against
    them."""
    accounts = _accounts(session.configuration)
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
        document(AttacksView(attacks=tuple(found)).model_dump(mode="json"))
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
    found = [one for account in _accounts(configuration) for one in account.standing]
    if every:
        found += sorted(_past(configuration), key=lambda one: one.since, reverse=True)
    if as_json:
        document(MitigationsView(mitigations=tuple(found)).model_dump(mode="json"))
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
    found = _found(session.configuration, id_)
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
@json_option
@pass_session
def revoke(session: Session, id_: str, as_json: bool) -> None:
    """End it at once, and keep it and what means the same from coming back."""
    configuration = session.configuration
    found = _found(configuration, id_)
    made = orders.Revocation(
        id=found.id,
        layer=found.layer,
        subject=found.subject,
        signature=found.signature,
        at=datetime.now(UTC),
    )
    words = f"{found.id} is revoked: {found.words}"
    _ordered(
        configuration, lambda before: orders.revoked(before, made), (found.layer,), words, as_json, found
    )


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
    _ordered(configuration, lambda before: orders.permitted(before, found.id), (layer,), words, as_json)


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
    subject = NODE_SUBJECT if site is None else parse_hostname(site, wildcard=True, field="--site")
    layer = Layer.PACKET if site is None else Layer.REQUEST
    wanted = None if mode_ == "default" else Mode(mode_)
    holds = wanted or Mode(configuration.defence.mode)
    words = f"{subject}: {holds}" + (" (the configuration's)" if wanted is None else "")
    _ordered(
        configuration, lambda before: orders.with_mode(before, subject, wanted), (layer,), words, as_json
    )


# --- what they share ---------------------------------------------------------------------------------


def _accounts(configuration: Configuration) -> tuple[Account, ...]:
    if not configuration.paths.defence.is_dir():
        raise EnvironmentLacks(
            "defence loop",
            f"nothing was ever started on {configuration.paths.root}",
            hint="start it with: rempart up",
        )
    return read_accounts(configuration.paths)


def _past(configuration: Configuration) -> list[Entry]:
    lines = (one for layer in Layer for one in read_history(configuration.paths, layer))
    return [one.mitigation for one in lines if one.mitigation is not None]


def _found(configuration: Configuration, id_: str) -> Entry:
    layer, count = read_identity(id_)
    for account in _accounts(configuration):
        for one in account.standing:
            if (one.layer, one.number) == (layer, count):
                return one
    for one in _past(configuration):
        if (one.layer, one.number) == (layer, count):
            return one
    raise NotFound(f"there is no mitigation {id_}", hint="rempart mitigations --all lists them")


def _ordered(
    configuration: Configuration,
    made: Callable[[orders.Orders], orders.Orders],
    layers: tuple[Layer, ...],
    words: str,
    as_json: bool,
    revoked: Entry | None = None,
) -> None:
    if not configuration.defence.enabled:
        raise Conflict(
            "the defence loop is switched off",
            field="defence.enabled",
            hint="nothing stands that it has made",
        )
    began = time.monotonic()
    given = orders.change(configuration.paths, made)
    followed = _followed(configuration, given.number, layers)
    waited = time.monotonic() - began
    if as_json:
        document(
            OrderedView(order=given.number, followed=followed, waited_ms=round(1_000 * waited)).model_dump()
        )
    else:
        say(words + (f"; followed after {1_000 * waited:.0f} ms" if followed else ""))
    if not followed and Layer.PACKET in layers and revoked is not None:
        _taken_out(configuration, revoked)
    if not followed:
        missing = not_running(configuration.paths, layers)
        why = f"{', '.join(missing)} does not run" if missing else f"no answer within {WAIT_SECONDS:g} s"
        note(f"rempart: it is stored and holds from the next start of the loop: {why}")


def _taken_out(configuration: Configuration, found: Entry) -> None:
    """Where no process would: its rule out of the packet program, which goes on by itself."""
    from rempart.engines.shield import rules
    from rempart.node.shield.by_hand import opened
    from rempart.node.shield.rule_files import kept_rules
    from rempart.node.shield.rule_sets import is_derived, mitigation_of

    held = opened(configuration)
    if held is None:
        return
    try:
        rules.replace(
            held,
            kept_rules(configuration.paths),
            keep=lambda number: is_derived(number) and mitigation_of(number) != found.number,
        )
    finally:
        held.close()


def _followed(configuration: Configuration, given: int, layers: tuple[Layer, ...]) -> bool:
    paths, deadline = configuration.paths, time.monotonic() + WAIT_SECONDS
    if not all(runs(paths, one) for one in layers):
        return False
    while time.monotonic() < deadline:
        accounts = (read_account(paths, one) for one in layers)
        if all(one is not None and one.orders >= given for one in accounts):
            return True
        time.sleep(_LOOKING)
    return False


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


def _say_missing(configuration: Configuration) -> None:
    if not configuration.defence.enabled:
        note("rempart: the defence loop is switched off by defence.enabled = false")
        return
    try:
        missing = not_running(configuration.paths, tuple(Layer))
    except RempartError:
        return
    for one in missing:
        note(f"rempart: {one} does not run: this is what it said last")


def _does(one: Entry) -> str:
    return f"{one.action} above {number(one.per_second)}/s" if one.per_second is not None else str(one.action)
