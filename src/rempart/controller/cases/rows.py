"""Cases and their steps as rows."""

from __future__ import annotations

import base64
import os
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rempart.controller.store.tables import CaseMarkRow, CaseRow, CaseStepRow
from rempart.governance.charter import CHARTER, CHARTER_EVENT
from rempart.governance.deadlines import next_due
from rempart.governance.disclosure.marks import marks
from rempart.governance.log.step import SALT_BYTES, Step
from rempart.governance.publishing import charter_step, log_step
from rempart.model.cases import Case
from rempart.model.cases_events import EVENT, Event
from rempart.model.cases_kept import CaseStep
from rempart.model.errors import NotFound
from rempart.model.names import shown


def whole_seconds(moment: datetime) -> datetime:
    """Steps have whole seconds, as the log has."""
    return moment.replace(microsecond=0)


def case_row(session: Session, id_: str) -> CaseRow:
    """NotFound when there is no such case."""
    row = session.get(CaseRow, id_)
    if row is None:
        raise NotFound(f"no such case: {shown(id_)}", field="case", hint="rempart case list")
    return row


def state_of(row: CaseRow) -> Case:
    return Case.model_validate_json(row.state)


def keep_state(row: CaseRow, case: Case) -> None:
    """Note what the case has come to."""
    row.phase = case.phase.value
    row.category = case.category.value
    row.due_on = next_due(case)
    row.emergency_on = None if case.emergency is None else case.emergency.since
    row.state = case.model_dump_json()


def new_state(case: Case) -> CaseRow:
    row = CaseRow(
        id=case.id,
        phase=case.phase.value,
        category=case.category.value,
        source=case.source.value,
        host=case.targets[0].host,
        opened_on=case.opened_at,
        state="",
    )
    keep_state(row, case)
    return row


def step_row(case: str, seq: int, event_json: str, at: datetime, *, public: bool) -> CaseStepRow:
    salt = base64.b64encode(os.urandom(SALT_BYTES)).decode()
    return CaseStepRow(
        case_id=case, seq=seq, at=at, event=event_json, public=public, salt=salt, log_index=None
    )


def mark_rows(before: Case | None, event: Event, after: Case, at: datetime) -> list[CaseMarkRow]:
    """What transparency reports count of a step that was taken."""
    return [
        CaseMarkRow(case_id=after.id, seq=after.seq, number=number, at=at, mark=one.model_dump_json())
        for number, one in enumerate(marks(before, event, after, at))
    ]


def intended(session: Session, case: str) -> CaseStepRow | None:
    """The step that is not known to be in the log; there is one at most."""
    rows = select(CaseStepRow).where(CaseStepRow.case_id == case, CaseStepRow.log_index.is_(None))
    return session.scalars(rows).one_or_none()


def steps_of(session: Session, case: str) -> tuple[CaseStep, ...]:
    rows = select(CaseStepRow).where(CaseStepRow.case_id == case).order_by(CaseStepRow.seq)
    return tuple(
        CaseStep(
            seq=row.seq,
            at=row.at,
            event=EVENT.validate_json(row.event),
            public=row.public,
            salt=row.salt,
            log_index=row.log_index,
        )
        for row in session.scalars(rows)
    )


def entry_of(row: CaseStepRow) -> Step:
    """The step as the public log holds it: always the same for the same row."""
    if row.case_id == CHARTER:
        return charter_step(row.seq, CHARTER_EVENT.validate_json(row.event), row.at)
    event = EVENT.validate_json(row.event)
    return log_step(row.case_id, row.seq, event, row.at, base64.b64decode(row.salt), public=row.public)
