"""Transparency reports from a real store, and in the public log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from rempart.controller.cases.disclosure import Disclosure
from rempart.governance.disclosure.counting import Period, TransparencyReport
from rempart.governance.disclosure.files import digests_of, files_of
from rempart.model.cases import Act, MotionKind, Outcome, Source
from rempart.model.cases_events import Triaged
from rempart.model.errors import Conflict
from tests.controller.cases.conftest import QUICK, Court


@dataclass
class Year:
    """The court's year, and the reports of it."""

    court: Court
    disclosure: Disclosure
    period: Period

    def ends(self) -> None:
        self.court.clock.now = max(self.court.clock.now, self.period.ends)


@pytest.fixture
def year(court: Court) -> Year:
    court.found()
    disclosure = Disclosure(court.intents.context, court.log, "Example")
    return Year(court, disclosure, Period(year=court.clock.now.year))


def test_a_report_counts_what_the_docket_did(year: Year) -> None:
    court = year.court
    case = court.to_announced()
    court.time(QUICK.notice_s + 1)
    court.docket.appeal(case.id, "It was satire.")
    court.moves(case.id, "cleo", MotionKind.APPEAL, outcome=Outcome.REVERSED)
    court.says(case.id, Act.APPROVE, "dan")
    court.work()
    dismissed = court.open(source=Source.REPORT, trusted_flagger=True)
    court.docket.take(dismissed.id, Triaged(accepted=False, reason="No.", by="operator"))
    court.open(source=Source.OWN)
    made = year.disclosure.report(year.period)
    whole = made.notices[0]
    assert (whole.received, whole.received_trusted, whole.by_terms, whole.not_acted) == (2, 1, 1, 1)
    assert whole.median_act_s == QUICK.answer_s + QUICK.notice_s + 1
    assert (made.complaints[0].submitted, made.complaints[0].reversed) == (1, 1)
    assert (made.own_findings, made.provider, made.published_on) == (1, "Example", None)
    assert year.disclosure.report(Period(year=year.period.year - 1)).notices[0].received == 0


def test_a_report_is_published_once_and_with_its_files(year: Year) -> None:
    year.court.open()
    with pytest.raises(Conflict, match="the period ends on"):
        year.disclosure.publish(year.period)
    year.ends()
    made = year.disclosure.publish(year.period)
    assert made.step == f"report/{year.period.year}/1"
    entry = year.court.log.step(made.index)
    assert TransparencyReport.model_validate(entry.public["report"]) == made.report
    assert entry.public["files"] == made.files == digests_of(files_of(made.report))
    assert made.report.published_on == year.period.ends.date()
    year.court.clock.forward(86_400)
    assert year.disclosure.publish(year.period) == made, "the same figures are the same entry"
    assert year.disclosure.report(year.period) == made.report


def test_other_figures_are_an_entry_beside_the_first(year: Year) -> None:
    year.ends()
    first = year.disclosure.publish(year.period)
    year.court.clock.now = datetime(year.period.year, 12, 31, 23, tzinfo=UTC)
    year.court.open()
    year.ends()
    second = year.disclosure.publish(year.period)
    assert (first.step[-2:], second.step[-2:]) == ("/1", "/2")
    assert second.index > first.index
    assert second.report.previous_on == first.report.published_on
    half = year.disclosure.publish(Period(year=year.period.year, half=1))
    assert half.step == f"report/{year.period.year}-h1/1"
