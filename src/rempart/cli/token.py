"""``rempart token`` and ``rempart account``: who may call the public API, and with what."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from rempart.cli.output import document, json_option, note, say, table
from rempart.cli.results import day
from rempart.cli.session import Session, pass_session, route
from rempart.controller.admin_api.messages import (
    Accounts,
    AccountView,
    NewAccount,
    NewToken,
    Tokens,
    TokenView,
)
from rempart.model.errors import InvalidInput

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@click.group()
def token() -> None:
    """Tokens for the API."""


@token.command("create")
@click.argument("name")
@click.option("--account", metavar="NAME", help="Account it speaks for.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    metavar="NAME",
    help="What it may do: dns:edit, zone:read, … (see docs/operate/api.md); everything unless given. "
    "May be repeated.",
)
@click.option(
    "--zone",
    "zones",
    multiple=True,
    metavar="NAME",
    help="A zone it is for; all unless given. May be repeated.",
)
@click.option("--expires", metavar="WHEN", help="A date (2030-12-31) or a time from now: 12h, 90d, 4w.")
@json_option
@pass_session
def create(
    session: Session,
    name: str,
    account: str | None,
    permissions: tuple[str, ...],
    zones: tuple[str, ...],
    expires: str | None,
    as_json: bool,
) -> None:
    """Make a token. It is shown once, now."""
    expires_on = None if expires is None else parse_expiry(expires, datetime.now(UTC))
    new = NewToken(name=name, account=account, permissions=permissions, zones=zones, expires_on=expires_on)
    with session.controller() as controller:
        made = controller.write(TokenView, "POST", "/v1/tokens", body=new)
    if as_json:
        document(made.model_dump(mode="json"))
        return
    note(f"Token {made.name} ({made.id}) of account {made.account}. It cannot be shown again:")
    say(made.token or "")


@token.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """All tokens."""
    with session.controller() as controller:
        found = controller.ask(Tokens, "/v1/tokens")
    if as_json:
        document(found.model_dump(mode="json", exclude={"tokens": {"__all__": {"token"}}}))
        return
    now = datetime.now(UTC)
    rows = [
        (
            one.name,
            one.account,
            " ".join(one.permissions),
            day(one.created_on),
            "" if one.expires_on is None else day(one.expires_on),
            _state(one, now),
            one.id,
        )
        for one in found.tokens
    ]
    table(
        ("NAME", "ACCOUNT", "PERMISSIONS", "CREATED", "EXPIRES", "STATE", "ID"), rows, empty="no tokens yet"
    )


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@json_option
@pass_session
def revoke(session: Session, token_id: str, as_json: bool) -> None:
    """Have a token taken no longer."""
    with session.controller() as controller:
        revoked = controller.write(TokenView, "DELETE", route("tokens", token_id))
    if as_json:
        document(revoked.model_dump(mode="json"))
    else:
        say(f"{revoked.name} ({revoked.id}) is revoked.")


@click.group()
def account() -> None:
    """Owners of zones."""


@account.command("add")
@click.argument("name")
@json_option
@pass_session
def add_account(session: Session, name: str, as_json: bool) -> None:
    """Make an account."""
    with session.controller() as controller:
        made = controller.write(AccountView, "POST", "/v1/accounts", body=NewAccount(name=name))
    if as_json:
        document(made.model_dump(mode="json"))
    else:
        say(f"{made.name} ({made.id}) is an account.")


@account.command("list")
@json_option
@pass_session
def list_accounts(session: Session, as_json: bool) -> None:
    """All accounts."""
    with session.controller() as controller:
        found = controller.ask(Accounts, "/v1/accounts")
    if as_json:
        document(found.model_dump(mode="json"))
        return
    rows = [(one.name, day(one.created_on), one.id) for one in found.accounts]
    table(("NAME", "CREATED", "ID"), rows, empty="no accounts yet")


def parse_expiry(text: str, now: datetime) -> datetime:
    """The moment that ``text`` means: a date (its end, UTC), or a time from ``now`` as ``90d``."""
    relative = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if relative:
        return now + int(relative[1]) * _UNITS[relative[2]]
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is no time", field="--expires", hint="write 2030-12-31, 12h, 90d or 4w"
        ) from error
    if moment <= now:
        raise InvalidInput(f"{text} is over", field="--expires")
    return moment


def _state(one: TokenView, now: datetime) -> str:
    if one.revoked:
        return "revoked"
    return "expired" if one.expires_on is not None and one.expires_on <= now else "valid"
