"""People with keys, a policy, and a case to be played through."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rempart.governance.canonical import motion_digest, statement_bytes
from rempart.governance.cases import Step, open_case, step
from rempart.governance.deadlines import due
from rempart.governance.instructions import Instruction
from rempart.model.cases import (
    Act,
    Arbiter,
    Case,
    Category,
    Ground,
    GroundKind,
    Motion,
    MotionKind,
    Policy,
    Rule,
    Signed,
    Source,
    Statement,
)
from rempart.model.cases_events import Announced, Event, Moved, Notified, Opened, Stated, Triaged
from rempart.model.cases_remedies import LADDER, Measure, Remedy, Target

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOST = "forum.example.org"
NAMES = ("ada", "ben", "cleo", "dan", "eve", "finn")
SALTED = base64.b64encode(b"s" * 32).decode()
DIGEST = "ab" * 32
POLICY = Policy(
    version="v1",
    rules=(
        Rule(
            id="violence",
            title="Incitement to violence",
            text="Nobody calls for it here.",
            most=Remedy.DROP_DNS,
        ),
        Rule(id="phishing", title="Phishing", text="No traps.", most=Remedy.CHALLENGE),
    ),
    quorum=3,
    answer_s=3 * 86_400,
    notice_s=2 * 86_400,
)
GROUND = Ground(kind=GroundKind.POLICY, basis="Incitement to violence", explanation="It calls for killings.")


def key_of(name: str) -> Ed25519PrivateKey:
    """The same key for the same name."""
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def arbiter(name: str) -> Arbiter:
    public = key_of(name).public_key().public_bytes_raw()
    return Arbiter(id=name, name=name.title(), key=base64.b64encode(public).decode())


def signed(statement: Statement, key: Ed25519PrivateKey | None = None) -> Signed:
    """The statement with its arbiter's signature, or that of another key."""
    signer = key or key_of(statement.arbiter)
    return Signed(
        statement=statement,
        signature=base64.b64encode(signer.sign(statement_bytes(statement))).decode(),
    )


def opened(source: Source = Source.REPORT, **fields: Any) -> Opened:
    return Opened(
        source=source, category=Category.THREATS, targets=(Target(host=HOST),), policy="v1", charter=7,
        by="operator", **fields,
    )  # fmt: skip


def motion(
    case: Case, author: str, at: datetime, kind: MotionKind = MotionKind.DECISION, **fields: Any
) -> Motion:
    """A complete motion of its kind."""
    made: dict[str, Any] = {
        "case": case.id,
        "kind": kind,
        "author": author,
        "at": at,
        "facts": "What was seen.",
    }
    if kind in (MotionKind.DECISION, MotionKind.EMERGENCY, MotionKind.ORDER):
        measure = fields.get("measure", Measure(remedy=Remedy.DROP_PROXY, target=Target(host=HOST)))
        made |= {
            "measure": measure,
            "ground": GROUND,
            "rule": "violence",
            "why_not": {rung.remedy: "It would go on." for rung in LADDER},
        }
    if fields.get("measure") is not None:
        made["ground"] = GROUND
    if kind is MotionKind.EMERGENCY:
        made["criterion"] = "immediate-threat-to-life"
    if kind is MotionKind.REVIEW:
        made["justified"] = True
    return Motion.model_validate({**made, **fields})


@dataclass
class Play:
    """A case and its shell, which does at once whatever the clock brings about."""

    now: datetime = field(default=NOW)
    people: Sequence[str] = NAMES
    policy: Policy = POLICY
    done: list[Instruction] = field(default_factory=list)
    history: list[tuple[datetime, Event]] = field(default_factory=list)
    case: Case = field(init=False)

    def open(self, event: Opened | None = None) -> Play:
        event = event or opened()
        first = open_case("c1", event, self.policy, tuple(map(arbiter, self.people)), self.now)
        self._keep(event, first)
        return self

    def __call__(self, *events: Event) -> Play:
        for event in events:
            self._keep(event, step(self.case, event, self.now))
            self.clock()
        return self

    def clock(self, **later: float) -> Play:
        self.now += timedelta(**later)
        while (event := due(self.case, self.now)) is not None:
            self._keep(event, step(self.case, event, self.now))
        return self

    def statement(self, name: str, act: Act, **fields: Any) -> Statement:
        """What ``name`` would sign now."""
        on = self.case.motion or (self.case.decision.motion if self.case.decision else None)
        made = {
            "case": self.case.id,
            "motion": None if on is None else motion_digest(on),
            "act": act,
            "arbiter": name,
            "number": self.case.numbers.get(name, 0),
            "impartial": act is not Act.RECUSE,
            "conflict": "A friend runs it." if act is Act.RECUSE else "",
            "at": self.now,
        }
        return Statement.model_validate({**made, **fields})

    def moves(self, name: str, kind: MotionKind = MotionKind.DECISION, **fields: Any) -> Play:
        made = motion(self.case, name, self.now, kind, **fields)
        said = self.statement(name, Act.MOVE, motion=motion_digest(made))
        return self(Moved(motion=made, signed=signed(said)))

    def says(self, act: Act, *names: str) -> Play:
        for name in names:
            self(Stated(signed=signed(self.statement(name, act))))
        return self

    def to_notified(self) -> Play:
        return self(Triaged(accepted=True, reason="It may be so.", by="operator"), Notified(by="operator"))

    def to_decided(self) -> Play:
        self.to_notified().clock(days=3)
        return self.moves("ada").says(Act.APPROVE, "ben", "cleo")

    def announces(self, **after: float) -> Play:
        assert self.case.decision is not None
        effective_at = self.now + timedelta(**(after or {"days": 2}))
        return self(Announced(decision=self.case.decision, effective_at=effective_at, by="operator"))

    def to_effect(self) -> Play:
        return self.to_decided().announces().clock(days=2)

    def _keep(self, event: Event, made: Step) -> None:
        self.case = made.case
        self.history.append((self.now, event))
        self.done += made.instructions
