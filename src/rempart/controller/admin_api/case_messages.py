"""What the admin API takes and answers about cases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from rempart.controller.cases.applied import AppliedBy
from rempart.controller.cases.confidences import Confidence
from rempart.controller.cases.rows import CaseStep
from rempart.governance.charter import CharterEvent
from rempart.governance.reports.answering import Answering
from rempart.model.base import Value
from rempart.model.cases import Arbiter, Case, Category, Order, Policy, Source
from rempart.model.cases_events import Closed, Informed, Moved, Notified, Person, Scrutinised, Stated, Triaged
from rempart.model.cases_remedies import Moment, Target

Long = Annotated[str, Field(min_length=1, max_length=200_000)]

REPORTER_LENGTH_MAX = 1_000
"""Characters of a name with its address."""


class NewCase(Value):
    source: Source
    category: Category
    targets: tuple[Target, ...] = Field(min_length=1, max_length=50)
    urls: tuple[Annotated[str, Field(max_length=2_000)], ...] = Field(default=(), max_length=200)
    order: Order | None = None
    trusted_flagger: bool = False
    report: Long | None = None
    reporter: Annotated[str, Field(min_length=1, max_length=REPORTER_LENGTH_MAX)] | None = Field(
        default=None, repr=False
    )
    """Name and address; kept apart, sealed, never in the log."""
    evidence: tuple[Long, ...] = Field(default=(), max_length=50)
    by: Person


class NewAnswer(Value):
    kind: Literal["answer"] = "answer"
    text: Long


class NewAppeal(Value):
    kind: Literal["appeal"] = "appeal"
    text: Long


class NewNotice(Value):
    """The notice of what was decided."""

    kind: Literal["announce"] = "announce"
    effective_at: Moment | None = None
    """None: when the policy's notice period is over."""
    by: Person


NewStep = Annotated[
    Triaged | Notified | NewAnswer | Scrutinised | Informed | Moved | Stated | NewNotice | NewAppeal | Closed,
    Field(discriminator="kind"),
]


class NewStepBody(Value):
    step: NewStep


class DeadlineView(Value):
    at: datetime
    what: str
    over: bool


class CaseView(Value):
    """A case, and what is to happen by when."""

    case: Case
    deadlines: tuple[DeadlineView, ...] = ()
    eligible: tuple[str, ...] = ()
    """Who may vote on the open motion."""
    required: int | None = None
    applied: tuple[AppliedBy, ...] = ()
    """Which nodes have applied what the case has put in force or lifted last. Not in lists."""
    reports: tuple[str, ...] = ()
    """Abuse reports that it is about."""
    answering: Answering | None = None
    """How the site answers reports; None: none was ever passed on to it."""


class Cases(Value):
    cases: tuple[CaseView, ...]
    next: str | None
    """After which case the rest comes; None: that is all."""


class CaseSteps(Value):
    steps: tuple[CaseStep, ...]


class Confidences(Value):
    confidences: tuple[Confidence, ...]


class CharterView(Value):
    seq: int
    founding: bool
    arbiters: tuple[Arbiter, ...]
    policies: tuple[Policy, ...]


class CharterChange(Value):
    change: CharterEvent
