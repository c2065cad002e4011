"""Killed at every write, a case goes on where it was: never a step without its entry, never half a remedy."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select
from sqlalchemy.orm import Session

from rempart.controller.intents import OPERATOR
from rempart.controller.store.tables import CaseRow, CaseStepRow, RestrictionRow
from rempart.governance.log.step import Step as LogStep
from rempart.model.cases import Act, Case, MotionKind, Outcome, Phase
from rempart.model.cases_events import Announced
from rempart.model.errors import Conflict
from rempart.model.sites import Origin
from rempart.snapshot.items import RRsetItem
from tests.controller.cases.conftest import QUICK, Court, court_on
from tests.controller.intents.conftest import Clock, published
from tests.governance.cast import HOST


class Doomed:
    """Kills its own process at one of its writes: before it, or right after."""

    def __init__(self, court: Court, at: int) -> None:
        self.left = at
        self._log = court.log
        self._engine = court.store._engine
        event.listen(self._engine, "commit", self._before)
        event.listen(Session, "after_commit", self._after)

    def _before(self, connection: Connection) -> None:
        if connection.get_execution_options().get("writes"):
            self.count()

    def _after(self, session: Session) -> None:
        if session.get_bind().get_execution_options().get("writes"):
            self.count()

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def append(self, step: LogStep) -> Any:
        self.count()
        appended = self._log.append(step)
        self.count()
        return appended


def prepared(folder: Path) -> str:
    """A court with a case that has been announced and is due; its id."""
    court = court_on(folder, Clock())
    court.intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.7", port=80),))
    case = court.found().to_announced()
    court.log.close()
    court.store.close()
    return case.id


def onward(court: Court, id_: str) -> bool:
    """The next thing that anybody would do; False when all is done."""
    case = court.docket.get(id_)
    court.clock.now = case.last_at
    match case.phase:
        case Phase.ANNOUNCED:
            court.time(QUICK.notice_s)
        case Phase.IN_EFFECT if case.lift_due is not None:
            court.work()
        case Phase.IN_EFFECT if case.appeal is None:
            court.docket.appeal(id_, "It was satire.")
        case Phase.IN_EFFECT if case.motion is None:
            court.moves(id_, "cleo", MotionKind.APPEAL, outcome=Outcome.REVERSED)
        case Phase.IN_EFFECT:
            court.says(id_, Act.APPROVE, "dan")
        case _:
            return False
    return True


def check(court: Court, id_: str) -> Case:
    """What holds at any moment, whatever was killed when."""
    with court.store.reading() as session:
        state = Case.model_validate_json(session.get_one(CaseRow, id_).state)
        found = session.scalars(select(CaseStepRow).where(CaseStepRow.case_id == id_))
        steps = [(row.seq, row.log_index) for row in found]
        rows = [row.id for row in session.scalars(select(RestrictionRow))]
    for seq, index in steps:
        if index is not None:
            assert court.log.step(index).id == f"case/{id_}/{seq}"
    assert state.seq == len([seq for seq, index in steps if index is not None])
    assert len([seq for seq, index in steps if index is None]) <= 1
    assert rows == ([] if state.restriction is None else [state.restriction.id])
    item = published(court.intents)[f"rrset/example.org/{HOST}/A"]
    assert isinstance(item, RRsetItem)
    assert item.rrset.rdata == (("192.0.2.80",) if not rows else ("203.0.113.7",))
    ids = [one.id for one in court.log.steps(0, 1_000)]
    assert len(ids) == len(set(ids))
    return state


def lives_until(folder: Path, id_: str, at: int) -> bool:
    """Run everything in a process that is killed at its write number ``at``; whether it was."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            court = court_on(folder, Clock())
            doomed = Doomed(court, at)
            court.docket._log = doomed
            while onward(court, id_):
                pass
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0
    return os.WIFSIGNALED(ended)


@pytest.mark.slow
def test_killed_at_every_write_the_case_goes_on_where_it_was(tmp_path: Path) -> None:
    id_ = prepared(tmp_path / "first")
    at = 0
    phases: set[Phase] = set()
    while True:
        at += 1
        folder = tmp_path / "again"
        shutil.copytree(tmp_path / "first", folder)
        killed = lives_until(folder, id_, at)
        court = court_on(folder, Clock())
        try:
            phases.add(check(court, id_).phase)
            court.docket.resume()
            phases.add(check(court, id_).phase)
            while onward(court, id_):
                check(court, id_)
            assert check(court, id_).phase is Phase.LIFTED
            kinds = [one.event.kind for one in court.docket.steps(id_)]
            assert kinds.count("took_effect") == kinds.count("lifted") == 1
        finally:
            court.log.close()
            court.store.close()
        shutil.rmtree(folder)
        if not killed:
            break
    assert at > 20, "fewer writes than there are"
    assert phases == {Phase.ANNOUNCED, Phase.IN_EFFECT, Phase.LIFTED}


def test_a_step_whose_append_was_tried_goes_through_before_any_other(court: Court) -> None:
    case = court.found().to_announced()
    seq = case.seq + 1
    with court.store.writing() as session:
        assert session.get(CaseStepRow, (case.id, seq)) is None
    assert case.decision is not None
    again = Announced(decision=case.decision, effective_at=court.clock.now, by="operator")
    with pytest.raises(Conflict):
        court.docket.take(case.id, again)
