"""Transparency reports from what is kept of the cases, and their place in the public log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from rempart.controller.cases.rows import whole_seconds
from rempart.controller.intents.context import Context
from rempart.controller.store.tables import CaseMarkRow
from rempart.controller.transparency.public_log import PublicLog
from rempart.governance.disclosure.counting import Period, TransparencyReport, report
from rempart.governance.disclosure.files import digests_of, files_of
from rempart.governance.disclosure.marks import Mark
from rempart.governance.log.step import Step
from rempart.model.base import Value
from rempart.model.errors import Conflict, InvalidInput

ROOM = "report/"
KIND = "transparency-report"
AT_ONCE = 5_000
NUMBERS_MAX = 1_000


class Published(Value):
    """A report that is in the public log."""

    report: TransparencyReport
    step: str
    index: int
    files: dict[str, str]
    """File name → SHA-256, as the log holds it."""


class Disclosure:
    """Counts and publishes. Safe to use from any thread."""

    def __init__(self, context: Context, log: PublicLog, provider: str | None) -> None:
        self._context = context
        self._log = log
        self._provider = provider

    def report(self, period: Period) -> TransparencyReport:
        """The report as of now; of a period that is not over, what there is so far."""
        standing = self._published(period)
        made = self._made(period)
        # Unchanged since it was published, it is the published one.
        if standing is not None and _undated(standing[1]) == _undated(made):
            return standing[1]
        return made

    def publish(self, period: Period) -> Published:
        """Put the report into the public log, with the hash of every file it is published as.

        Once is enough: the same figures again are the same entry; others are another one beside it. Conflict
        while the period is not over; EnvironmentLacks while the log cannot be written.
        """
        now = whole_seconds(self._context.clock())
        if now < period.ends:
            raise Conflict(f"the period ends on {period.last}", field="period", hint="print it meanwhile")
        made = self._made(period)
        standing = self._published(period)
        if standing is not None and _undated(standing[1]) == _undated(made):
            return self._entry(standing[0], standing[1])
        number = 1 if standing is None else int(standing[0].rpartition("/")[2]) + 1
        id_ = f"{ROOM}{period.id}/{number}"
        dated = made.model_copy(update={"published_on": now.date(), "previous_on": self._previous(id_)})
        return self._entry(id_, dated, now)

    def _entry(self, id_: str, made: TransparencyReport, at: datetime | None = None) -> Published:
        files = digests_of(files_of(made))
        index = self._log.find(id_)
        if index is None:
            public: dict[str, Any] = {"files": files, "report": made.model_dump(mode="json")}
            step = Step(id=id_, kind=KIND, at=at or self._context.clock(), public=public)
            index = self._log.append(step).index
        return Published(report=made, step=id_, index=index, files=files)

    def _made(self, period: Period) -> TransparencyReport:
        return report(self._provider or self._log.key.name, period, self._marks(period))

    def _marks(self, period: Period) -> Iterator[Mark]:
        """One part after the other: a year of 100,000 cases is not held in memory."""
        rows = select(CaseMarkRow.mark).where(CaseMarkRow.at >= period.begins, CaseMarkRow.at < period.ends)
        with self._context.reading() as session:
            for text in session.scalars(rows.execution_options(yield_per=AT_ONCE)):
                yield Mark.model_validate_json(text)

    def _published(self, period: Period) -> tuple[str, TransparencyReport] | None:
        """The newest report of the period that is in the log, and under which id."""
        there = self._log.under(f"{ROOM}{period.id}/", NUMBERS_MAX)
        if not there:
            return None
        id_, index = there[-1]
        try:
            return id_, TransparencyReport.model_validate(self._log.step(index).public["report"])
        except (KeyError, ValueError) as error:
            raise InvalidInput(f"entry {index} of the log holds no report", field=id_) from error

    def _previous(self, id_: str) -> date | None:
        """When a report was published last."""
        there = [index for other, index in self._log.under(ROOM, NUMBERS_MAX) if other != id_]
        return self._log.step(there[-1]).at.date() if there else None


def _undated(made: TransparencyReport) -> TransparencyReport:
    return made.model_copy(update={"published_on": None, "previous_on": None})
