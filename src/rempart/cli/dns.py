"""``rempart dns secondary``: other name servers that transfer our zones."""

from __future__ import annotations

import click

from rempart.cli.output import document, json_option, say, table, working
from rempart.cli.results import finish
from rempart.cli.secondary_guides import Primary, guides
from rempart.cli.session import ControllerCalls, Session, pass_session, route
from rempart.controller.admin_api.messages import Made, NewSecondary, Secondaries, SecondaryAnswer, Zones
from rempart.model.configuration import Configuration
from rempart.model.zones import Secondary

HIDDEN = "(shown by: rempart dns secondary list --show-secret)"


@click.group()
def dns() -> None:
    """The name service."""


@dns.group()
def secondary() -> None:
    """Name servers that transfer our zones (AXFR, IXFR, NOTIFY with TSIG)."""


@secondary.command("add")
@click.argument("address")
@click.option("--port", type=click.IntRange(1, 65535), default=53, show_default=True)
@click.option("--ns-name", help="Its name for the zones' NS records.  [default: it stays hidden]")
@click.option("--confirm", metavar="DIGEST", help="Carry out the plan with this digest.")
@json_option
@pass_session
def add(
    session: Session, address: str, port: int, ns_name: str | None, confirm: str | None, as_json: bool
) -> None:
    """Let ADDRESS transfer every zone, and notify it of changes. Prints the configuration it needs."""
    new = NewSecondary(address=address, port=port, ns_name=ns_name)
    with session.controller() as controller, working(f"adding {address}"):
        answer = controller.write(
            SecondaryAnswer, "POST", "/v1/secondaries", body=new, query={"confirm": confirm}
        )
        primary = as_primary(controller, session.configuration, answer.secondary, answer.tsig_secret)
    one = answer.secondary
    lines = [f"{one.address} port {one.port} may transfer every zone.", f"  id           {one.id}"]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)
    if not as_json:
        say("Its key is shown below, once more by: rempart dns secondary list --show-secret")
        _say_guides(primary)


@secondary.command("list")
@click.option("--show-secret", is_flag=True, help="Show the keys, and each server's configuration.")
@json_option
@pass_session
def list_(session: Session, show_secret: bool, as_json: bool) -> None:
    """All secondaries."""
    with session.controller() as controller:
        found = controller.ask(Secondaries, "/v1/secondaries", secret="true" if show_secret else None)
        primaries = [
            as_primary(controller, session.configuration, one.secondary, one.tsig_secret)
            for one in found.secondaries
            if show_secret
        ]
    if as_json:
        document(found.model_dump(mode="json"))
        return
    rows = [
        (one.address, str(one.port), one.ns_name or "hidden", one.tsig_name, one.id)
        for one in (view.secondary for view in found.secondaries)
    ]
    table(
        ("ADDRESS", "PORT", "NS NAME", "KEY", "ID"),
        rows,
        empty="no secondaries yet; rempart dns secondary add ADDRESS",
    )
    for primary in primaries:
        _say_guides(primary)


@secondary.command("remove")
@click.argument("secondary_id", metavar="ID|ADDRESS")
@click.option("--confirm", metavar="DIGEST", help="Carry out the plan with this digest.")
@json_option
@pass_session
def remove(session: Session, secondary_id: str, confirm: str | None, as_json: bool) -> None:
    """Let a secondary transfer no longer."""
    with session.controller() as controller, working(f"removing {secondary_id}"):
        answer = controller.write(
            Made, "DELETE", route("secondaries", secondary_id), query={"confirm": confirm}
        )
    lines = [f"{secondary_id} may transfer no longer."]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)


def as_primary(
    controller: ControllerCalls, configuration: Configuration, one: Secondary, secret: str | None
) -> Primary:
    """What ``one`` must know about us."""
    zones = controller.ask(Zones, "/v1/zones")
    return Primary(
        addresses=configuration.edge.addresses,
        port=configuration.dns.port,
        catalog=configuration.dns.catalog,
        zones=tuple(summary.zone.name for summary in zones.zones),
        tsig_name=one.tsig_name,
        tsig_algorithm=one.tsig_algorithm,
        tsig_secret=secret or HIDDEN,
    )


def _say_guides(primary: Primary) -> None:
    for server, text in guides(primary).items():
        say()
        say(f"# --- {primary.tsig_name} for {server} ---")
        say(text.rstrip())
