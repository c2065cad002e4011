"""The register of decisions: an index of the cases that the public knows of, and what it may read of each."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from rempart.controller.cases import rows
from rempart.controller.intents.context import Context, Page, check_page
from rempart.controller.store.tables import CaseTargetRow, RegisterRow, reversed_name
from rempart.governance.publishing import BODY, log_step
from rempart.governance.register import Listed, State, listed
from rempart.model.base import Value
from rempart.model.cases import Case
from rempart.model.cases_events import Event
from rempart.model.cases_kept import CaseStep
from rempart.model.cases_remedies import Remedy, Target
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.names import parse_hostname, shown


class Entry(Value):
    """One case in the register."""

    case: str
    listed: Listed
    decided_on: datetime
    """When the public was first told."""
    changed_on: datetime


class PublicStep(Value):
    """A step as everybody may read it."""

    seq: int
    at: datetime
    kind: str
    event: Event | None
    """None: the log holds only ``seal`` of it."""
    seal: str | None
    index: int
    """Its entry in the public log."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; everything that is None matches. Days count in UTC, ``until`` not included."""

    target: str | None = None
    """A host name, a URL, or part of a name."""
    remedy: Remedy | None = None
    rule: str | None = None
    state: State | None = None
    since: datetime | None = None
    until: datetime | None = None


class Register:
    """What everybody may know. Safe to use from any thread."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def search(self, wanted: Search = Search(), *, page: int = 1, per_page: int = 20) -> Page[Entry]:
        """Newest first."""
        check_page(page, per_page)
        found = select(RegisterRow).where(*_conditions(wanted))
        with self._context.reading() as session:
            total = session.scalars(select(func.count()).select_from(found.subquery())).one()
            some = found.order_by(RegisterRow.decided_on.desc(), RegisterRow.case_id).limit(per_page)
            there = session.scalars(some.offset((page - 1) * per_page))
            return Page(tuple(map(_entry, there)), total, page, per_page)

    def get(self, case: str) -> Entry:
        """NotFound when there is no such case, or it is nobody's business."""
        with self._context.reading() as session:
            row = session.get(RegisterRow, case)
            if row is None:
                raise NotFound(f"no public case {shown(case)}", field="case")
            return _entry(row)

    def steps(self, case: str) -> tuple[PublicStep, ...]:
        """Every step that is in the log, the sealed ones without what they hold."""
        self.get(case)
        with self._context.reading() as session:
            return tuple(_public(case, one, at) for one, at in _logged(rows.steps_of(session, case)))

    def rules(self) -> tuple[str, ...]:
        """Every rule that a listed decision rests on, sorted."""
        with self._context.reading() as session:
            found = select(RegisterRow.rule).where(RegisterRow.rule.is_not(None)).distinct()
            return tuple(sorted(one for one in session.scalars(found) if one))


def note(session: Session, case: Case) -> None:
    """Bring the index up to date with what the case has become; within the step's own transaction."""
    if case.seq == 1:
        for number, target in enumerate(case.targets):
            session.add(target_row(case.id, number, target))
    row = session.get(RegisterRow, case.id)
    now = listed(case, None if row is None else _listed(row))
    if now is None:
        return
    if row is None:
        row = RegisterRow(case_id=case.id, decided_on=case.last_at)
        session.add(row)
    target = now.target
    row.host, row.reversed_name = target.host, reversed_name(target.host)
    row.path, row.whole_zone = target.path, target.whole_zone
    row.remedy, row.rule, row.state = now.remedy.value, now.rule, now.state.value
    row.changed_on = case.last_at


def target_row(case: str, number: int, target: Target) -> CaseTargetRow:
    name = target.host.removeprefix("*.")
    return CaseTargetRow(
        case_id=case,
        number=number,
        host=name,
        reversed_name=reversed_name(name),
        whole_zone=target.whole_zone,
    )


def _conditions(wanted: Search) -> Iterable[ColumnElement[bool]]:
    if wanted.target:
        yield _about(wanted.target)
    if wanted.remedy is not None:
        yield RegisterRow.remedy == wanted.remedy.value
    if wanted.rule:
        yield RegisterRow.rule == wanted.rule
    if wanted.state is not None:
        yield RegisterRow.state == wanted.state.value
    if wanted.since is not None:
        yield RegisterRow.decided_on >= wanted.since
    if wanted.until is not None:
        yield RegisterRow.decided_on < wanted.until


def _about(text: str) -> ColumnElement[bool]:
    """Decisions about a name, about names below it, and about whole zones above it; for what is no whole
    name, about every name that it is a part of."""
    host = text.strip().lower().partition("://")[2] or text.strip().lower()
    host = host.partition("/")[0].partition(":")[0].rstrip(".")
    try:
        name = parse_hostname(host, wildcard=True) if "." in host else ""
    except InvalidInput:
        name = ""
    if not name:
        return RegisterRow.host.contains(host, autoescape=True)
    at, labels = reversed_name(name), name.split(".")
    above = [".".join(labels[start:]) for start in range(len(labels))]
    return or_(
        RegisterRow.reversed_name == at,
        and_(RegisterRow.reversed_name > at + ".", RegisterRow.reversed_name < at + "/"),
        and_(RegisterRow.whole_zone, RegisterRow.host.in_(above)),
    )


def _entry(row: RegisterRow) -> Entry:
    return Entry(case=row.case_id, listed=_listed(row), decided_on=row.decided_on, changed_on=row.changed_on)


def _listed(row: RegisterRow) -> Listed:
    return Listed(
        target=Target(host=row.host, path=row.path, whole_zone=row.whole_zone),
        remedy=Remedy(row.remedy),
        rule=row.rule,
        state=State(row.state),
    )


def _logged(steps: Iterable[CaseStep]) -> Iterable[tuple[CaseStep, int]]:
    return ((one, one.log_index) for one in steps if one.log_index is not None)


def _public(case: str, step: CaseStep, index: int) -> PublicStep:
    salt = base64.b64decode(step.salt)
    entry = log_step(case, step.seq, step.event, step.at, salt, public=step.public)
    return PublicStep(
        seq=step.seq,
        at=step.at,
        kind=step.event.kind,
        event=step.event if step.public else None,
        seal=entry.sealed.get(BODY),
        index=index,
    )
