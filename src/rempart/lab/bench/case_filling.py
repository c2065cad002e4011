"""100,000 cases for the benchmark, by the real state machine, with real signatures and log entries.

Only the shell is another: steps go into the log and the store thousands at a time. A case is the same
whenever it is made (its salts too), so that filling can be ended and gone on with.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from rempart.controller.assembly import Controller
from rempart.controller.cases import rows
from rempart.controller.cases.charter import charter_of
from rempart.controller.cases.effects import carry_out
from rempart.controller.intents.actor import SYSTEM
from rempart.controller.store.tables import CaseRow, CaseStepRow
from rempart.governance.canonical import motion_digest, statement_bytes
from rempart.governance.cases import open_case, step
from rempart.governance.charter import Adopted, Appointed, Charter
from rempart.governance.deadlines import due
from rempart.governance.instructions import PutInForce
from rempart.governance.publishing import is_public
from rempart.model.cases import (
    Act,
    Arbiter,
    Case,
    Category,
    Ground,
    GroundKind,
    Motion,
    MotionKind,
    Outcome,
    Policy,
    Rule,
    Signed,
    Source,
    Statement,
)
from rempart.model.cases_events import (
    Announced,
    Answered,
    Appealed,
    Closed,
    Event,
    Moved,
    Notified,
    Opened,
    Stated,
    Triaged,
    Verified,
)
from rempart.model.cases_remedies import Measure, Remedy, Target

PEOPLE = ("ada", "ben", "cleo", "dan", "eve", "finn")
YEAR = 2025
BEGINNING = datetime(YEAR, 1, 1, tzinfo=UTC)
APART = timedelta(minutes=5)
"""From one case to the next: 100,000 are most of a year."""
BATCH = 1_000
RULE = Rule(id="harm", title="Harm", text="Nobody is harmed by what is shown here.", most=Remedy.DROP_DNS)
POLICY = Policy(version="bench", rules=(RULE,), quorum=3, answer_s=86_400, notice_s=86_400)
GROUND = Ground(kind=GroundKind.POLICY, basis=RULE.title, explanation="It does, as the pages themselves say.")
BY = "operator"
SEALED = base64.b64encode(sha256(b"bench").digest()).decode()
FACTS = "What the pages show was looked at on three days by two people, and is as the notice says. " * 4


def key_of(name: str) -> Ed25519PrivateKey:
    """An arbiter's key; everybody can know it, it decides nothing but in benchmarks."""
    return Ed25519PrivateKey.from_private_bytes(sha256(f"bench {name}".encode()).digest())


def found(controller: Controller) -> None:
    """Arbiters and a policy, unless they are there."""
    book = controller.docket.charter
    there = {one.id for one in book.get().arbiters}
    for name in PEOPLE:
        if name not in there:
            key = base64.b64encode(key_of(name).public_key().public_bytes_raw()).decode()
            book.amend(Appointed(arbiter=Arbiter(id=name, name=name.title(), key=key)))
    if book.get().policy is None:
        book.amend(Adopted(policy=POLICY))


def said(case: Case, name: str, act: Act, at: datetime, motion: Motion | None = None) -> Signed:
    """An arbiter's signed statement on the motion, or on the one that is open."""
    on = motion or case.motion
    statement = Statement(
        case=case.id,
        motion=None if on is None else motion_digest(on),
        act=act,
        arbiter=name,
        number=case.numbers.get(name, 0),
        impartial=True,
        at=at,
    )
    signature = key_of(name).sign(statement_bytes(statement))
    return Signed(statement=statement, signature=base64.b64encode(signature).decode())


def moved(
    case: Case, name: str, at: datetime, remedy: Remedy = Remedy.DROP_PROXY, outcome: Outcome | None = None
) -> Moved:
    """A motion for a decision; with an outcome, on the appeal."""
    made = Motion(
        case=case.id,
        kind=MotionKind.DECISION if outcome is None else MotionKind.APPEAL,
        author=name,
        at=at,
        facts=FACTS,
        measure=None if outcome else Measure(remedy=remedy, target=case.targets[0]),
        rule=None if outcome else RULE.id,
        ground=None if outcome else GROUND,
        why_not=dict.fromkeys(Remedy, "It was tried, and it went on.") if outcome is None else {},
        outcome=outcome,
    )
    return Moved(motion=made, signed=said(case, name, Act.MOVE, at, made))


@dataclass
class Played:
    """One case with its steps, as they would have been taken."""

    id: str
    now: datetime
    charter: Charter
    steps: list[CaseStepRow] = field(default_factory=list)
    marks: list[object] = field(default_factory=list)
    case: Case = field(init=False)

    def open(self, event: Opened) -> None:
        made = open_case(self.id, event, self.charter.policy, self.charter.arbiters, self.now)
        self._keep(None, event, made.case)

    def take(self, event: Event) -> None:
        self._keep(self.case, event, step(self.case, event, self.now).case)

    def later(self, **time_: float) -> None:
        """The clock goes on; what is due happens."""
        self.now += timedelta(**time_)
        while (event := due(self.case, self.now)) is not None:
            self.take(event)

    def _keep(self, before: Case | None, event: Event, after: Case) -> None:
        seq = after.seq
        public = is_public(before, event)
        row = rows.step_row(self.id, seq, event.model_dump_json(), self.now, public=public)
        row.salt = base64.b64encode(sha256(f"{self.id}/{seq}".encode()).digest()).decode()
        self.steps.append(row)
        self.marks += rows.mark_rows(before, event, after, self.now)
        self.case = after


def played(number: int, charter: Charter) -> Played:
    """Case ``number``: seven of ten are dismissed, one waits for its owner, two are decided; of these
    half are in force, a quarter upheld and a quarter reversed on appeal, and closed."""
    one = Played(f"{YEAR}-{number:010x}", BEGINNING + number * APART, charter)
    host = f"site-{number % 20_011}.example.org"
    urls = tuple(f"https://{host}/page/{at}" for at in range(number % 4))
    category = tuple(Category)[number % len(Category)]
    opened = Opened(
        source=Source.OWN if number % 13 == 0 else Source.REPORT,
        category=category,
        targets=(Target(host=host),),
        urls=urls,
        confidential=(SEALED,),
        policy=POLICY.version,
        charter=charter.seq,
        by=BY,
    )
    one.open(opened)
    one.later(hours=number % 50)
    kind = number % 10
    one.take(Triaged(accepted=kind >= 7, reason="Looked at, as every notice is.", by=BY))
    if kind < 7:
        return one
    one.take(Notified(by=BY))
    if kind == 7:
        return one
    one.later(hours=1)
    one.take(Answered(confidential=SEALED))
    _decided(one, number)
    return one


def _decided(one: Played, number: int) -> None:
    one.take(moved(one.case, "ada", one.now, Remedy.CHALLENGE if number % 20 == 8 else Remedy.DROP_PROXY))
    for name in ("ben", "cleo"):
        one.take(Stated(signed=said(one.case, name, Act.APPROVE, one.now)))
    assert one.case.decision is not None  # noqa: S101 - three are the quorum
    at = one.now + timedelta(seconds=POLICY.notice_s)
    one.take(Announced(decision=one.case.decision, effective_at=at, by=BY))
    one.later(seconds=POLICY.notice_s)
    one.take(Verified(in_force=True, seen=True, observations=("it is so",)))
    if number % 20 < 10:
        return
    one.later(days=3)
    one.take(Appealed(confidential=SEALED))
    outcome = Outcome.UPHELD if number % 40 < 20 else Outcome.REVERSED
    one.take(moved(one.case, "dan", one.now, outcome=outcome))
    for name in ("eve", "finn"):
        one.take(Stated(signed=said(one.case, name, Act.APPROVE, one.now)))
    if outcome is Outcome.REVERSED:
        one.later(seconds=1)
        one.take(Closed(reason="It was not as it seemed.", by=BY))


def fill(
    controller: Controller, number: int, seconds: float | None = None, progress: Callable[[str], None] = print
) -> int:
    """Cases up to ``number``, or as many as can be made in ``seconds``; how many there are."""
    found(controller)
    began = time.monotonic()
    with controller.intents.context.reading() as session:
        there = session.scalars(select(func.count()).select_from(CaseRow)).one()
        charter = charter_of(session)
    while there < number and (seconds is None or time.monotonic() - began < seconds):
        some = [played(at, charter) for at in range(there, min(there + BATCH, number))]
        _keep(controller, some)
        there += len(some)
        progress(f"{there:,} of {number:,} cases")
    return there


def _keep(controller: Controller, some: list[Played]) -> None:
    steps = list(_in_order(some))
    appended = controller.log.append_all([rows.entry_of(row) for row in steps])
    for row, place in zip(steps, appended, strict=True):
        row.log_index = place.index
    with controller.intents.context.writing(SYSTEM) as write:
        for one in some:
            write.session.add(rows.new_state(one.case))
            write.session.add_all(one.steps)
            write.session.add_all(one.marks)
        write.session.flush()
        in_force = [one.case.restriction for one in some if one.case.restriction is not None]
        carry_out(write, [PutInForce(one) for one in in_force])


def _in_order(some: list[Played]) -> Iterator[CaseStepRow]:
    for one in some:
        yield from one.steps
