"""``rempart zone``: domains whose DNS is answered here."""

from __future__ import annotations

from pathlib import Path

import click

from rempart.cli.bundle import export_bundle
from rempart.cli.files import read_text, write_new
from rempart.cli.output import document, json_option, note, say, table, working
from rempart.cli.results import delegation_lines, finish
from rempart.cli.session import Session, pass_session, route
from rempart.controller.admin_api.messages import (
    Dnssec,
    DnssecAnswer,
    ImportAnswer,
    Made,
    NewZone,
    ZoneAnswer,
    ZoneChange,
    Zones,
    ZoneSummary,
)
from rempart.model.challenges import SecurityLevel
from rempart.model.errors import InvalidInput
from rempart.model.record_parsing import TTL_MAX, TTL_MIN
from rempart.model.zones import SslMode, Zone

_CONFIRM = click.option("--confirm", metavar="DIGEST", help="Carry out the plan with this digest.")
_ON_OFF = click.Choice(["on", "off"])


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """A TTL; 0 for ``off``."""
    if value is None or value == "off":
        return None if value is None else 0
    if not (value.isascii() and value.isdigit()) or not TTL_MIN <= int(value[:9]) <= TTL_MAX:
        raise click.BadParameter(f"from {TTL_MIN} to {TTL_MAX} seconds, or off")
    return int(value)


@click.group()
def zone() -> None:
    """Domains whose DNS is answered here."""


@zone.command("add")
@click.argument("name")
@click.option("--account", metavar="NAME", help="Account that owns it.")
@json_option
@pass_session
def add(session: Session, name: str, account: str | None, as_json: bool) -> None:
    """Answer for NAME, with no records yet."""
    with session.controller() as controller, working(f"adding {name}"):
        answer = controller.write(ZoneAnswer, "POST", "/v1/zones", body=NewZone(name=name, account=account))
    lines = [f"{answer.zone.name} is a zone here."]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)
    if not as_json:
        for line in delegation_lines(answer.zone.name, answer.nameservers):
            say(line)


@zone.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """All zones."""
    with session.controller() as controller:
        zones = controller.ask(Zones, "/v1/zones")
    if as_json:
        document(zones.model_dump(mode="json"))
        return
    rows = [
        (
            one.zone.name,
            one.zone.status.value,
            "on" if one.zone.settings.dnssec else "off",
            " ".join(server.name for server in one.nameservers),
        )
        for one in zones.zones
    ]
    table(("ZONE", "STATUS", "DNSSEC", "NAME SERVERS"), rows, empty="no zones yet; rempart zone add NAME")


@zone.command("show")
@click.argument("name")
@json_option
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """One zone: settings, name servers, DS."""
    with session.controller() as controller:
        summary = controller.ask(ZoneSummary, route("zones", name))
        dnssec = controller.ask(Dnssec, route("zones", name, "dnssec"))
    if as_json:
        document({**summary.model_dump(mode="json"), "dnssec": dnssec.model_dump(mode="json")})
        return
    say(summary.zone.name)
    say(f"  status       {summary.zone.status.value}{', paused' if summary.zone.paused else ''}")
    say(f"  DNSSEC       {'on' if dnssec.enabled else 'off'}{_problem(dnssec)}")
    for line in _settings_lines(summary.zone):
        say(line)
    for line in delegation_lines(summary.zone.name, summary.nameservers, dnssec.ds):
        say(line)


@zone.command("set")
@click.argument("name")
@click.option(
    "--ssl",
    type=click.Choice([mode.value for mode in SslMode]),
    help="How origins of proxied records without a site are reached; off: no https for visitors either.",
)
@click.option(
    "--pause/--resume", "paused", default=None, help="Answer proxied names with their origins, or the edge."
)
@click.option(
    "--always-use-https", type=_ON_OFF, help="Redirect plain HTTP (proxied records without a site)."
)
@click.option("--flatten-all-cnames", type=_ON_OFF, help="Answer every CNAME with its target's addresses.")
@click.option(
    "--security-level",
    type=click.Choice([level.value for level in SecurityLevel]),
    help="under_attack challenges every visitor once; the others nobody.",
)
@click.option(
    "--max-ttl",
    callback=_seconds,
    metavar="SECONDS|off",
    help="Let no answer be remembered longer, whatever its record says: before a move, 300.",
)
@_CONFIRM
@json_option
@pass_session
def set_(
    session: Session,
    name: str,
    ssl: str | None,
    paused: bool | None,
    always_use_https: str | None,
    flatten_all_cnames: str | None,
    security_level: str | None,
    max_ttl: int | None,
    confirm: str | None,
    as_json: bool,
) -> None:
    """Change settings of a zone; what is not named stays. See also: rempart zone dnssec."""
    wanted = ZoneChange(
        ssl=None if ssl is None else SslMode(ssl),
        paused=paused,
        always_use_https=_on(always_use_https),
        flatten_all_cnames=_on(flatten_all_cnames),
        security_level=None if security_level is None else SecurityLevel(security_level),
        max_ttl=max_ttl,
    )
    if wanted == ZoneChange():
        raise InvalidInput("nothing to change was named", hint="see rempart zone set --help")
    with session.controller() as controller, working(f"changing {name}"):
        answer = controller.write(
            ZoneAnswer, "PATCH", route("zones", name), body=wanted, query={"confirm": confirm}
        )
    lines = [f"{answer.zone.name} is set.", *_settings_lines(answer.zone)]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)


@zone.command("remove")
@click.argument("name")
@_CONFIRM
@json_option
@pass_session
def remove(session: Session, name: str, confirm: str | None, as_json: bool) -> None:
    """Answer for NAME no longer: its records and sites are deleted."""
    with session.controller() as controller, working(f"removing {name}"):
        answer = controller.write(Made, "DELETE", route("zones", name), query={"confirm": confirm})
    finish(answer, online=controller.online, as_json=as_json, lines=[f"{name} is no longer a zone here."])


@zone.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--zone", "name", help="Zone to import into.  [default: the file's $ORIGIN or SOA]")
@click.option("--replace", is_flag=True, help="Delete records that are not in the file.")
@_CONFIRM
@json_option
@pass_session
def import_(
    session: Session,
    file: Path,
    name: str | None,
    replace: bool,
    confirm: str | None,
    as_json: bool,
) -> None:
    """Import a zone file (RFC 1035, as BIND writes it). The zone is made when there is none yet.

    FILE may be - for standard input.
    """
    text = read_text(file, "FILE")
    query = {
        "zone": name,
        "replace": "true" if replace else None,
        "confirm": confirm,
    }
    with session.controller() as controller, working(f"importing {file}"):
        answer = controller.write(
            ImportAnswer, "POST", "/v1/zone-imports", query=query, content=text.encode("utf-8")
        )
    if not as_json:
        note(answer.summary or "no change")
    lines = [
        f"{answer.zone.name} is imported.",
        f"  zone         {'made now' if answer.zone_created else 'was here before'}",
        f"  records      {answer.added} added, {answer.modified} changed, {answer.removed} removed, "
        f"{answer.unchanged} as they were",
    ]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)
    if not as_json and answer.zone_created:
        for line in delegation_lines(answer.zone.name, answer.nameservers):
            say(line)


@zone.command("export")
@click.argument("name")
@click.option(
    "--format",
    "form",
    type=click.Choice(["zonefile", "bundle"]),
    default="zonefile",
    show_default=True,
    help="bundle: the exit kit, everything that another operator needs, private keys included.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; - for standard output.  [default: standard output, or for a bundle a new file here]",
)
@click.option("--partial", is_flag=True, help="Make a bundle even when DNSSEC keys are not at hand.")
@json_option
@pass_session
def export(session: Session, name: str, form: str, output: Path | None, partial: bool, as_json: bool) -> None:
    """Print the zone as a zone file (RFC 1035), or write its exit kit (--format bundle).

    The exit kit holds private keys: it is written readable by you alone (mode 600). Its README.txt says how
    to move with it; rempart import bundle takes it in at another operator. See docs/operate/leaving.md.
    """
    if form == "bundle":
        export_bundle(session, name, output, partial=partial, as_json=as_json)
        return
    if partial:
        raise InvalidInput("goes with --format bundle", field="--partial")
    with session.controller() as controller:
        text = controller.call("GET", route("zones", name, "export"))
    if output is not None and str(output) != "-":
        write_new(output, text.encode(), "--output")
    elif as_json:
        document({"zone": name, "text": text})
    else:
        click.echo(text, nl=False)


@zone.command("dnssec")
@click.argument("name")
@click.argument("action", type=click.Choice(["on", "off", "show"]))
@click.option(
    "--ds-removed", is_flag=True, help="With off: the parent has no DS any more, in no cache either."
)
@_CONFIRM
@json_option
@pass_session
def dnssec(
    session: Session, name: str, action: str, ds_removed: bool, confirm: str | None, as_json: bool
) -> None:
    """Sign the zone (on), stop signing it (off), or show what its parent must be told (show).

    Before switching off, have the registrar delete the DS, and wait until its TTL is over: while resolvers
    know of a DS, they refuse every answer that is not signed. Then give --ds-removed.
    """
    if ds_removed and action != "off":
        raise InvalidInput("goes with off", field="--ds-removed")
    if action == "show":
        with session.controller() as controller:
            found = controller.ask(Dnssec, route("zones", name, "dnssec"))
        if as_json:
            document(found.model_dump(mode="json"))
        else:
            say(f"{found.zone}: DNSSEC is {'on' if found.enabled else 'off'}{_problem(found)}")
            _say_ds(found.zone, found.ds)
        return
    with session.controller() as controller, working(f"DNSSEC {action} for {name}"):
        if action == "off" and not ds_removed:
            _refuse_while_signed(controller.ask(ZoneSummary, route("zones", name)).zone)
        answer = controller.write(
            DnssecAnswer,
            "PATCH",
            route("zones", name, "dnssec"),
            body=ZoneChange(dnssec=action == "on"),
            query={"confirm": confirm},
        )
    lines = [f"{answer.zone}: DNSSEC is {action}{_problem(answer)}"]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)
    if not as_json:
        _say_ds(answer.zone, answer.ds)


def _refuse_while_signed(zone: Zone) -> None:
    """Nobody but the zone's owner knows whether the parent still has its DS; so they must say so."""
    if zone.settings.dnssec:
        raise InvalidInput(
            f"{zone.name} is signed: while its parent, or any resolver's cache, has its DS, an unsigned "
            f"{zone.name} is answered with SERVFAIL, all of it",
            hint="have the registrar delete the DS, wait until its TTL (often a day) is over, then repeat "
            "with --ds-removed",
        )


def _on(text: str | None) -> bool | None:
    return None if text is None else text == "on"


def _settings_lines(zone: Zone) -> list[str]:
    settings = zone.settings
    return [
        f"  proxied      {'paused: answered with their origins' if zone.paused else 'through the edge'}",
        f"  ssl          {settings.ssl.value} (for proxied records without a site)",
        f"  https        {'always' if settings.always_use_https else 'as asked for'} (for them, too)",
        f"  CNAMEs       flattened {'all' if settings.flatten_all_cnames else 'where they must be'}",
        f"  TTLs         {'as written' if settings.max_ttl is None else f'{settings.max_ttl} s at the most'}",
        f"  visitors     {_security_words(settings.security_level)}",
    ]


def _security_words(level: SecurityLevel) -> str:
    challenged = level is SecurityLevel.UNDER_ATTACK
    return (
        f"security level {level.value}: {'everybody is challenged once' if challenged else 'no challenges'}"
    )


def _problem(found: Dnssec | DnssecAnswer) -> str:
    return f" ({found.problem})" if found.enabled and found.problem else ""


def _say_ds(zone: str, ds: tuple[str, ...]) -> None:
    if ds:
        say(f"At the registrar of {zone} set this DS:")
    for one in ds:
        say(f"  {one}")
