"""``rempart case``: reports, orders, decisions, appeals. Arbiters and policies are in ``case_people``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import click

from rempart.cli import case_views
from rempart.cli.case_people import arbiter, policy
from rempart.cli.case_votes import propose, sign_motion, submit, territory_option
from rempart.cli.files import read_text
from rempart.cli.output import document, json_option, note, say, table
from rempart.cli.session import Session, pass_session, route
from rempart.controller.admin_api.case_messages import (
    REPORTER_LENGTH_MAX,
    Cases,
    CaseSteps,
    CaseView,
    Confidences,
    NewAnswer,
    NewAppeal,
    NewCase,
    NewNotice,
    NewStepBody,
)
from rempart.model.base import Value
from rempart.model.cases import Category, Informing, Order, OrderKind, Phase, Source, order_deadline
from rempart.model.cases_events import Closed, Forwarded, Informed, Notified, Recipient, Scrutinised, Triaged
from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.errors import InvalidInput
from rempart.model.validation import checked

by_option = click.option("--by", default="operator", show_default=True, help="Who does it.")
category_option = click.option(
    "--category",
    type=click.Choice([one.value for one in Category]),
    default=Category.GENERAL.value,
    show_default=True,
)
Options: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]
text_argument = click.argument("file", type=click.Path(path_type=Path, allow_dash=True))


@click.group()
def case() -> None:
    """Cases: from a report to a decision by several arbiters, its effect, and its appeal."""


for command in (arbiter, policy, propose, sign_motion, submit):
    case.add_command(command)


def step_command(name: str, *options: Options) -> Options:
    """A command that takes one step of a case: what such commands have in common, around what they do."""

    def made(function: Callable[..., None]) -> Callable[..., None]:
        case_argument = click.argument("case_id", metavar="CASE")
        around: list[Options] = [pass_session, json_option, *options, case_argument]
        for one in around:
            function = one(function)
        return case.command(name)(function)

    return made


def target_of(text: str, *, zone: bool = False) -> Target:
    """``shop.example.org``, ``shop.example.org/path``, or a zone's name."""
    host, slash, path = text.partition("/")
    return checked(
        Target, {"host": host, "path": f"/{path}" if slash else None, "whole_zone": zone}, "TARGET"
    )


def moment(text: str | None, field: str) -> datetime | None:
    """A time that was given: ISO 8601, UTC unless it says otherwise."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time", field=field, hint="write 2030-12-31T18:00Z") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def take(session: Session, case_id: str, step: Value, as_json: bool) -> None:
    """One step; prints the case as it then is."""
    body = NewStepBody.model_validate({"step": step.model_dump(mode="json")})
    with session.controller() as controller:
        view = controller.write(CaseView, "POST", route("cases", case_id, "steps"), body=body)
    printed(view, as_json)


def printed(view: CaseView, as_json: bool) -> None:
    if as_json:
        document(view.model_dump(mode="json"))
    else:
        case_views.show(view)


def _reporter_in(file: Path, given: str | None, report: Path | None) -> str:
    """Who reported, from a file: one name and address, given in no other way."""
    if given is not None:
        raise InvalidInput("leave --reporter out: who reported is given twice", field="--reporter-file")
    if str(file) == "-" and str(report) == "-":
        raise InvalidInput("the report is read from standard input already", field="--reporter-file")
    text = read_text(file, "--reporter-file").strip()
    if len(text) > REPORTER_LENGTH_MAX:
        raise InvalidInput(
            f"longer than {REPORTER_LENGTH_MAX} characters", field="--reporter-file",
            hint="name and address only; the rest belongs into --report",
        )  # fmt: skip
    return text


@case.command("open")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--zone", is_flag=True, help="TARGET is a zone, and all of it is meant.")
@category_option
@click.option("--trusted-flagger", is_flag=True, help="A trusted flagger sent it (DSA Art. 22).")
@click.option("--own", is_flag=True, help="Nobody reported it: the operator's own finding.")
@click.option("--url", "urls", multiple=True, metavar="URL", help="As the report gives it. May be repeated.")
@click.option(
    "--report", type=click.Path(path_type=Path, allow_dash=True), help="File with what the report says."
)
@click.option(
    "--reporter",
    help="Name and address. Kept apart and sealed; the site is never told. Others on this machine can see "
    "it in its list of processes: then --reporter-file.",
)
@click.option(
    "--reporter-file", type=click.Path(path_type=Path, allow_dash=True), help="The same from a file, or -."
)
@click.option(
    "--evidence", multiple=True, type=click.Path(path_type=Path), help="A text file. May be repeated."
)
@by_option
@json_option
@pass_session
def open_case(session: Session, targets: tuple[str, ...], zone: bool, category: str,
              trusted_flagger: bool, own: bool, urls: tuple[str, ...], report: Path | None,
              reporter: str | None, reporter_file: Path | None,
              evidence: tuple[Path, ...], by: str, as_json: bool) -> None:  # fmt: skip
    """Open a case about host names, URLs (host/path) or a zone."""
    if reporter_file is not None:
        reporter = _reporter_in(reporter_file, reporter, report)
    new = NewCase(
        source=Source.OWN if own else Source.REPORT,
        category=Category(category),
        targets=tuple(target_of(one, zone=zone) for one in targets),
        urls=urls,
        trusted_flagger=trusted_flagger,
        report=None if report is None else read_text(report, "--report"),
        reporter=reporter,
        evidence=tuple(read_text(one, "--evidence") for one in evidence),
        by=by,
    )
    with session.controller() as controller:
        printed(controller.write(CaseView, "POST", "/v1/cases", body=new), as_json)


@case.command("order")
@click.argument("target")
@click.option("--zone", is_flag=True, help="TARGET is a zone, and all of it is meant.")
@category_option
@click.option(
    "--kind",
    type=click.Choice([one.value for one in OrderKind]),
    default=OrderKind.DSA_9.value,
    show_default=True,
    help="removal: Regulation (EU) 2021/784, one hour.",
)
@click.option("--authority", required=True)
@click.option("--country", help="Whose authority: two letters (ISO 3166). Reports count by Member State.")
@click.option("--reference", required=True)
@click.option("--legal-basis", required=True)
@click.option(
    "--remedy", required=True, type=click.Choice([one.value for one in Remedy]), help="What it demands."
)
@click.option("--days", type=int, help="For how long it demands it.")
@territory_option
@click.option(
    "--document",
    "file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The order as received; its SHA-256 is kept.",
)
@click.option("--received", help="When (ISO 8601).  [default: now]")
@click.option("--deadline", help="Until when (ISO 8601).")
@by_option
@json_option
@pass_session
def order(session: Session, target: str, zone: bool, category: str, kind: str, authority: str,
          country: str | None, reference: str, legal_basis: str, remedy: str, days: int | None,
          territory: tuple[str, ...], file: Path, received: str | None, deadline: str | None, by: str,
          as_json: bool) -> None:  # fmt: skip
    """Enter an order of a court or an authority. Its clock runs from when it was received."""
    at = moment(received, "--received") or datetime.now(UTC).replace(microsecond=0)
    until = order_deadline(OrderKind(kind), at, moment(deadline, "--deadline"))
    if until is None:
        raise InvalidInput("until when?", field="--deadline")
    aim = target_of(target, zone=zone)
    asked = {"remedy": remedy, "target": aim.model_dump(), "days": days, "territory": territory}
    demanded = checked(Measure, asked, "--remedy")
    made = checked(
        Order,
        {
            "kind": kind, "authority": authority, "country": country, "reference": reference,
            "legal_basis": legal_basis,
            "document": hashlib.sha256(file.read_bytes()).hexdigest(), "demanded": demanded.model_dump(),
            "received_at": at, "deadline": until,
        },
        "order",
    )  # fmt: skip
    new = NewCase(source=Source.ORDER, category=Category(category), targets=(aim,), order=made, by=by)
    with session.controller() as controller:
        printed(controller.write(CaseView, "POST", "/v1/cases", body=new), as_json)


@case.command("list")
@click.option("--phase", type=click.Choice([one.value for one in Phase]))
@click.option("--host", help="Those about this name (as the first of their targets).")
@click.option("--after", metavar="CASE", help="Those that come after this one in the list.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1_000))
@json_option
@pass_session
def list_(
    session: Session, phase: str | None, host: str | None, after: str | None, limit: int, as_json: bool
) -> None:
    """Cases, newest first."""
    with session.controller() as controller:
        found = controller.ask(Cases, "/v1/cases", phase=phase, host=host, after=after, limit=limit)
    if as_json:
        document(found.model_dump(mode="json"))
        return
    rows = [
        (
            one.case.id,
            case_views.minute(one.case.opened_at),
            one.case.phase.value,
            one.case.category.value,
            ", ".join(map(str, one.case.targets)),
            "" if not one.deadlines else f"{case_views.minute(one.deadlines[0].at)}: {one.deadlines[0].what}",
        )
        for one in found.cases
    ]
    table(("ID", "OPENED", "PHASE", "ABOUT", "TARGET", "NEXT"), rows, empty="no cases")
    if found.next is not None:
        note(f"There are more: --after {found.next}")


@case.command("show")
@click.argument("case_id", metavar="CASE")
@click.option("--steps", is_flag=True, help="Its steps, and where they are in the public log.")
@click.option("--confidential", is_flag=True, help="What was reported and answered; not who reported.")
@click.option("--reporter", is_flag=True, help="Who reported, too.")
@json_option
@pass_session
def show(
    session: Session, case_id: str, steps: bool, confidential: bool, reporter: bool, as_json: bool
) -> None:
    """One case."""
    with session.controller() as controller:
        if steps:
            found = controller.ask(CaseSteps, route("cases", case_id, "steps"))
            if as_json:
                document(found.model_dump(mode="json"))
            else:
                rows = [case_views.step_row(one) for one in found.steps]
                table(("STEP", "AT", "WHAT", "IN THE LOG", "ENTRY"), rows, empty="no steps")
        elif confidential or reporter:
            opened = controller.ask(Confidences, route("cases", case_id, "confidences"), reporter=reporter)
            if as_json:
                document(opened.model_dump(mode="json"))
            else:
                for one in opened.confidences:
                    say(f"{one.what.value}, {case_views.minute(one.at)}:\n{one.text}\n")
        else:
            printed(controller.ask(CaseView, route("cases", case_id)), as_json)


@step_command("triage", by_option)
@click.option("--accept/--dismiss", required=True)
@click.option("--reason", required=True)
def triage(session: Session, case_id: str, accept: bool, reason: str, by: str, as_json: bool) -> None:
    """Take a report up, or dismiss it."""
    take(session, case_id, Triaged(accepted=accept, reason=reason, by=by), as_json)


@step_command("scrutinise", by_option)
@click.option("--complete/--faulty", required=True)
@click.option("--findings", required=True)
def scrutinise(session: Session, case_id: str, complete: bool, findings: str, by: str, as_json: bool) -> None:
    """Say whether an order has everything that it must have (DSA Art. 9(2))."""
    take(session, case_id, Scrutinised(complete=complete, findings=findings, by=by), as_json)


@step_command("inform", by_option)
@click.argument("of", type=click.Choice([one.value for one in Informing]))
def inform(session: Session, case_id: str, of: str, by: str, as_json: bool) -> None:
    """You have told the authority that its order came (receipt), or what became of it (effect)."""
    take(session, case_id, Informed(of=Informing(of), by=by), as_json)


@step_command("notify", by_option)
def notify(session: Session, case_id: str, by: str, as_json: bool) -> None:
    """The owner was told: the time to answer begins."""
    take(session, case_id, Notified(by=by), as_json)


@step_command("answer", text_argument)
def answer(session: Session, case_id: str, file: Path, as_json: bool) -> None:
    """What the owner answered, from a file (-: standard input)."""
    take(session, case_id, NewAnswer(text=read_text(file, "FILE")), as_json)


@step_command("forward", by_option)
@click.option("--to", required=True, type=click.Choice([one.value for one in Recipient]))
@click.option("--name", required=True, help="Which host, which authority. No person.")
@click.option("--note", default="", help="What was sent, in a few words. Becomes public with the case.")
def forward(session: Session, case_id: str, to: str, name: str, note: str, by: str, as_json: bool) -> None:
    """Record that you have passed the report on. Leave out who reported, unless they agreed."""
    take(session, case_id, Forwarded(to=Recipient(to), name=name, note=note, by=by), as_json)


@step_command("announce", by_option)
@click.option(
    "--effective", help="When it takes effect (ISO 8601).  [default: once the notice period is over]"
)
def announce(session: Session, case_id: str, effective: str | None, by: str, as_json: bool) -> None:
    """Give notice of a decision to owner and public: it takes effect at the time that is named."""
    take(session, case_id, NewNotice(effective_at=moment(effective, "--effective"), by=by), as_json)


@step_command("appeal", text_argument)
def appeal(session: Session, case_id: str, file: Path, as_json: bool) -> None:
    """The owner's appeal, from a file (-: standard input)."""
    take(session, case_id, NewAppeal(text=read_text(file, "FILE")), as_json)


@step_command("close", by_option)
@click.option("--reason", default="")
def close(session: Session, case_id: str, reason: str, by: str, as_json: bool) -> None:
    """Put a case away that is dismissed or whose remedy is lifted."""
    take(session, case_id, Closed(reason=reason, by=by), as_json)


@case.command("reasons")
@click.argument("case_id", metavar="CASE")
@click.option("--dsa", is_flag=True, help="As JSON for the EU's transparency database.")
@pass_session
def reasons(session: Session, case_id: str, dsa: bool) -> None:
    """The statement of reasons (DSA Art. 17)."""
    with session.controller() as controller:
        found: dict[str, Any] = controller.call("GET", route("cases", case_id, "reasons"))
    if not dsa:
        say(found["text"].rstrip())
        return
    if found["dsa"] is None:
        raise InvalidInput(
            "no statement is due here: an order, or a report that is only passed on", field="--dsa"
        )
    document(found["dsa"])
