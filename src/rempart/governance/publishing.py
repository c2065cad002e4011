"""What of a step the public reads, and what the log only seals.

Before the public knows of a case, its steps stand in the log as seals: that a report was made about a site is
nobody's business until it is decided. The notice of a decision and whatever takes effect stand there in full,
with motion and signatures, so that anybody can verify them.
"""

from __future__ import annotations

from datetime import datetime

from rempart.governance.charter import CHARTER, CharterEvent
from rempart.governance.log.canonical import canonical
from rempart.governance.log.step import Step, seal
from rempart.model.by_hand import ByHand
from rempart.model.cases import Case
from rempart.model.cases_events import (
    Announced,
    Closed,
    Event,
    Forwarded,
    Lifted,
    Moved,
    Stated,
    TookEffect,
    Verified,
)

ALWAYS = (Announced, TookEffect, Lifted, Verified)
ONCE_PUBLIC = (Moved, Stated, Forwarded, Closed)
BODY = "body"
BY_HAND = "by-hand"
ZONES_NAMED = 50


def is_public(before: Case | None, event: Event) -> bool:
    """Whether everybody may read the event."""
    if isinstance(event, ALWAYS):
        return True
    return isinstance(event, ONCE_PUBLIC) and before is not None and before.public


def body_of(event: Event | CharterEvent) -> bytes:
    """What is sealed: canonical JSON."""
    return canonical(event.model_dump(mode="json"))


def log_step(case: str, seq: int, event: Event, at: datetime, salt: bytes, *, public: bool) -> Step:
    """The entry of a case's step."""
    id_ = f"case/{case}/{seq}"
    if public:
        return Step(id=id_, kind=event.kind, at=at, public=event.model_dump(mode="json"))
    return Step(id=id_, kind=event.kind, at=at, sealed={BODY: seal(BODY, body_of(event), salt)})


def charter_step(seq: int, event: CharterEvent, at: datetime) -> Step:
    """The entry of a change of the charter: always public."""
    return Step(id=f"{CHARTER}/{seq}", kind=event.kind, at=at, public=event.model_dump(mode="json"))


def by_hand_step(done: ByHand, id_: str) -> Step:
    """The entry of what the operator is about to do to zones of others without a case: always public, as what
    it does to their visitors is. Records and sites are counted, not named."""
    public = {
        "action": done.action,
        "zones": list(done.zones[:ZONES_NAMED]),
        "zones_in_all": len(done.zones),
        "counts": done.counts,
        "plan": done.plan,
    }
    return Step(id=f"{BY_HAND}/{id_}", kind=BY_HAND, at=done.at.replace(microsecond=0), public=public)
