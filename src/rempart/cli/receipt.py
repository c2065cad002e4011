"""``rempart receipt``: why a visitor was refused, by the id that the page showed. Works on files."""

from __future__ import annotations

import click

from rempart.cli.defence_views import moment
from rempart.cli.output import document, json_option, say
from rempart.cli.session import Session, pass_session
from rempart.model.errors import EnvironmentLacks, InvalidInput, NotFound


@click.command()
@click.argument("request", metavar="ID")
@json_option
@pass_session
def receipt(session: Session, request: str, as_json: bool) -> None:
    """Which layer and rule refused a request, since when and until when.

    ID is what the page named "request id". While there is an attack the log keeps a share of all refusals
    only, and it is cut when it grows long.
    """
    from rempart.node.requests import receipts

    if not request or not all(one.isascii() and (one.isalnum() or one == "-") for one in request):
        raise InvalidInput(
            f"{request!r} is no request's id", field="ID", hint="the page that refused shows it"
        )
    try:
        found = receipts.receipt(session.configuration.paths, request)
    except OSError as error:
        raise EnvironmentLacks(
            "edge.log", f"the edge's log cannot be read: {error.strerror}", hint="run this as root"
        ) from error
    if found is None:
        raise NotFound(
            f"the edge's log has no request {request}",
            hint="it was served, or it is too long ago, or it came amid an attack, of which a share is kept",
        )
    if as_json:
        document(found.model_dump(mode="json"))
        return
    say(f"request {found.request} to {found.host}, {moment(found.at)}: status {found.status}")
    say(f"layer    {found.layer}")
    say(f"rule     {found.rule}")
    if found.mitigation is not None:
        say(f"by       {found.mitigation}" + (f" ({found.action})" if found.action else ""))
    if found.since is not None and found.until is not None:
        say(f"since    {moment(found.since)}")
        say(f"until    {moment(found.until)}")
        say(f"if it is wrong: rempart mitigation revoke {found.mitigation}")
