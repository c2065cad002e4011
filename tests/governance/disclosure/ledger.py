"""Cases played through with a ledger beside them: what happened is written down as it is done, by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rempart.governance.cases import Step
from rempart.governance.disclosure.marks import Mark, marks
from rempart.model.cases import (
    Act,
    Case,
    Category,
    Ground,
    GroundKind,
    Informing,
    MotionKind,
    Outcome,
    Source,
)
from rempart.model.cases_events import Appealed, Event, Informed, Opened, Scrutinised, Triaged
from rempart.model.cases_remedies import Measure, Remedy, Target
from tests.governance.cast import GROUND, HOST, NOW, SALTED, Play, opened
from tests.governance.test_cases import order

LAW = Ground(kind=GroundKind.ILLEGAL, basis="Criminal Code § 130", explanation="It calls for killings.")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    what: str
    at: datetime
    source: Source
    category: Category
    trusted: bool = False
    country: str | None = None
    items: int = 0
    seconds: int = 0
    law: bool = False


@dataclass
class Marked(Play):
    """A play that keeps the marks of its steps, and a ledger."""

    marks: list[Mark] = field(default_factory=list)
    ledger: list[Entry] = field(default_factory=list)

    def note(self, what: str, since: datetime | None = None, **more: object) -> None:
        case = self.case
        entry = Entry(
            what=what,
            at=self.now,
            source=case.source,
            category=case.category,
            trusted=case.trusted_flagger,
            country=None if case.order is None else case.order.country,
            seconds=int((self.now - (since or case.opened_at)).total_seconds()),
        )
        self.ledger.append(Entry(**{**vars(entry), **more}))

    def _keep(self, event: Event, made: Step) -> None:
        before: Case | None = self.case if self.history else None
        super()._keep(event, made)
        self.marks += marks(before, event, made.case, self.now)


@dataclass(frozen=True)
class Plot:
    """What a case is to come to."""

    story: str
    starts: datetime = NOW
    source: Source = Source.REPORT
    category: Category = Category.THREATS
    trusted: bool = False
    country: str | None = None
    urls: int = 0
    gap: int = 3_600
    """Seconds between what people do."""
    law: bool = False


def played(plot: Plot) -> Marked:
    """The case of ``plot``."""
    play = Marked(now=plot.starts)
    given = None
    if plot.source is Source.ORDER:
        received = plot.starts - timedelta(seconds=plot.gap // 2)
        deadline = received + timedelta(hours=1)
        given = order(country=plot.country, received_at=received, deadline=deadline)
    event = opened(
        plot.source, order=given, urls=tuple(f"https://{HOST}/{at}" for at in range(plot.urls)),
        trusted_flagger=plot.trusted and plot.source is Source.REPORT,
    ).model_copy(update={"category": plot.category})  # fmt: skip
    assert isinstance(event, Opened)
    play.open(event)
    play.note("received", items=plot.urls or 1)
    play.clock(seconds=plot.gap)
    STORIES[plot.story](play, plot)
    return play


def _triaged(play: Marked, plot: Plot, accepted: bool) -> None:
    if play.case.order is not None:
        play(Scrutinised(complete=accepted, findings="Looked at.", by="operator"))
    else:
        play(Triaged(accepted=accepted, reason="Looked at.", by="operator"))


def _dismissed(play: Marked, plot: Plot) -> None:
    _triaged(play, plot, accepted=False)
    since = None if play.case.order is None else play.case.order.received_at
    play.note("not acted", since)


def _waiting(play: Marked, plot: Plot) -> None:
    if play.case.order is None:
        play.to_notified()


def _in_effect(play: Marked, plot: Plot, remedy: Remedy = Remedy.DROP_PROXY) -> None:
    if play.case.order is not None:
        _ordered(play, plot)
        return
    ground = LAW if plot.law else GROUND
    measure = Measure(remedy=remedy, target=Target(host=HOST))
    play.to_notified().clock(days=3)
    play.moves("ada", measure=measure, ground=ground).says(Act.APPROVE, "ben", "cleo")
    play.announces().clock(days=2)
    play.note("passed on" if remedy is Remedy.FORWARD else "acted", law=plot.law)


def _ordered(play: Marked, plot: Plot) -> None:
    assert play.case.order is not None
    received = play.case.order.received_at
    play(Informed(of=Informing.RECEIPT, by="operator"))
    play.note("informed", received)
    _triaged(play, plot, accepted=True)
    play.clock(seconds=plot.gap)
    play.moves("ada", MotionKind.ORDER).says(Act.APPROVE, "ben")
    play.note("acted", received)
    play(Informed(of=Informing.EFFECT, by="operator"))


def _passed_on(play: Marked, plot: Plot) -> None:
    if play.case.order is not None:
        _ordered(play, plot)
        return
    _in_effect(play, plot, Remedy.FORWARD)


def _appealed(play: Marked, plot: Plot, outcome: Outcome) -> None:
    _in_effect(play, plot)
    play.clock(seconds=plot.gap)
    since = play.now
    play(Appealed(confidential=SALTED))
    play.note("appealed")
    play.clock(seconds=plot.gap)
    narrower = Measure(remedy=Remedy.CHALLENGE, target=Target(host=HOST))
    changed = {"measure": narrower} if outcome is Outcome.CHANGED else {}
    play.moves("dan", MotionKind.APPEAL, outcome=outcome, **changed)
    agreeing = ("eve", "finn")
    play.says(Act.APPROVE, *agreeing)
    play.note(outcome.value, since)
    if outcome is Outcome.REVERSED:
        play.note("lifted")


def _emergency(play: Marked, plot: Plot, end: str) -> None:
    if play.case.order is not None:
        _ordered(play, plot)
        return
    play.moves("ada", MotionKind.EMERGENCY, ground=LAW if plot.law else GROUND).says(Act.APPROVE, "ben")
    play.note("acted", law=plot.law)
    play.note("emergency")
    play.clock(seconds=plot.gap)
    if end == "confirmed":
        play.moves("ada", MotionKind.CONFIRMATION).says(Act.APPROVE, "ben", "cleo")
        play.note("confirmed")
    if end == "expired":
        play.clock(hours=72)
        play.note("expired")
        play.note("lifted")
    play.moves("ada", MotionKind.REVIEW).says(Act.APPROVE, "ben", "cleo")
    play.note("reviewed")


def _ended(play: Marked, plot: Plot) -> None:
    """Put away by the arbiters before anything took effect."""
    if play.case.order is None:
        play.to_notified()
    play.moves("ada", MotionKind.END).says(Act.APPROVE, "ben", "cleo")
    play.note("not acted", None if play.case.order is None else play.case.order.received_at)


STORIES: dict[str, Callable[[Marked, Plot], None]] = {
    "dismissed": _dismissed,
    "waiting": _waiting,
    "in effect": _in_effect,
    "passed on": _passed_on,
    "upheld": lambda play, plot: _appealed(play, plot, Outcome.UPHELD),
    "changed": lambda play, plot: _appealed(play, plot, Outcome.CHANGED),
    "reversed": lambda play, plot: _appealed(play, plot, Outcome.REVERSED),
    "emergency confirmed": lambda play, plot: _emergency(play, plot, "confirmed"),
    "emergency expired": lambda play, plot: _emergency(play, plot, "expired"),
    "ended": _ended,
}
