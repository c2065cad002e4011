"""Abuse reports in words."""

from __future__ import annotations

from rempart.cli.case_views import answering_lines, minute
from rempart.cli.output import say
from rempart.controller.admin_api.report_messages import ReportDetails
from rempart.controller.reporting.letters import Letter
from rempart.model.abuse_reports import Contact, Report, Standing

_STANDS = {
    Standing.RECEIVED: "received: to be looked at",
    Standing.REFUSED: "refused",
    Standing.CASE: "in a case",
    Standing.SETTLED: "settled",
}


def row(one: Report) -> tuple[str, ...]:
    """A line of the list."""
    return (
        one.id,
        minute(one.received_at),
        one.category.value,
        one.host,
        _standing(one),
        _site(one),
    )


def stands(one: Report) -> None:
    """What has become of it."""
    say(f"report       {one.id}")
    say(f"stands       {_standing(one)}")
    say(f"site         {_site(one)}")


def show(found: ReportDetails) -> None:
    whole, one = found.whole, found.whole.report
    say(f"report       {one.id}, received {minute(one.received_at)} ({one.way.value})")
    say(f"about        {one.category.value}, {one.host}")
    for url in one.urls:
        say(f"             {url}")
    say(f"stands       {_standing(one)}")
    say(f"reporter     {'stays unknown to the site' if one.anonymous else 'is named to the site'}")
    say(f"is told      {found.told.stage.value}")
    say(f"site         {_site(one)}")
    for line in answering_lines(found.answering):
        say(f"             {line}")
    if one.host_told_at is not None:
        say(f"host         was written to {minute(one.host_told_at)}")
    for kept, name in zip(one.files, whole.file_names, strict=True):
        say(f"file {kept.number}       {name}: {kept.media_type}, {kept.size} bytes, SHA-256 {kept.sha256}")
    if whole.same:
        say(f"the same     {', '.join(whole.same)}")
    say(f"\n{whole.content.explanation}")
    for name, text in whole.content.details.items():
        say(f"{name}: {text}")
    if whole.answer:
        say(f"\nThe site answered:\n{whole.answer}")


def contact(one: Contact) -> None:
    """Who it was."""
    parts = (one.name, one.company, one.email, one.telephone, one.address)
    say("\n".join(part for part in parts if part) or "The reporter has left no name.")


def letter_row(one: Letter) -> tuple[str, ...]:
    to = one.to or one.look_up
    return one.id, minute(one.at), to, one.subject, "" if one.sent_at is None else minute(one.sent_at)


def _standing(one: Report) -> str:
    if one.same_as is not None and one.standing is Standing.RECEIVED:
        return f"adds to {one.same_as}"
    if one.standing is Standing.CASE:
        return f"in case {one.case_id}"
    if one.standing is Standing.REFUSED and one.denial is not None:
        return f"refused: {one.denial.value}"
    return _STANDS[one.standing]


def _site(one: Report) -> str:
    if one.answered_at is not None and one.answer is not None:
        return f"answered {minute(one.answered_at)}: {one.answer.value}"
    if one.forwarded_at is not None:
        return f"told {minute(one.forwarded_at)}, no answer yet"
    if one.held and one.standing is Standing.RECEIVED and one.same_as is None:
        return "not told: it is held until report release or report triage"
    return "not told"
