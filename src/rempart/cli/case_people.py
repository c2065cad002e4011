"""``rempart case arbiter`` and ``rempart case policy``: who decides, and under which rules."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import click

from rempart.cli.case_keys import make_key, private_key, public_key, public_text, sign
from rempart.cli.files import read_text
from rempart.cli.output import document, json_option, note, say, table
from rempart.cli.session import Session, pass_session
from rempart.controller.admin_api.case_messages import CharterChange, CharterView
from rempart.governance.canonical import SIGN_IN, STATEMENT
from rempart.governance.charter import (
    RESOLUTION,
    Adopted,
    Appointed,
    Charter,
    CharterEvent,
    Consent,
    Retired,
    resolution_bytes,
)
from rempart.model.cases import Arbiter, Policy
from rempart.model.errors import InvalidInput
from rempart.model.validation import checked

consent_option = click.option("--consent", "consents", multiple=True, metavar="ID=KEYFILE|ID=SIGNATURE",
    help="An arbiter's consent, needed once there is a case. May be repeated.")  # fmt: skip
resolution_option = click.option(
    "--resolution", metavar="ID", help="Print what arbiter ID would sign to consent, and change nothing."
)


SIGNED = {
    STATEMENT: "Your word in a case",
    SIGN_IN: "Signing in at a console; it decides nothing",
    RESOLUTION: "Your consent to a change of the charter",
}
"""What arbiters sign, by its first line."""


@click.group()
def arbiter() -> None:
    """Who may decide cases."""


@click.group()
def policy() -> None:
    """The rules cases are decided by."""


@arbiter.command("key")
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Make an arbiter's key, on the arbiter's own machine; print the public half."""
    made = make_key(file)
    note(f"{file} is yours alone. The operator needs this:")
    say(public_text(made.public_key()))


@arbiter.command("sign")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="Your private key.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the 64 octets of the signature there.")
def sign_file(file: Path, key_file: Path, out: Path | None) -> None:
    """Sign what a page of the console gave you, on your own machine; print the signature.

    Shows what it is first. What is no statement of Rempart's is not signed.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}", field="FILE") from error
    kind, _, body = content.partition(b"\n")
    first = kind + b"\n"
    if first not in SIGNED:
        raise InvalidInput(f"{file} is nothing that arbiters sign", field="FILE")
    note(f"{SIGNED[first]}:")
    note(body.decode(errors="replace"))
    signature = sign(private_key(key_file), content)
    if out is not None:
        out.write_bytes(base64.b64decode(signature))
    say(signature)


@arbiter.command("add")
@click.argument("arbiter_id", metavar="ID")
@click.option("--name", required=True)
@click.option("--key", "text", required=True, metavar="BASE64|FILE", help="The public key (Ed25519).")
@consent_option
@resolution_option
@json_option
@pass_session
def add(session: Session, arbiter_id: str, name: str, text: str, consents: tuple[str, ...],
        resolution: str | None, as_json: bool) -> None:  # fmt: skip
    """Appoint an arbiter. Once a case was opened, a quorum of the arbiters must consent."""
    made = checked(Arbiter, {"id": arbiter_id, "name": name, "key": public_key(text)}, "ID")
    _change(session, Appointed(arbiter=made), consents, resolution, as_json)


@arbiter.command("retire")
@click.argument("arbiter_id", metavar="ID")
@consent_option
@resolution_option
@json_option
@pass_session
def retire(
    session: Session, arbiter_id: str, consents: tuple[str, ...], resolution: str | None, as_json: bool
) -> None:
    """An arbiter leaves: by their own consent, or that of a quorum of the others."""
    _change(session, checked(Retired, {"arbiter": arbiter_id}, "ID"), consents, resolution, as_json)


@arbiter.command("list")
@json_option
@pass_session
def list_arbiters(session: Session, as_json: bool) -> None:
    """The arbiters there are."""
    with session.controller() as controller:
        found = controller.ask(CharterView, "/v1/charter")
    if as_json:
        document(found.model_dump(mode="json", include={"arbiters", "founding"}))
        return
    table(
        ("ID", "NAME", "KEY"),
        [(one.id, one.name, one.key) for one in found.arbiters],
        empty="no arbiters yet",
    )


@policy.command("add")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@consent_option
@resolution_option
@json_option
@pass_session
def adopt(
    session: Session, file: Path, consents: tuple[str, ...], resolution: str | None, as_json: bool
) -> None:
    """Adopt a policy (JSON; docs/cases.md shows one). It is for cases opened from then on."""
    try:
        given = json.loads(read_text(file, "FILE"))
    except ValueError as error:
        raise InvalidInput(f"{file} is not JSON: {error}", field="FILE") from error
    _change(session, Adopted(policy=checked(Policy, given, "FILE")), consents, resolution, as_json)


@policy.command("list")
@json_option
@pass_session
def list_policies(session: Session, as_json: bool) -> None:
    """The policies there were; the last one stands."""
    with session.controller() as controller:
        found = controller.ask(CharterView, "/v1/charter")
    if as_json:
        document(found.model_dump(mode="json", include={"policies"}))
        return
    rows = [
        (
            one.version,
            str(one.quorum),
            _hours(one.answer_s),
            _hours(one.notice_s),
            ", ".join(rule.id for rule in one.rules),
        )
        for one in found.policies
    ]
    table(("VERSION", "QUORUM", "ANSWER", "NOTICE", "RULES"), rows, empty="no policy yet")


def _hours(seconds: int) -> str:
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds} s"


def _change(
    session: Session, event: CharterEvent, consents: tuple[str, ...], resolution: str | None, as_json: bool
) -> None:
    with session.controller() as controller:
        view = controller.ask(CharterView, "/v1/charter")
        charter = Charter(seq=view.seq, arbiters=view.arbiters, policies=view.policies)
        if resolution is not None:
            say(base64.b64encode(resolution_bytes(charter, event, resolution)).decode())
            return
        agreed = event.model_copy(
            update={"consents": tuple(_consent(charter, event, one) for one in consents)}
        )
        after = controller.write(CharterView, "POST", "/v1/charter", body=CharterChange(change=agreed))
    if as_json:
        document(after.model_dump(mode="json"))
        return
    names = ", ".join(one.id for one in after.arbiters) or "none"
    version = after.policies[-1].version if after.policies else "none"
    say(f"In the public log as charter/{after.seq}. Arbiters: {names}. Policy: {version}.")


def _consent(charter: Charter, event: CharterEvent, text: str) -> Consent:
    id_, equals, given = text.partition("=")
    if not equals:
        raise InvalidInput(f"{text!r} is not ID=KEYFILE or ID=SIGNATURE", field="--consent")
    path = Path(given)
    if path.is_file():
        given = sign(private_key(path), resolution_bytes(charter, event, id_))
    return checked(Consent, {"arbiter": id_, "signature": given}, "--consent")
