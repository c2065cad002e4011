"""Who is told of a report, when, and whether with the reporter's name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rempart.governance.reports.duplicates import Kind
from rempart.model.abuse_reports import Handling, Report, Standing


class Recipient(StrEnum):
    OWNER = "owner"
    HOST = "host"


class Happened(StrEnum):
    """What may have a report passed on."""

    RECEIVED = "received"
    RELEASED = "released"  # a person has looked, and lets it go on
    TAKEN_UP = "taken_up"  # it became a case


@dataclass(frozen=True, slots=True)
class Forward:
    """Pass the report on."""

    to: Recipient
    anonymous: bool


def forwarding(
    report: Report, handling: Handling, happened: Happened, likeness: Kind = Kind.NEW
) -> tuple[Forward, ...]:
    """What is to be passed on now. Nothing is passed on twice, and no repeat is passed on at all."""
    if likeness is not Kind.NEW or report.same_as is not None or report.standing is Standing.REFUSED:
        return ()
    if report.held and happened is Happened.RECEIVED:
        return ()
    found = []
    if report.forwarded_at is None:
        found.append(Forward(Recipient.OWNER, anonymous=report.anonymous or handling.anonymous))
        if handling.to_host and report.host_told_at is None:
            found.append(Forward(Recipient.HOST, anonymous=report.host_anonymous or handling.anonymous))
    return tuple(found)
