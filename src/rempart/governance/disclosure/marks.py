"""What of a step is counted in transparency reports: ``marks(before, event, after, at) -> marks``. Pure.

Each countable thing is marked once, with the step that brings it about, and belongs to the period in which
that step was taken: so the two halves of a year add up to the year. Whatever takes time carries the seconds
it took, from the receipt of what it answers. Nobody's name, no site and no case is in a mark.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from rempart.model.base import Value
from rempart.model.cases import (
    Case,
    Category,
    Country,
    GroundKind,
    Informing,
    LiftReason,
    OrderKind,
    Outcome,
    Phase,
    Source,
)
from rempart.model.cases_events import Event, Informed, Lifted, Opened, TookEffect
from rempart.model.cases_remedies import Moment, Remedy


class What(StrEnum):
    """What happened."""

    RECEIVED = "received"  # a notice, an order, an own finding
    INFORMED = "informed"  # the authority was told that its order came
    ACTED = "acted"  # a remedy took effect where none was
    PASSED_ON = "passed_on"  # the report was passed on, and that was all
    NOT_ACTED = "not_acted"  # dismissed, refused, or over before any effect
    APPEALED = "appealed"
    APPEAL_DECIDED = "appeal_decided"
    LIFTED = "lifted"
    EMERGENCY = "emergency"  # the emergency path was taken
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    REVIEWED = "reviewed"


class Mark(Value):
    """One thing to count."""

    what: What
    at: Moment
    category: Category
    source: Source
    trusted_flagger: bool = False
    country: Country | None = None
    """Whose authority ordered it."""
    order: OrderKind | None = None
    items: int = Field(default=1, ge=1)
    """Specific items of information: the URLs that were given, else the targets."""
    seconds: int | None = Field(default=None, ge=0)
    """How long it took, since the receipt; of an appeal's decision since the appeal."""
    ground: GroundKind | None = None
    remedy: Remedy | None = None
    outcome: Outcome | None = None
    why: LiftReason | None = None


def marks(before: Case | None, event: Event, after: Case, at: datetime) -> tuple[Mark, ...]:
    """What is to be counted of ``event``, which made ``after`` of ``before`` (None: it opened the case)."""
    if before is None:
        return _of_opening(event, after, at)
    found: list[Mark] = []
    if isinstance(event, Informed) and event.of is Informing.RECEIPT:
        found.append(_mark(after, What.INFORMED, at, seconds=_since(_received(after), at)))
    if isinstance(event, TookEffect) and before.restriction is None:
        found.append(_of_effect(after, event, at))
    if before.phase is not Phase.DISMISSED and after.phase is Phase.DISMISSED:
        found.append(_mark(after, What.NOT_ACTED, at, seconds=_since(_received(after), at)))
    if before.appeal is None and after.appeal is not None:
        found.append(_mark(after, What.APPEALED, at, remedy=_remedy(before)))
    if before.appeal is not None and before.outcome is None and after.outcome is not None:
        since = _since(before.appeal.at, at)
        decided = {"remedy": _remedy(before), "outcome": after.outcome, "seconds": since}
        found.append(_mark(after, What.APPEAL_DECIDED, at, **decided))
    if isinstance(event, Lifted):
        remedy = None if before.restriction is None else before.restriction.measure.remedy
        found.append(_mark(after, What.LIFTED, at, why=event.why, remedy=remedy))
    return (*found, *_of_emergency(before, after, at))


def _of_opening(event: Event, case: Case, at: datetime) -> tuple[Mark, ...]:
    if not isinstance(event, Opened):
        return ()
    return (_mark(case, What.RECEIVED, at, items=len(event.urls) or len(event.targets)),)


def _of_effect(case: Case, event: TookEffect, at: datetime) -> Mark:
    remedy = event.restriction.measure.remedy
    ground = event.decision.motion.ground
    return _mark(
        case,
        What.PASSED_ON if remedy is Remedy.FORWARD else What.ACTED,
        at,
        seconds=_since(_received(case), at),
        ground=None if ground is None else ground.kind,
        remedy=remedy,
    )


def _of_emergency(before: Case, after: Case, at: datetime) -> tuple[Mark, ...]:
    now = after.emergency
    if now is None:
        return ()
    then = before.emergency
    new = (
        (What.EMERGENCY, then is None),
        (What.CONFIRMED, now.confirmed and not (then and then.confirmed)),
        (What.EXPIRED, now.expired and not (then and then.expired)),
        (What.REVIEWED, now.reviewed and not (then and then.reviewed)),
    )
    return tuple(_mark(after, what, at) for what, is_new in new if is_new)


def _mark(case: Case, what: What, at: datetime, **more: object) -> Mark:
    order = case.order
    return Mark.model_validate(
        {
            "what": what,
            "at": at,
            "category": case.category,
            "source": case.source,
            "trusted_flagger": case.trusted_flagger,
            "country": None if order is None else order.country,
            "order": None if order is None else order.kind,
            **more,
        }
    )


def _received(case: Case) -> datetime:
    return case.opened_at if case.order is None else case.order.received_at


def _remedy(case: Case) -> Remedy | None:
    measure = case.decision.motion.measure if case.decision else None
    return None if measure is None else measure.remedy


def _since(start: datetime, at: datetime) -> int:
    return max(0, int((at - start).total_seconds()))
