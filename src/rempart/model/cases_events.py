"""The steps of a case, as they are kept, put into the public log, and folded into the case again."""

from __future__ import annotations

from enum import StrEnum
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


class Done(Value):
    """What somebody did."""

    by: Person


class Sealed(Value):
    """What the owner wrote, which the log and the case hold as a seal."""

    confidential: Seal


class Matter(Done):
    """What a case is about, as whoever enters it says."""

    source: Source
    category: Category
    targets: tuple[Target, ...] = Field(min_length=1, max_length=50)
    urls: tuple[Annotated[str, Field(max_length=2_000)], ...] = Field(default=(), max_length=200)
    """As the report gave them."""
    trusted_flagger: bool = False
    """The notice is one of a trusted flagger: DSA Art. 22."""
    order: Order | None = None


class Opened(Matter):
    """A report, the operator's own finding, or an order."""

    kind: Literal["opened"] = "opened"
    confidential: tuple[Seal, ...] = Field(default=(), max_length=100)
    """Of the reporter's words and address, and of evidence."""
    policy: Slug
    charter: int = Field(ge=0)
    """The step of the charter whose arbiters may decide."""


class Triaged(Done):
    kind: Literal["triaged"] = "triaged"
    accepted: bool
    reason: Text


class Notified(Done):
    """The owner was told, and has until the policy's time to answer."""

    kind: Literal["notified"] = "notified"


class Answered(Sealed):
    kind: Literal["answered"] = "answered"


class Recipient(StrEnum):
    """To whom a report is passed on."""

    OWNER = "owner"
    HOST = "host"
    """Of the origin, or of its network."""
    AUTHORITY = "authority"
    OTHER = "other"


class Forwarded(Done):
    """The report was passed on: what the remedy ``forward`` comes to, and often all that is to be done."""

    kind: Literal["forwarded"] = "forwarded"
    to: Recipient
    name: Person
    """Which host, which authority: an organisation, never a person who reported."""
    note: Note = ""


class Scrutinised(Done):
    """An order was examined: DSA Art. 9(2), Regulation (EU) 2021/784 Art. 3(4)."""

    kind: Literal["scrutinised"] = "scrutinised"
    complete: bool
    findings: Text


class Informed(Done):
    """The authority that issued an order was told that it came, or what became of it."""

    kind: Literal["informed"] = "informed"
    of: Informing


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


class Announced(Done):
    """Notice to the owner and the public: this is decided, and takes effect then."""

    kind: Literal["announced"] = "announced"
    decision: Carried
    effective_at: Moment


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


class Appealed(Sealed):
    kind: Literal["appealed"] = "appealed"


class Lifted(Value):
    kind: Literal["lifted"] = "lifted"
    restriction: str
    why: LiftReason


class Closed(Done):
    kind: Literal["closed"] = "closed"
    reason: Note = ""


Event = Annotated[
    Opened
    | Triaged
    | Notified
    | Answered
    | Forwarded
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
