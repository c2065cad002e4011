"""``rempart record``: the DNS records of a zone, one at a time."""

from __future__ import annotations

import click
from pydantic import ValidationError

from rempart.cli.output import document, json_option, table, working
from rempart.cli.results import finish
from rempart.cli.session import Session, pass_session, route
from rempart.controller.admin_api.messages import Made, RecordAnswer, Records
from rempart.model.errors import InvalidInput
from rempart.model.names import shown
from rempart.model.records import TTL_AUTO, RecordDraft, RecordType
from rempart.model.validation import in_words


class TypeParameter(click.ParamType):  # type: ignore[type-arg]  # generic in some versions only
    """A record type in any case; the message is shorter than click's."""

    name = "type"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return RecordType(value.upper()).value
        except ValueError:
            known = ", ".join(one.value for one in RecordType)
            self.fail(f"{shown(value)} is not one of {known}.", param, ctx)


@click.group()
def record() -> None:
    """DNS records."""


@record.command("add")
@click.argument("zone")
@click.argument("name")
@click.argument("type_", metavar="TYPE", type=TypeParameter())
@click.argument("content", nargs=-1, required=True)
@click.option("--ttl", type=int, help="Seconds.  [default: automatic]")
@click.option("--priority", type=int, help="Of MX, SRV and URI records.")
@click.option("--proxied", is_flag=True, help="Answer with the edge, and reach the content through it.")
@click.option("--flatten", is_flag=True, help="Answer a CNAME with its target's addresses.")
@click.option("--comment")
@json_option
@pass_session
def add(
    session: Session,
    zone: str,
    name: str,
    type_: str,
    content: tuple[str, ...],
    ttl: int | None,
    priority: int | None,
    proxied: bool,
    flatten: bool,
    comment: str | None,
    as_json: bool,
) -> None:
    """Add a record to ZONE. NAME is @, a name within the zone, or a full name."""
    try:
        draft = RecordDraft(
            type=RecordType(type_),
            name=name,
            content=" ".join(content),
            priority=priority,
            ttl=TTL_AUTO if ttl is None else ttl,
            proxied=proxied,
            flatten_cname=flatten,
            comment=comment,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(in_words(first), field=str(first["loc"][-1])) from error
    with session.controller() as controller, working(f"adding {name}"):
        answer = controller.write(RecordAnswer, "POST", route("zones", zone, "records"), body=draft)
    made = answer.record
    lines = [f"{made.name} {made.type.value} {made.content}", f"  id           {made.id}"]
    finish(answer, online=controller.online, as_json=as_json, lines=lines)


@record.command("list")
@click.argument("zone")
@click.option("--name", help="Only records of this name.")
@click.option("--type", "type_", metavar="TYPE", type=TypeParameter(), help="Only records of this type.")
@json_option
@pass_session
def list_(session: Session, zone: str, name: str | None, type_: str | None, as_json: bool) -> None:
    """The records of ZONE."""
    with session.controller() as controller:
        found = controller.ask(Records, route("zones", zone, "records"), of=name, type=type_)
    if as_json:
        document(found.model_dump(mode="json"))
        return
    rows = [
        (
            one.name,
            one.type.value,
            "auto" if one.ttl == TTL_AUTO else str(one.ttl),
            f"{one.priority} {one.content}" if one.priority is not None else one.content,
            "yes" if one.proxied else "",
            one.id,
        )
        for one in found.records
    ]
    table(("NAME", "TYPE", "TTL", "CONTENT", "PROXIED", "ID"), rows, empty=f"no records in {found.zone}")


@record.command("remove")
@click.argument("zone")
@click.argument("record_id", metavar="ID")
@click.option("--confirm", metavar="DIGEST", help="Carry out the plan with this digest.")
@json_option
@pass_session
def remove(session: Session, zone: str, record_id: str, confirm: str | None, as_json: bool) -> None:
    """Remove the record with this ID from ZONE."""
    with session.controller() as controller, working(f"removing {record_id}"):
        answer = controller.write(
            Made, "DELETE", route("zones", zone, "records", record_id), query={"confirm": confirm}
        )
    finish(answer, online=controller.online, as_json=as_json, lines=[f"{record_id} is removed."])
