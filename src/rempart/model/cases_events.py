"""The steps of a case, as they are kept, put into the public log, and folded into the case again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from rempart.model.base import Value
from rempart.model.cases import (
    Carried,
    Category,
    Informing,
    LiftReason,
    Motion,
    Note,
    Order,
    Seal,
    Signed,
    Slug,
    Source,
    Text,
)
from rempart.model.cases_remedies import Moment, Restriction, Target

Person = Annotated[str, Field(min_length=1, max_length=100)]


class Opened(Value):
    """A report, the operator's own finding, or an order."""

    kind: Literal["opened"] = "opened"
    source: Source
    category: Category
    targets: tuple[Target, ...] = Field(min_length=1, max_length=50)
    urls: tuple[Annotated[str, Field(max_length=2_000)], ...] = Field(default=(), max_length=200)
    """As the report gave them."""
    confidential: tuple[Seal, ...] = Field(default=(), max_length=100)
    """Of the reporter's words and address, and of evidence."""
    trusted_flagger: bool = False
    """The notice is one of a trusted flagger: DSA Art. 22."""
    order: Order | None = None
    policy: Slug
    charter: int = Field(ge=0)
    """The step of the charter whose arbiters may decide."""
    by: Person


class Triaged(Value):
    kind: Literal["triaged"] = "triaged"
    accepted: bool
    reason: Text
    by: Person


class Notified(Value):
    """The owner was told, and has until the policy's time to answer."""

    kind: Literal["notified"] = "notified"
    by: Person


class Answered(Value):
    kind: Literal["answered"] = "answered"
    confidential: Seal
    """Of the answer."""


class Scrutinised(Value):
    """An order was examined: DSA Art. 9(2), Regulation (EU) 2021/784 Art. 3(4)."""

    kind: Literal["scrutinised"] = "scrutinised"
    complete: bool
    findings: Text
    by: Person


class Informed(Value):
    """The authority that issued an order was told that it came, or what became of it."""

    kind: Literal["informed"] = "informed"
    of: Informing
    by: Person


class Moved(Value):
    kind: Literal["moved"] = "moved"
    motion: Motion
    signed: Signed


class Stated(Value):
    kind: Literal["stated"] = "stated"
    signed: Signed


class Left(Value):
    """An arbiter is one no longer (or their key is lost): their word counts no more."""

    kind: Literal["left"] = "left"
    arbiter: Slug


class Announced(Value):
    """Notice to the owner and the public: this is decided, and takes effect then."""

    kind: Literal["announced"] = "announced"
    decision: Carried
    effective_at: Moment
    by: Person


class TookEffect(Value):
    kind: Literal["took_effect"] = "took_effect"
    decision: Carried
    restriction: Restriction


class Verified(Value):
    """What was seen from outside once a remedy was to be in force, or gone."""

    kind: Literal["verified"] = "verified"
    in_force: bool
    """Whether it was to be in force."""
    seen: bool
    """Whether what was seen is so."""
    observations: tuple[Note, ...] = Field(max_length=50)


class Appealed(Value):
    kind: Literal["appealed"] = "appealed"
    confidential: Seal


class Lifted(Value):
    kind: Literal["lifted"] = "lifted"
    restriction: str
    why: LiftReason


class Closed(Value):
    kind: Literal["closed"] = "closed"
    reason: Note = ""
    by: Person


Event = Annotated[
    Opened
    | Triaged
    | Notified
    | Answered
    | Scrutinised
    | Informed
    | Moved
    | Stated
    | Left
    | Announced
    | TookEffect
    | Verified
    | Appealed
    | Lifted
    | Closed,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
