"""A docket on a store and a public log of its own, a clock that stands still until told, people with keys."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rempart.controller.cases.docket import Docket, Log
from rempart.controller.intents import OPERATOR, Intents
from rempart.controller.store.database import Store
from rempart.controller.transparency.public_log import PublicLog
from rempart.governance.canonical import motion_digest
from rempart.governance.charter import Adopted, Appointed, CharterEvent, Consent, resolution_bytes
from rempart.model.cases import Act, Case, Category, MotionKind, Policy, Source
from rempart.model.cases_events import Announced, Moved, Notified, Stated, Triaged
from rempart.model.cases_remedies import Target
from rempart.model.configuration import Configuration
from rempart.model.sites import Origin
from tests.controller.intents.conftest import Clock
from tests.governance.cast import HOST, NAMES, POLICY, Play, arbiter, key_of, motion, signed

QUICK = POLICY.model_copy(update={"quorum": 2})


@dataclass
class Court:
    """A docket and its people."""

    docket: Docket
    intents: Intents
    log: PublicLog
    clock: Clock
    store: Store

    def found(self, policy: Policy = QUICK, people: tuple[str, ...] = NAMES) -> Court:
        for name in people:
            self.docket.charter.amend(Appointed(arbiter=arbiter(name)))
        self.docket.charter.amend(Adopted(policy=policy))
        return self

    def open(self, source: Source = Source.REPORT, **fields: Any) -> Case:
        targets = fields.pop("targets", (Target(host=HOST),))
        return self.docket.open(source, Category.THREATS, targets, "operator", **fields)

    def moves(self, id_: str, name: str, kind: MotionKind = MotionKind.DECISION, **fields: Any) -> Case:
        case = self.docket.get(id_)
        made = motion(case, name, self.clock.now, kind, **fields)
        said = self._play(case).statement(name, Act.MOVE, motion=motion_digest(made))
        return self.docket.take(id_, Moved(motion=made, signed=signed(said)))

    def says(self, id_: str, act: Act, *names: str) -> Case:
        for name in names:
            said = self._play(self.docket.get(id_)).statement(name, act)
            self.docket.take(id_, Stated(signed=signed(said)))
        return self.docket.get(id_)

    def to_notified(self) -> Case:
        id_ = self.open().id
        self.docket.take(id_, Triaged(accepted=True, reason="It may be so.", by="operator"))
        return self.docket.take(id_, Notified(by="operator"))

    def to_announced(self, **fields: Any) -> Case:
        id_ = self.to_notified().id
        self.clock.forward(QUICK.answer_s)
        self.moves(id_, "ada", **fields)
        return self.announces(self.says(id_, Act.APPROVE, "ben"))

    def announces(self, case: Case) -> Case:
        assert case.decision is not None
        effective_at = self.clock.now + timedelta(seconds=QUICK.notice_s)
        event = Announced(decision=case.decision, effective_at=effective_at, by="operator")
        return self.docket.take(case.id, event)

    def time(self, seconds: float) -> None:
        """What the controller's task does, once the time is there."""
        self.clock.forward(seconds)
        self.work()

    def work(self) -> None:
        self.docket.resume()
        while sum(self.docket.tick(id_) for id_ in self.docket.due()):
            pass

    def _play(self, case: Case) -> Play:
        play = Play(now=self.clock.now)
        play.case = case
        return play


def consented(docket: Docket, event: CharterEvent, *names: str) -> CharterEvent:
    """The event with these arbiters' consents."""
    charter = docket.charter.get()
    consents = tuple(
        Consent(
            arbiter=name,
            signature=base64.b64encode(key_of(name).sign(resolution_bytes(charter, event, name))).decode(),
        )
        for name in names
    )
    return event.model_copy(update={"consents": consents})


def court_on(folder: Path, clock: Clock, log: Log | None = None) -> Court:
    """A court on what is in ``folder``; whoever made it closes ``store`` and ``log``."""
    configuration = Configuration.model_validate(
        {"state": folder, "edge": {"addresses": ["192.0.2.80", "2001:db8::80"]}}
    )
    store = Store.open(configuration)
    intents = Intents(store, configuration, clock=clock)
    intents.apply_configuration()
    public = PublicLog(configuration.paths.public_log, configuration.paths.log_keeping, configuration.log)
    return Court(Docket(intents.context, log or public), intents, public, clock, store)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def court(tmp_path: Path, clock: Clock) -> Iterator[Court]:
    made = court_on(tmp_path, clock)
    made.intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.7", port=80),))
    yield made
    made.log.close()
    made.store.close()
