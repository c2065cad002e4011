"""What arbiters do: put a motion, agree or not, withdraw, recuse. Each signs with their own key.

The key may be here (``--key``), or elsewhere: ``--write FILE`` writes what is to be signed to FILE.bytes, and
``rempart case submit FILE`` brings the signature.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from rempart.cli import case_views
from rempart.cli.case_keys import private_key, sign
from rempart.cli.files import read_text
from rempart.cli.output import document, json_option, note, say
from rempart.cli.session import ControllerCalls, Session, pass_session, route
from rempart.controller.admin_api.case_messages import CaseView, NewStepBody
from rempart.governance.canonical import motion_digest, statement_bytes
from rempart.model.base import Value
from rempart.model.cases import Act, Case, GroundKind, Motion, MotionKind, Outcome, Signed, Statement
from rempart.model.cases_events import Moved, Stated
from rempart.model.cases_remedies import Remedy
from rempart.model.errors import InvalidInput
from rempart.model.validation import checked

arbiter_option = click.option("--arbiter", required=True, metavar="ID", help="Who signs.")
key_option = click.option("--key", type=click.Path(path_type=Path), help="The arbiter's private key (PEM).")
write_option = click.option(
    "--write", type=click.Path(path_type=Path), help="Sign elsewhere: write FILE and FILE.bytes instead."
)
territory_option = click.option(
    "--territory",
    multiple=True,
    metavar="CODE",
    help="For visitors from this country (ISO 3166: FR). May be repeated.  [default: everywhere]",
)
WITH_A_MEASURE = (MotionKind.DECISION, MotionKind.EMERGENCY, MotionKind.ORDER)


class Unsigned(Value):
    """A statement on its way to be signed elsewhere."""

    statement: Statement
    motion: Motion | None = None


@click.command("propose")
@click.argument("case_id", metavar="CASE")
@arbiter_option
@click.option(
    "--kind", type=click.Choice([one.value for one in MotionKind]), default="decision", show_default=True
)
@click.option("--facts", required=True, type=click.Path(path_type=Path, allow_dash=True),
              help="File with facts and circumstances. They become public.")  # fmt: skip
@click.option("--remedy", type=click.Choice([one.value for one in Remedy]))
@click.option("--target", help="HOST or HOST/PATH.  [default: the case's first]")
@click.option("--days", type=int, help="For how long.  [default: until it is ended]")
@territory_option
@click.option("--rule", metavar="ID", help="Of the policy.")
@click.option("--law", help="The ground is the law: which.  [default: the rule]")
@click.option("--explanation", help="Why law or rule applies.")
@click.option("--why-not", "why_not", multiple=True, metavar="REMEDY=TEXT",
              help="Why a narrower remedy does not serve. Once for each.")  # fmt: skip
@click.option("--threat-to-life", is_flag=True, help="The criterion of an emergency.")
@click.option("--outcome", type=click.Choice([one.value for one in Outcome]), help="Of an appeal.")
@click.option("--justified/--not-justified", default=None, help="Of a review.")
@key_option
@write_option
@json_option
@pass_session
def propose(session: Session, case_id: str, arbiter: str, kind: str, facts: Path, remedy: str | None,
            target: str | None, days: int | None, territory: tuple[str, ...], rule: str | None,
            law: str | None, explanation: str | None, why_not: tuple[str, ...],
            threat_to_life: bool, outcome: str | None, justified: bool | None, key: Path | None,
            write: Path | None, as_json: bool) -> None:  # fmt: skip
    """Put a motion before the arbiters. Its author counts as agreeing, and is never enough."""
    now = datetime.now(UTC).replace(microsecond=0)
    with session.controller() as controller:
        view = controller.ask(CaseView, route("cases", case_id))
        case = view.case
        made: dict[str, Any] = {
            "case": case.id, "kind": kind, "author": arbiter, "at": now, "facts": read_text(facts, "--facts"),
            "rule": rule, "why_not": dict(map(_pair, why_not)), "outcome": outcome, "justified": justified,
            "criterion": "immediate-threat-to-life" if threat_to_life else None,
        }  # fmt: skip
        if remedy is not None:
            made["measure"] = {
                "remedy": remedy, "target": _target(case, target), "days": days, "territory": territory,
            }  # fmt: skip
            made["ground"] = _ground(case, rule, law, explanation)
        motion = checked(Motion, made, "motion")
        said = _statement(case, arbiter, Act.MOVE, motion_digest(motion), now)
        _finish(controller, Unsigned(statement=said, motion=motion), key, write, as_json)


@click.command("sign")
@click.argument("case_id", metavar="CASE")
@arbiter_option
@click.option("--impartial", is_flag=True, help="You have no interest in the outcome. Needed to vote.")
@click.option("--reject", is_flag=True)
@click.option("--withdraw", is_flag=True, help="Take your word back.")
@click.option("--recuse", metavar="TEXT", help="Declare a conflict of interest: which.")
@key_option
@write_option
@json_option
@pass_session
def sign_motion(session: Session, case_id: str, arbiter: str, impartial: bool, reject: bool, withdraw: bool,
                recuse: str | None, key: Path | None, write: Path | None, as_json: bool) -> None:  # fmt: skip
    """Agree to the open motion; or reject it, withdraw, recuse."""
    if sum((reject, withdraw, recuse is not None)) > 1:
        raise InvalidInput("one of --reject, --withdraw, --recuse", field="--reject")
    act = Act.REJECT if reject else Act.WITHDRAW if withdraw else Act.RECUSE if recuse else Act.APPROVE
    if act in (Act.APPROVE, Act.REJECT) and not impartial:
        raise InvalidInput(
            "say that you have no interest in the outcome", field="--impartial", hint="or --recuse TEXT"
        )
    with session.controller() as controller:
        case = controller.ask(CaseView, route("cases", case_id)).case
        motion = case.motion or (case.decision.motion if act is Act.WITHDRAW and case.decision else None)
        if motion is None and act is not Act.RECUSE:
            raise InvalidInput("no motion is open in this case", field="CASE")
        if motion is not None:
            for line in case_views.motion_lines(motion):
                note(f"  {line}")
        digest = None if motion is None else motion_digest(motion)
        said = _statement(
            case,
            arbiter,
            act,
            digest,
            datetime.now(UTC).replace(microsecond=0),
            recuse or "",
            impartial=impartial,
        )
        _finish(controller, Unsigned(statement=said), key, write, as_json)


@click.command("submit")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--signature", required=True, metavar="FILE|BASE64", help="64 octets, or their Base64.")
@json_option
@pass_session
def submit(session: Session, file: Path, signature: str, as_json: bool) -> None:
    """Bring a statement that was signed elsewhere."""
    unsigned = Unsigned.model_validate_json(read_text(file, "FILE"))
    with session.controller() as controller:
        _send(controller, unsigned, _signature(signature), as_json)


def _finish(
    controller: ControllerCalls, unsigned: Unsigned, key: Path | None, write: Path | None, as_json: bool
) -> None:
    if (key is None) == (write is None):
        raise InvalidInput("either --key, or --write to sign elsewhere", field="--key")
    content = statement_bytes(unsigned.statement)
    if key is not None:
        _send(controller, unsigned, sign(private_key(key), content), as_json)
        return
    assert write is not None  # noqa: S101 - one of the two
    write.write_text(unsigned.model_dump_json(indent=2) + "\n")
    signed_file = write.with_name(write.name + ".bytes")
    signed_file.write_bytes(content)
    say(f"Sign {signed_file} as it is (Ed25519), for example:")
    say(f"  openssl pkeyutl -sign -rawin -inkey KEY.pem -in {signed_file} -out {write}.sig")
    say(f"  rempart case submit {write} --signature {write}.sig")


def _send(controller: ControllerCalls, unsigned: Unsigned, signature: str, as_json: bool) -> None:
    signed = checked(
        Signed, {"statement": unsigned.statement.model_dump(), "signature": signature}, "--signature"
    )
    step = Stated(signed=signed) if unsigned.motion is None else Moved(motion=unsigned.motion, signed=signed)
    path = route("cases", unsigned.statement.case, "steps")
    view = controller.write(CaseView, "POST", path, body=NewStepBody(step=step))
    if as_json:
        document(view.model_dump(mode="json"))
    else:
        case_views.show(view)


def _statement(
    case: Case,
    arbiter: str,
    act: Act,
    motion: str | None,
    now: datetime,
    conflict: str = "",
    *,
    impartial: bool = True,
) -> Statement:
    return checked(
        Statement,
        {
            "case": case.id, "motion": motion, "act": act, "arbiter": arbiter, "at": now,
            "conflict": conflict, "number": case.numbers.get(arbiter, 0),
            "impartial": impartial and not conflict,
        },
        "--arbiter",
    )  # fmt: skip


def _pair(text: str) -> tuple[str, str]:
    name, equals, why = text.partition("=")
    if not equals or name not in {one.value for one in Remedy}:
        raise InvalidInput(f"{text!r} is not REMEDY=TEXT", field="--why-not")
    return name, why


def _target(case: Case, text: str | None) -> dict[str, Any]:
    if text is None:
        return case.targets[0].model_dump()
    host, slash, path = text.partition("/")
    return {"host": host, "path": f"/{path}" if slash else None}


def _ground(case: Case, rule: str | None, law: str | None, explanation: str | None) -> dict[str, Any]:
    named = case.policy.rule(rule) if rule else None
    basis = law or (named.title if named else None)
    if basis is None:
        raise InvalidInput("name a rule of the policy, or --law", field="--rule")
    if not explanation:
        raise InvalidInput("why does it apply?", field="--explanation")
    kind = GroundKind.ILLEGAL if law else GroundKind.POLICY
    return {"kind": kind, "basis": basis, "explanation": explanation}


def _signature(text: str) -> str:
    path = Path(text)
    try:
        if path.is_file():
            raw = path.read_bytes()
            return base64.b64encode(raw).decode() if len(raw) == 64 else raw.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{text} holds no signature", field="--signature") from error
    return text
