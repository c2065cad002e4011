"""What the admin API takes and answers about cases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from rempart.controller.cases.confidences import Confidence
from rempart.governance.charter import CharterEvent
from rempart.governance.reports.answering import Answering
from rempart.model.base import Value
from rempart.model.cases import (
    Arbiter,
    Case,
    Motion,
    Policy,
    Signed,
    Statement,
)
from rempart.model.cases_events import (
    Closed,
    Done,
    Forwarded,
    Informed,
    Matter,
    Moved,
    Notified,
    Scrutinised,
    Stated,
    Triaged,
)
from rempart.model.cases_kept import AppliedBy, CaseStep
from rempart.model.cases_remedies import Moment

Long = Annotated[str, Field(min_length=1, max_length=200_000)]

REPORTER_LENGTH_MAX = 1_000
"""Characters of a name with its address."""


class NewCase(Matter):
    """A case, with what is confidential of it."""

    report: Long | None = None
    reporter: Annotated[str, Field(min_length=1, max_length=REPORTER_LENGTH_MAX)] | None = Field(
        default=None, repr=False
    )
    """Name and address; kept apart, sealed, never in the log."""
    evidence: tuple[Long, ...] = Field(default=(), max_length=50)


class Written(Value):
    """What the owner writes; the log gets its seal."""

    text: Long


class NewAnswer(Written):
    kind: Literal["answer"] = "answer"


class NewAppeal(Written):
    kind: Literal["appeal"] = "appeal"


class NewNotice(Done):
    """The notice of what was decided."""

    kind: Literal["announce"] = "announce"
    effective_at: Moment | None = None
    """None: when the policy's notice period is over."""


NewStep = Annotated[
    Triaged
    | Notified
    | NewAnswer
    | Forwarded
    | Scrutinised
    | Informed
    | Moved
    | Stated
    | NewNotice
    | NewAppeal
    | Closed,
    Field(discriminator="kind"),
]


class NewStepBody(Value):
    step: NewStep


class Unsigned(Value):
    """A statement on its way to be signed elsewhere; ``motion`` comes with its author's."""

    statement: Statement
    motion: Motion | None = None

    def step(self, signed: Signed) -> Moved | Stated:
        """What it is once it is signed."""
        return Stated(signed=signed) if self.motion is None else Moved(motion=self.motion, signed=signed)


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
