"""``rempart report``: abuse reports, from when they come to when they are decided; the outbox."""

from __future__ import annotations

import base64
import mimetypes
import os
from pathlib import Path

import click

from rempart.cli import report_views
from rempart.cli.case import by_option, text_argument
from rempart.cli.case_views import answering_lines
from rempart.cli.files import read_text
from rempart.cli.output import document, json_option, note, say, table
from rempart.cli.session import Session, pass_session, route
from rempart.controller.admin_api.report_messages import (
    Acceptance,
    ContactView,
    NewFile,
    NewReport,
    NewSiteAnswer,
    Outbox,
    ReceiptView,
    Refusal,
    ReportDetails,
    Reports,
    Settlement,
)
from rempart.controller.reporting.letters import Letter
from rempart.governance.reports.answering import Answering
from rempart.model.abuse_reports import AnswerKind, Denial, Report, Standing
from rempart.model.base import Value
from rempart.model.cases import Category
from rempart.model.errors import InvalidInput

report_argument = click.argument("report_id", metavar="REPORT")


@click.group()
def report() -> None:
    """Abuse reports: what came in, what becomes of it, how sites answer."""


@report.command("new")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--category", required=True, type=click.Choice([one.value for one in Category]))
@click.option(
    "--explanation",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="File with the reasons, in the reporter's words.",
)
@click.option(
    "--reporter-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File: name on the first line, e-mail address on the second, telephone on the third.",
)
@click.option("--named", is_flag=True, help="The reporter wants the site to know who they are.")
@click.option("--evidence", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--language", type=click.Choice(["en", "fr"]), default="en", show_default=True)
@click.option("--good-faith", is_flag=True, help="The reporter has stated it (DSA Art. 16(2)(d)).")
@json_option
@pass_session
def new(session: Session, urls: tuple[str, ...], category: str, explanation: Path,
        reporter_file: Path | None, named: bool, evidence: tuple[Path, ...], language: str,
        good_faith: bool, as_json: bool) -> None:  # fmt: skip
    """Enter a report that came by mail or otherwise."""
    lines = [] if reporter_file is None else read_text(reporter_file, "--reporter-file").strip().split("\n")
    name, email, telephone = ([one.strip() for one in lines] + ["", "", ""])[:3]
    body = NewReport(
        category=Category(category),
        urls=urls,
        explanation=read_text(explanation, "--explanation"),
        name=name,
        email=email or None,
        telephone=telephone,
        anonymous=not named,
        good_faith=good_faith,
        language="fr" if language == "fr" else "en",
        files=tuple(map(_file, evidence)),
    )
    with session.controller() as controller:
        made = controller.write(ReceiptView, "POST", "/v1/reports", body=body)
    if as_json:
        document(made.model_dump(mode="json"))
        return
    say(f"received     {made.received_at}, for {', '.join(made.urls)}")
    say(f"reference    {made.reference}")
    if made.same_as_another:
        say("             it was reported before, and goes the way of that report")
    say("Give the reference to the reporter: nobody can find it again.")


@report.command("list")
@click.option("--standing", type=click.Choice([one.value for one in Standing]))
@click.option("--category", type=click.Choice([one.value for one in Category]))
@click.option("--host")
@click.option("--case", "case_id")
@click.option("--waiting", is_flag=True, help="Only those that a person must look at, oldest first.")
@json_option
@pass_session
def list_(session: Session, standing: str | None, category: str | None, host: str | None,
          case_id: str | None, waiting: bool, as_json: bool) -> None:  # fmt: skip
    """Reports, newest first. Who sent them is in none of it."""
    with session.controller() as controller:
        found = controller.ask(
            Reports,
            "/v1/reports",
            standing=standing,
            category=category,
            host=host,
            case=case_id,
            waiting=waiting or None,
        )
    if as_json:
        document(found.model_dump(mode="json"))
        return
    rows = [report_views.row(one) for one in found.reports]
    table(("ID", "RECEIVED", "ABOUT", "HOST", "STANDS", "SITE"), rows, empty="no reports")
    if found.total > len(rows):
        note(f"rempart: {len(rows)} of {found.total} reports; --host, --category and --standing narrow it")


@report.command("show")
@report_argument
@click.option("--reporter", is_flag=True, help="Who sent it, and nothing else.")
@json_option
@pass_session
def show(session: Session, report_id: str, reporter: bool, as_json: bool) -> None:
    """One report, with what its reporter wrote, what the site answered, and how it answers otherwise."""
    with session.controller() as controller:
        if reporter:
            opened = controller.ask(ContactView, route("reports", report_id, "contact"))
            if as_json:
                document(opened.model_dump(mode="json"))
            else:
                report_views.contact(opened.contact)
            return
        found = controller.ask(ReportDetails, route("reports", report_id))
    if as_json:
        document(found.model_dump(mode="json"))
    else:
        report_views.show(found)


@report.command("file")
@report_argument
@click.argument("number", type=int)
@click.argument("to", type=click.Path(path_type=Path))
@pass_session
def file(session: Session, report_id: str, number: int, to: Path) -> None:
    """Write a file that came with a report to TO, which only you can read. It may be anything: take care."""
    with session.controller() as controller:
        content = controller.content(route("reports", report_id, "files", str(number)))
    _write(to, content)
    say(f"{to}: {len(content)} bytes")


@report.command("release")
@report_argument
@json_option
@pass_session
def release(session: Session, report_id: str, as_json: bool) -> None:
    """Pass a report on that was held back."""
    _done(session, report_id, "release", None, as_json)


@report.command("triage")
@report_argument
@click.option("--accept/--refuse", required=True, help="Make a case of it, or do not take it up.")
@click.option("--reason", required=True, help="For the case; of a refusal, the reporter reads it.")
@click.option("--because", type=click.Choice([one.value for one in Denial]), help="Why it is refused.")
@click.option("--case", "case_id", help="Make it a part of this case.")
@by_option
@json_option
@pass_session
def triage(session: Session, report_id: str, accept: bool, reason: str, because: str | None,
           case_id: str | None, by: str, as_json: bool) -> None:  # fmt: skip
    """Take a report up, or refuse it."""
    if accept:
        if because is not None:
            raise InvalidInput("that is for a refusal", field="--because")
        _done(session, report_id, "accept", Acceptance(reason=reason, by=by, case=case_id), as_json)
        return
    if because is None:
        raise InvalidInput("why it is refused is needed", field="--because")
    _done(session, report_id, "refuse", Refusal(denial=Denial(because), reason=reason), as_json)


@report.command("settle")
@report_argument
@click.option("--reason", default="", help="The reporter reads it.")
@json_option
@pass_session
def settle(session: Session, report_id: str, reason: str, as_json: bool) -> None:
    """The matter is over, and nobody had to decide: the site has seen to it, say."""
    _done(session, report_id, "settle", Settlement(reason=reason), as_json)


@report.command("answer")
@report_argument
@click.argument("kind", type=click.Choice([one.value for one in AnswerKind]))
@text_argument
@json_option
@pass_session
def answer(session: Session, report_id: str, kind: str, file: Path, as_json: bool) -> None:
    """What the site answered, from a file (-: standard input). Owners do it themselves, too."""
    said = NewSiteAnswer(kind=AnswerKind(kind), text=read_text(file, "FILE"))
    _done(session, report_id, "answer", said, as_json)


@report.command("answering")
@click.argument("site", required=False)
@json_option
@pass_session
def answering(session: Session, site: str | None, as_json: bool) -> None:
    """How often and how fast a site, or all of them, answer what is reported."""
    with session.controller() as controller:
        found = controller.ask(Answering, "/v1/reports/answering", site=site)
    if as_json:
        document(found.model_dump(mode="json"))
    else:
        for line in answering_lines(found):
            say(line)


@report.command("outbox")
@click.option("--all", "sent", is_flag=True, help="Those that were sent, too.")
@click.option("--report", "of", metavar="REPORT", help="Only about this report.")
@click.option("--write", "folder", type=click.Path(path_type=Path, file_okay=False), help="As files, here.")
@json_option
@pass_session
def outbox(session: Session, sent: bool, of: str | None, folder: Path | None, as_json: bool) -> None:
    """Letters to reporters and hosts. Rempart mails none of them: you do, and say so with report sent."""
    with session.controller() as controller:
        found = controller.ask(Outbox, "/v1/reports/outbox", sent=sent or None, report=of)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for one in found.letters:
            _write(folder / f"{one.id}.eml", one.as_mail(session.configuration.reports.from_address))
        note(
            f"rempart: {len(found.letters)} letters written to {folder}; mail them, then: rempart report sent"
        )
    if as_json:
        document(found.model_dump(mode="json"))
    elif folder is None:
        rows = [report_views.letter_row(one) for one in found.letters]
        table(("ID", "WRITTEN", "TO", "SUBJECT", "SENT"), rows, empty="no letters")


@report.command("sent")
@click.argument("letters", nargs=-1, required=True, metavar="LETTER...")
@pass_session
def sent(session: Session, letters: tuple[str, ...]) -> None:
    """These letters were mailed."""
    with session.controller() as controller:
        for one in letters:
            controller.write(Letter, "POST", route("reports", "outbox", one, "sent"))
    say(f"{len(letters)} marked as sent")


def _done(session: Session, report_id: str, what: str, body: Value | None, as_json: bool) -> None:
    with session.controller() as controller:
        made = controller.write(Report, "POST", route("reports", report_id, what), body=body)
    if as_json:
        document(made.model_dump(mode="json"))
    else:
        report_views.stands(made)


def _file(path: Path) -> NewFile:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    content = base64.b64encode(path.read_bytes()).decode()
    return NewFile(name=path.name, media_type=media_type, content=content)


def _write(path: Path, content: bytes) -> None:
    """A file that only its owner can read. InvalidInput when there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise InvalidInput(f"{path} is there already", field="TO", hint="choose another name") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}", field="TO") from error
    with os.fdopen(descriptor, "wb") as target:
        target.write(content)
