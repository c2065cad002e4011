"""``rempart site``: put host names behind the edge."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from rempart.cli.files import read_text
from rempart.cli.origins import parse_origin, show_origin
from rempart.cli.output import document, json_option, say, table, working
from rempart.cli.results import day, delegation_lines, finish, try_lines
from rempart.cli.session import Session, pass_session, route
from rempart.controller.admin_api.messages import Made, NewSite, SiteAnswer, SiteChange, Sites
from rempart.model.certificates import CertificateSource
from rempart.model.challenges import (
    EXEMPTIONS_MAX,
    Exemptions,
    SecurityLevel,
    parse_exempt_network,
    parse_exempt_path,
)
from rempart.model.errors import InvalidInput
from rempart.model.sites import LIMIT_WINDOW_S, SiteLimits

_PER_CLIENT = f"Requests one client may make within {LIMIT_WINDOW_S} s; 0: no limit."
_PER_SITE = f"Requests all clients together may make within {LIMIT_WINDOW_S} s; 0: no limit."
_CONNECTIONS = "Requests of one client in progress at the same time; 0: no limit."
_ORIGIN = "URL[,weight=N][,backup][,max-connections=N][,tls=full]; may be given several times."
_LEVELS = [level.value for level in SecurityLevel]
_LEVEL = "under_attack challenges every visitor once, the others nobody.  [default: the zone's]"
_EXEMPT_PATH = "Never challenge what begins with PATH; may be given several times."
_EXEMPT_NETWORK = "Never challenge these addresses; may be given several times."
_MAX_CONNECTIONS = "Concurrent requests each origin is given at most; more wait."


@click.group()
def site() -> None:
    """Host names whose visitors come through the edge."""


@site.command("add")
@click.argument("host")
@click.option("--origin", "origins", multiple=True, required=True, metavar="URL", help=_ORIGIN)
@click.option(
    "--zone", help="Zone of the host.  [default: the longest that exists, else the registered domain]"
)
@click.option("--certificate", type=click.Path(path_type=Path), help="Certificate chain (PEM), leaf first.")
@click.option("--key", type=click.Path(path_type=Path), help="Its private key (PEM).")
@click.option("--max-connections", type=int, help=_MAX_CONNECTIONS)
@click.option("--requests-per-client", type=int, help=_PER_CLIENT)
@click.option("--requests-per-site", type=int, help=_PER_SITE)
@click.option("--connections-per-client", type=int, help=_CONNECTIONS)
@click.option("--no-https-redirect", is_flag=True, help="Serve plain HTTP instead of redirecting it.")
@click.option("--security-level", type=click.Choice(_LEVELS), help=_LEVEL)
@click.option("--exempt-path", "exempt_paths", multiple=True, metavar="PATH", help=_EXEMPT_PATH)
@click.option("--exempt-network", "exempt_networks", multiple=True, metavar="CIDR", help=_EXEMPT_NETWORK)
@json_option
@pass_session
def add(
    session: Session,
    host: str,
    origins: tuple[str, ...],
    zone: str | None,
    certificate: Path | None,
    key: Path | None,
    max_connections: int | None,
    requests_per_client: int | None,
    requests_per_site: int | None,
    connections_per_client: int | None,
    no_https_redirect: bool,
    security_level: str | None,
    exempt_paths: tuple[str, ...],
    exempt_networks: tuple[str, ...],
    as_json: bool,
) -> None:
    """Serve HOST through the edge. Its zone is made when there is none yet."""
    if (certificate is None) != (key is None):
        raise InvalidInput("--certificate and --key go together", field="--key")
    limits = {
        "requests_per_client": requests_per_client,
        "requests_per_site": requests_per_site,
        "connections_per_client": connections_per_client,
    }
    new = NewSite(
        host=host,
        origins=tuple(parse_origin(text, max_connections=max_connections) for text in origins),
        zone=zone,
        https_redirect=not no_https_redirect,
        limits=checked_limits(limits),
        security_level=None if security_level is None else SecurityLevel(security_level),
        exemptions=checked_exemptions(exempt_paths, exempt_networks),
        chain_pem=None if certificate is None else read_text(certificate, "--certificate"),
        key_pem=None if key is None else read_text(key, "--key"),
    )
    with session.controller() as controller, working(f"adding {host}"):
        answer = controller.write(SiteAnswer, "POST", "/v1/sites", body=new)
    lines = [f"{answer.site.host} is behind the edge.", *described(answer)]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)
    if not as_json:
        for line in delegation_lines(answer.zone.name, answer.nameservers):
            say(line)
        for line in try_lines(session.configuration, answer.site.host, answer.addresses):
            say(line)


@site.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """All sites."""
    with session.controller() as controller:
        sites = controller.ask(Sites, "/v1/sites")
    if as_json:
        document(sites.model_dump(mode="json"))
        return
    rows = [
        (one.host, " ".join(map(show_origin, one.origins)), "yes" if one.https_redirect else "no")
        for one in sites.sites
    ]
    table(
        ("HOST", "ORIGINS", "HTTPS REDIRECT"), rows, empty="no sites yet; rempart site add HOST --origin URL"
    )


@site.command("show")
@click.argument("host")
@json_option
@pass_session
def show(session: Session, host: str, as_json: bool) -> None:
    """One site with everything that is known of it."""
    with session.controller() as controller:
        answer = controller.ask(SiteAnswer, route("sites", host))
    if as_json:
        document(answer.model_dump(mode="json"))
        return
    say(answer.site.host)
    limits = answer.site.limits
    lines = described(answer)
    lines.append(
        f"  redirect     http is {'redirected to https' if answer.site.https_redirect else 'served'}"
    )
    lines.append(
        f"  limits       {limits.requests_per_client} requests per client, {limits.requests_per_site} per "
        f"site within {LIMIT_WINDOW_S} s; {limits.connections_per_client} at a time per client (0: none)"
    )
    lines.append(f"  visitors     {_security_words(answer)}")
    lines += [f"  exempt       {path}" for path in answer.site.exemptions.paths]
    lines += [f"  exempt       {network}" for network in answer.site.exemptions.networks]
    for line in (*lines, *try_lines(session.configuration, answer.site.host, answer.addresses)):
        say(line)


@site.command("change")
@click.argument("host")
@click.option("--origin", "origins", multiple=True, metavar="URL", help=_ORIGIN + " Replaces all origins.")
@click.option("--max-connections", type=int, help=_MAX_CONNECTIONS + " Only with --origin.")
@click.option("--requests-per-client", type=int, help=_PER_CLIENT)
@click.option("--requests-per-site", type=int, help=_PER_SITE)
@click.option("--connections-per-client", type=int, help=_CONNECTIONS)
@click.option("--https-redirect/--no-https-redirect", default=None, help="Redirect plain HTTP.")
@click.option("--security-level", type=click.Choice([*_LEVELS, "zone"]), help=_LEVEL + " zone: as the zone.")
@click.option(
    "--exempt-path", "exempt_paths", multiple=True, metavar="PATH", help=_EXEMPT_PATH + " Replaces all paths."
)
@click.option("--no-exempt-paths", is_flag=True, help="Exempt no path.")
@click.option(
    "--exempt-network",
    "exempt_networks",
    multiple=True,
    metavar="CIDR",
    help=_EXEMPT_NETWORK + " Replaces all networks.",
)
@click.option("--no-exempt-networks", is_flag=True, help="Exempt no network.")
@click.option("--confirm", metavar="DIGEST", help="Carry out the plan with this digest.")
@json_option
@pass_session
def change(
    session: Session,
    host: str,
    origins: tuple[str, ...],
    max_connections: int | None,
    requests_per_client: int | None,
    requests_per_site: int | None,
    connections_per_client: int | None,
    https_redirect: bool | None,
    security_level: str | None,
    exempt_paths: tuple[str, ...],
    no_exempt_paths: bool,
    exempt_networks: tuple[str, ...],
    no_exempt_networks: bool,
    confirm: str | None,
    as_json: bool,
) -> None:
    """Change a site; what is not named stays."""
    if max_connections is not None and not origins:
        raise InvalidInput("means nothing without --origin", field="--max-connections")
    limits = {
        "requests_per_client": requests_per_client,
        "requests_per_site": requests_per_site,
        "connections_per_client": connections_per_client,
    }
    checked_limits(limits)
    for given, none, option in (
        (exempt_paths, no_exempt_paths, "--exempt-path"),
        (exempt_networks, no_exempt_networks, "--exempt-network"),
    ):
        if given and none:
            raise InvalidInput("names some and none", field=option)
    exempt = checked_exemptions(exempt_paths, exempt_networks)
    wanted = SiteChange(
        origins=tuple(parse_origin(text, max_connections=max_connections) for text in origins) or None,
        https_redirect=https_redirect,
        security_level=_level(security_level),
        exempt_paths=exempt.paths if exempt_paths or no_exempt_paths else None,
        exempt_networks=exempt.networks if exempt_networks or no_exempt_networks else None,
        **limits,
    )
    if wanted == SiteChange():
        raise InvalidInput("nothing to change was named", hint="see rempart site change --help")
    with session.controller() as controller, working(f"changing {host}"):
        answer = controller.write(
            SiteAnswer, "PATCH", route("sites", host), body=wanted, query={"confirm": confirm}
        )
    lines = [f"{answer.site.host} is changed.", *described(answer)]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)


@site.command("remove")
@click.argument("host")
@click.option("--confirm", metavar="DIGEST", help="Carry out the plan with this digest.")
@json_option
@pass_session
def remove(session: Session, host: str, confirm: str | None, as_json: bool) -> None:
    """Serve HOST no longer. Its zone and its records stay."""
    with session.controller() as controller, working(f"removing {host}"):
        answer = controller.write(Made, "DELETE", route("sites", host), query={"confirm": confirm})
    finish(answer, online=controller.online, as_json=as_json, lines=[f"{host} is no longer behind the edge."])


def checked_limits(given: dict[str, int | None]) -> SiteLimits:
    """The limits with what was given; InvalidInput naming the option that is out of bounds."""
    for name, value in given.items():
        bounds = SiteLimits.model_fields[name].metadata
        most = next(bound.le for bound in bounds if hasattr(bound, "le"))
        if value is not None and not 0 <= value <= most:
            raise InvalidInput(f"a number from 0 to {most} is meant", field="--" + name.replace("_", "-"))
    return SiteLimits.model_validate({name: value for name, value in given.items() if value is not None})


def checked_exemptions(paths: tuple[str, ...], networks: tuple[str, ...]) -> Exemptions:
    """InvalidInput naming the option and the value that cannot be."""
    for option, given, parse in (
        ("--exempt-path", paths, parse_exempt_path),
        ("--exempt-network", networks, parse_exempt_network),
    ):
        if len(given) > EXEMPTIONS_MAX:
            raise InvalidInput(f"at most {EXEMPTIONS_MAX} are possible", field=option)
        for text in given:
            try:
                parse(text)
            except ValueError as error:
                raise InvalidInput(f"{text!r}: {error}", field=option) from None
    return Exemptions(paths=paths, networks=networks)


def _security_words(answer: SiteAnswer) -> str:
    own, zone = answer.site.security_level, answer.zone.settings.security_level
    level = own or zone
    challenged = "everybody is challenged once" if level is SecurityLevel.UNDER_ATTACK else "no challenges"
    return f"security level {level.value} ({'its own' if own else 'of the zone'}): {challenged}"


def _level(text: str | None) -> SecurityLevel | Literal["zone"] | None:
    match text:
        case None:
            return None
        case "zone":
            return "zone"
        case level:
            return SecurityLevel(level)


def described(answer: SiteAnswer) -> list[str]:
    """Zone, DNS, origins and certificate in plain words."""
    host = answer.site.host
    lines = [
        f"  zone         {answer.zone.name}{' (made now)' if answer.zone_created else ''}",
        f"  DNS          {host} answers with {' '.join(answer.addresses) or 'nothing'}",
    ]
    lines += [f"  origin       {show_origin(one)}" for one in answer.site.origins]
    if any(not _is_literal(one.host) for one in answer.site.origins):
        lines.append(f"  reached at   {' '.join(answer.origin_addresses) or 'no address yet'}")
    certificate = answer.certificate
    if certificate is None:
        lines.append("  certificate  none")
        return lines
    if certificate.source is CertificateSource.LOCAL_CA:
        origin = "issued now by" if answer.certificate_issued else "from"
        words = f"{origin} the local CA, until {day(certificate.not_after)}; browsers ask: rempart ca show"
    else:
        words = f"uploaded, for {' '.join(certificate.hosts[:5])}, until {day(certificate.not_after)}"
    return [*lines, f"  certificate  {words}"]


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
