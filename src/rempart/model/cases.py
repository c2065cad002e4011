"""Cases: what is decided about an owner's site, by whom, under which rules. What is signed and kept.

``governance`` judges with them, ``controller.cases`` keeps them. What is confidential (who reported,
evidence, what the owner answered) is never in them: only its seal is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rempart.model.base import Value
from rempart.model.cases_remedies import Measure, Moment, Remedy, Restriction, Target

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seal = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""What the public log holds of something confidential: a salted hash (`governance.log.step.seal`)."""
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,38}$")]
Text = Annotated[str, Field(min_length=1, max_length=5_000)]
Note = Annotated[str, Field(max_length=2_000)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1, two letters; Greece is GR."""

EMERGENCY_HOURS = 72
"""How long an emergency measure stands that no full quorum confirms."""
EMERGENCY_SIGNERS = 2
ORDER_SIGNERS = 2
LEAST_QUORUM = 2
APPEAL_DAYS_LEAST = 180
"""DSA Art. 20(1): six months at least."""
APPEAL_DAYS_MOST = 3_650
PERIOD_MOST_S = 365 * 86_400
"""A year to answer, or of notice, is the longest that a policy can give."""
TCO_DEADLINE = timedelta(hours=1)
"""Regulation (EU) 2021/784 Art. 3(3)."""


class Category(StrEnum):
    """What a report is about."""

    PHISHING = "phishing"
    THREATS = "threats"
    TERRORISM = "terrorism"
    CHILD_ABUSE = "child_abuse"
    INTIMATE_IMAGES = "intimate_images"
    HATE = "hate"
    COPYRIGHT = "copyright"
    TRADEMARK = "trademark"
    PRIVACY = "privacy"
    GENERAL = "general"


class Source(StrEnum):
    """What began a case."""

    REPORT = "report"  # a notice: DSA Art. 16
    OWN = "own"  # the operator's own initiative
    ORDER = "order"  # of a court or an authority: DSA Art. 9, Regulation (EU) 2021/784


class Rule(Value):
    """One rule of a policy."""

    id: Slug
    title: str = Field(min_length=1, max_length=200)
    text: Text
    most: Remedy
    """The widest remedy that it allows."""


class Policy(Value):
    """A version of the rules. Cases are judged by the one that stood before they were opened."""

    version: Slug
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=100)
    quorum: int = Field(ge=LEAST_QUORUM, le=15)
    """Arbiters who must agree: N of M, M being those who may vote on the matter."""
    answer_s: int = Field(ge=1, le=PERIOD_MOST_S)
    """Seconds an owner has to answer before anything can be proposed."""
    notice_s: int = Field(ge=1, le=PERIOD_MOST_S)
    """Seconds at least from the notice of a decision to its effect."""
    appeal_days: int = Field(default=APPEAL_DAYS_LEAST, ge=APPEAL_DAYS_LEAST, le=APPEAL_DAYS_MOST)
    url: str | None = Field(default=None, max_length=500)

    def rule(self, id_: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == id_), None)


class Arbiter(Value):
    """Somebody who may decide. ``key`` is an Ed25519 public key (RFC 8032): 32 bytes in Base64."""

    id: Slug
    name: str = Field(min_length=1, max_length=200)
    key: str = Field(pattern=r"^[A-Za-z0-9+/]{43}=$")


class OrderKind(StrEnum):
    DSA_9 = "dsa_9"  # Regulation (EU) 2022/2065 Art. 9
    REMOVAL = "removal"  # Regulation (EU) 2021/784 Art. 3: one hour
    OTHER = "other"


class Order(Value):
    """An order of a court or an authority, and what DSA Art. 9(2) asks of it."""

    kind: OrderKind
    authority: str = Field(min_length=1, max_length=500)
    country: Country | None = None
    """Whose authority it is; transparency reports count orders by Member State."""
    reference: str = Field(min_length=1, max_length=200)
    legal_basis: str = Field(min_length=1, max_length=500)
    document: Digest
    """SHA-256 of the order as it was received."""
    demanded: Measure
    received_at: Moment
    deadline: Moment

    @model_validator(mode="after")
    def _an_hour(self) -> Order:
        if self.kind is OrderKind.REMOVAL and self.deadline > self.received_at + TCO_DEADLINE:
            raise ValueError("a removal order must be followed within one hour of its receipt")
        return self


class Informing(StrEnum):
    """Of what the authority that issued an order is to be told."""

    RECEIPT = "receipt"  # DSA Art. 15(1)(a) counts how long that took
    EFFECT = "effect"  # DSA Art. 9(1): what effect was given to it, and when


class GroundKind(StrEnum):
    """DSA Art. 17(3)(d) or (e)."""

    ILLEGAL = "illegal"
    POLICY = "policy"


class Ground(Value):
    """On what a decision rests, and why that is so."""

    kind: GroundKind
    basis: str = Field(min_length=1, max_length=500)
    """The law, or the rule's title."""
    explanation: str = Field(min_length=1, max_length=2_000)


class MotionKind(StrEnum):
    """What arbiters can be asked to agree to."""

    DECISION = "decision"  # a remedy, after the owner could answer
    EMERGENCY = "emergency"  # a remedy at once, for EMERGENCY_HOURS
    CONFIRMATION = "confirmation"  # the emergency measure stays
    REVIEW = "review"  # was the emergency path rightly taken?
    ORDER = "order"  # what a court or an authority ordered
    APPEAL = "appeal"  # what becomes of a decision that was appealed
    END = "end"  # the remedy ends, or the case without one


class Outcome(StrEnum):
    UPHELD = "upheld"
    CHANGED = "changed"
    REVERSED = "reversed"


class Motion(Value):
    """What its author asks the arbiters to agree to. What they sign is its digest."""

    case: str
    kind: MotionKind
    author: Slug
    at: Moment
    facts: Text
    """Public: the facts and circumstances (DSA Art. 17(3)(b)), or the reasons of a review or an end."""
    measure: Measure | None = None
    rule: Slug | None = None
    ground: Ground | None = None
    why_not: dict[Remedy, Annotated[str, Field(min_length=1, max_length=1_000)]] = Field(default_factory=dict)
    """For each narrower remedy, why it does not serve."""
    criterion: Literal["immediate-threat-to-life"] | None = None
    outcome: Outcome | None = None
    justified: bool | None = None


class Act(StrEnum):
    MOVE = "move"  # the author's own: counts as an approval
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"  # takes the arbiter's standing word on the motion back
    RECUSE = "recuse"  # a conflict of interest: the arbiter has no more part in the case


class Statement(Value):
    """What one arbiter signs. ``governance.canonical.statement_bytes`` are the bytes."""

    case: str
    motion: Digest | None
    """None only for RECUSE."""
    act: Act
    arbiter: Slug
    number: int = Field(ge=0)
    """The statements this arbiter has made in this case before: none can be sent twice."""
    impartial: bool
    """"I have no interest in the outcome."""
    conflict: Note = ""
    at: Moment


class Signed(Value):
    """A statement with its Ed25519 signature in Base64."""

    statement: Statement
    signature: str = Field(pattern=r"^[A-Za-z0-9+/]{86}==$")


class Carried(Value):
    """A motion that enough arbiters agree to, and their signatures."""

    motion: Motion
    signatures: tuple[Signed, ...]
    at: Moment

    @property
    def signers(self) -> frozenset[str]:
        return frozenset(one.statement.arbiter for one in self.signatures)


class Phase(StrEnum):
    REPORTED = "reported"
    TRIAGED = "triaged"
    NOTIFIED = "notified"
    DECIDED = "decided"
    ANNOUNCED = "announced"
    IN_EFFECT = "in_effect"
    LIFTED = "lifted"
    DISMISSED = "dismissed"
    CLOSED = "closed"


class LiftReason(StrEnum):
    ENDED = "ended"  # its time is over
    EXPIRED = "expired"  # an emergency that nobody confirmed
    REVERSED = "reversed"  # on appeal
    REMEDIED = "remedied"  # the arbiters ended it


class Emergency(Value):
    """How the emergency path was taken in a case: once, and always reviewed."""

    since: Moment
    expires_at: Moment
    signers: tuple[str, ...]
    ends_at: Moment | None = None
    """When the measure ends by itself once it is confirmed."""
    confirmed: bool = False
    expired: bool = False
    """Nobody confirmed it: what is in force since rests on something else."""
    reviewed: bool = False


class Appeal(Value):
    at: Moment
    grounds: Seal
    """Of what the owner wrote."""


class Case(Value):
    """A case as its steps have made it."""

    id: str
    seq: int
    """Steps so far."""
    opened_at: Moment
    last_at: Moment
    phase: Phase
    category: Category
    source: Source
    targets: tuple[Target, ...]
    policy: Policy
    roster: tuple[Arbiter, ...]
    """Who may decide: the arbiters of when the case was opened, less those who have left since."""
    recused: tuple[str, ...] = ()
    numbers: dict[str, int] = Field(default_factory=dict)
    """Statements of each arbiter so far."""
    answer_by: Moment | None = None
    answered: bool = False
    motion: Motion | None = None
    standing: tuple[Signed, ...] = ()
    """The statements that stand on the open motion."""
    decision: Carried | None = None
    """What the remedy rests on."""
    deciders: tuple[str, ...] = ()
    """Who signed it, and who confirmed an emergency: none of them decides on an appeal."""
    effective_at: Moment | None = None
    """When it is to take effect; None: nothing is."""
    suspended: bool = False
    """An appeal during the notice period holds the effect up."""
    restriction: Restriction | None = None
    """What is in force."""
    ends_at: Moment | None = None
    """When that ends by itself."""
    lift_due: LiftReason | None = None
    emergency: Emergency | None = None
    appeal: Appeal | None = None
    appeal_until: Moment | None = None
    outcome: Outcome | None = None
    trusted_flagger: bool = False
    """The notice came from one (DSA Art. 22)."""
    order: Order | None = None
    informed: tuple[Informing, ...] = ()
    """Of what the authority that ordered it was told."""
    scrutinised: bool = False
    public: bool = False
    """Whether the public knows of it: from the notice of a decision, or from its effect."""

    def arbiter(self, id_: str) -> Arbiter | None:
        return next((one for one in self.roster if one.id == id_), None)


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


def order_deadline(kind: OrderKind, received_at: datetime, deadline: datetime | None) -> datetime | None:
    """The deadline of an order: its own, and for a removal order an hour at most; None: it names none."""
    if kind is not OrderKind.REMOVAL:
        return deadline
    hour = received_at + TCO_DEADLINE
    return hour if deadline is None else min(hour, deadline)
