"""The docket: steps of cases taken, one after the other, each in the public log before it has any effect.

A step is taken in three movements. It is judged and stored as intended; it is appended to the log; and in
one transaction it is noted as logged, the case becomes what the step makes of it, and remedies are put in
force or lifted. Killed between any two, the next process does what is left: appending the same step again
finds it. Nothing else happens in a case while one of its steps is intended.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import and_, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from rempart.controller.cases import register, rows
from rempart.controller.cases.charter import CharterBook, charter_of
from rempart.controller.cases.confidences import Confidence, What, keep, kept
from rempart.controller.cases.effects import carry_out
from rempart.controller.cases.notices import follow_notice
from rempart.controller.cases.possible import check_possible
from rempart.controller.intents.actor import SYSTEM
from rempart.controller.intents.context import Context, check_page
from rempart.controller.store.tables import CaseRow, CaseStepRow
from rempart.controller.territory import Territory
from rempart.governance.cases import Step, open_case, step
from rempart.governance.charter import CHARTER, CHARTER_EVENT, Retired
from rempart.governance.deadlines import counted_from_the_log, due
from rempart.governance.emergencies import path_is_spent
from rempart.governance.instructions import Lift, PutInForce
from rempart.governance.log.step import Step as LogStep
from rempart.governance.publishing import is_public
from rempart.model.cases import Act, Case, Category, MotionKind, Order, Phase, Source
from rempart.model.cases_events import (
    EVENT,
    Answered,
    Appealed,
    Event,
    Left,
    Moved,
    Opened,
    Stated,
    Verified,
)
from rempart.model.cases_kept import CaseStep
from rempart.model.cases_remedies import Target
from rempart.model.errors import Conflict, EnvironmentLacks, NotFound, RempartError
from rempart.model.names import parse_hostname

EMERGENCY_PAUSE = timedelta(days=30)
"""Between two emergencies about the same host in different cases: else the 72 hours would be no bound."""

_log = structlog.get_logger("cases")


class InLog(Protocol):
    """Where a step is in the log."""

    @property
    def index(self) -> int: ...


class Log(Protocol):
    """The public log. What ``append`` has returned for is in it, signed and published; what is in it already
    is found. Raises EnvironmentLacks or Conflict when it is not: the step then has no effect."""

    def append(self, step: LogStep) -> InLog: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of the list of cases. ``next``: after which case the rest comes; None: there is none."""

    items: tuple[Case, ...]
    next: str | None


class Docket:
    """All cases. Safe to use from any thread."""

    def __init__(self, context: Context, log: Log) -> None:
        self._context = context
        self._log = log
        self._territory = Territory(context.configuration.territory)
        self.charter = CharterBook(context, self._settle)

    # --- steps ---------------------------------------------------------------------------------------

    def open(
        self,
        source: Source,
        category: Category,
        targets: tuple[Target, ...],
        by: str,
        *,
        urls: tuple[str, ...] = (),
        order: Order | None = None,
        trusted_flagger: bool = False,
        confidential: tuple[tuple[What, str], ...] = (),
        alongside: Callable[[Session, str], None] | None = None,
    ) -> Case:
        """A new case. Conflict when policy or arbiters are wanting.

        ``alongside`` writes what must be written with it or not at all; it is given the case's id."""
        self.resume()
        with self._context.writing(SYSTEM) as write:
            now = rows.whole_seconds(write.now)
            charter = charter_of(write.session)
            id_ = f"{now:%Y}-{secrets.token_hex(5)}"
            seal = self._context.store.seal
            sealed = [keep(write.session, seal, id_, what, text, now) for what, text in confidential]
            event = Opened(
                source=source,
                category=category,
                targets=targets,
                urls=urls,
                confidential=tuple(sealed),
                order=order,
                trusted_flagger=trusted_flagger,
                policy=charter.policy.version if charter.policy else "none",
                charter=charter.seq,
                by=by,
            )
            open_case(id_, event, charter.policy, charter.arbiters, now)
            write.session.add(rows.step_row(id_, 1, event.model_dump_json(), now, public=False))
            if alongside is not None:
                alongside(write.session, id_)
        self._settle(id_)
        return self.get(id_)

    def take(self, id_: str, event: Event) -> Case:
        """One step of a case. Conflict or InvalidInput when the process does not allow it."""
        self._take(id_, lambda session, now: event)
        return self.get(id_)

    def answer(self, id_: str, text: str) -> Case:
        """The owner's answer."""
        seal = self._context.store.seal
        self._take(
            id_,
            lambda session, now: Answered(confidential=keep(session, seal, id_, What.ANSWER, text, now)),
        )
        return self.get(id_)

    def appeal(self, id_: str, text: str) -> Case:
        """The owner's appeal."""
        seal = self._context.store.seal
        self._take(
            id_,
            lambda session, now: Appealed(confidential=keep(session, seal, id_, What.APPEAL, text, now)),
        )
        return self.get(id_)

    def tick(self, id_: str) -> bool:
        """Do what the clock, or an arbiter's leaving, brings about; whether there was anything."""
        self._settle(id_)
        with self._context.reading() as session:
            case = rows.state_of(rows.case_row(session, id_))
            active = {one.id for one in charter_of(session).arbiters}
        gone = [one.id for one in case.roster if one.id not in active]
        if gone and case.phase is not Phase.CLOSED:
            self._take(id_, lambda session, now: Left(arbiter=gone[0]))
            return True
        if due(case, rows.whole_seconds(self._context.clock())) is None:
            with self._context.writing(SYSTEM) as write:
                row = rows.case_row(write.session, id_)
                rows.keep_state(row, rows.state_of(row))  # it was asked to look at itself
            return False
        self._take(id_, lambda session, now: due(rows.state_of(rows.case_row(session, id_)), now))
        return True

    def resume(self) -> int:
        """Finish what a crash or an unreachable log left intended; how many steps were finished.

        EnvironmentLacks when the log cannot be written; a step that it refuses holds up its own case only.
        """
        with self._context.reading() as session:
            waiting = session.scalars(
                select(CaseStepRow.case_id).where(CaseStepRow.log_index.is_(None)).distinct()
            ).all()
        done = 0
        for id_ in sorted(waiting, key=lambda one: (one != CHARTER, one)):
            try:
                self._settle(id_)
                done += 1
            except EnvironmentLacks:
                raise
            except RempartError as error:
                _log.error("a step is not taken by the public log", case=id_, problem=str(error))
        return done

    def waiting(self) -> tuple[int, datetime | None]:
        """How many steps are intended and not known to be in the log, and since when the oldest is."""
        with self._context.reading() as session:
            pending = select(func.count(), func.min(CaseStepRow.at)).where(CaseStepRow.log_index.is_(None))
            number, oldest = session.execute(pending).one()
            return number, oldest

    def due(self) -> tuple[str, ...]:
        """Cases in which something is to happen now."""
        with self._context.reading() as session:
            found = select(CaseRow.id).where(CaseRow.due_on <= self._context.clock())
            return tuple(session.scalars(found.order_by(CaseRow.due_on)))

    def verified(self, id_: str, event: Verified) -> Case:
        """What was seen from outside."""
        return self.take(id_, event)

    # --- reading -------------------------------------------------------------------------------------

    def get(self, id_: str) -> Case:
        """NotFound when there is none."""
        with self._context.reading() as session:
            row = session.get(CaseRow, id_)
            if row is None and rows.intended(session, id_) is not None:
                raise Conflict("the case is not in the public log yet", hint="it goes on by itself")
            return rows.state_of(rows.case_row(session, id_))

    def steps(self, id_: str) -> tuple[CaseStep, ...]:
        with self._context.reading() as session:
            rows.case_row(session, id_)
            return rows.steps_of(session, id_)

    def effect_revision(self, id_: str) -> int | None:
        """Where the remedy was put in force or lifted last; None: never."""
        with self._context.reading() as session:
            return rows.case_row(session, id_).effect_revision

    def confidences(self, id_: str, *, with_reporter: bool = False) -> tuple[Confidence, ...]:
        with self._context.reading() as session:
            rows.case_row(session, id_)
            return kept(session, self._context.store.seal, id_, with_reporter=with_reporter)

    def list(
        self,
        *,
        phase: Phase | None = None,
        phases: Collection[Phase] = (),
        host: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Listed:
        """Newest first; of one phase, or of several. ``after``: those that come after this case. ``host``: of
        the first target.

        The hundredth page costs what the first does. NotFound when there is no case ``after``.
        """
        check_page(1, limit)
        with self._context.reading() as session:
            found = select(CaseRow)
            wanted = [one.value for one in (*phases, *((phase,) if phase else ()))]
            if wanted:
                found = found.where(CaseRow.phase.in_(wanted))
            if host is not None:
                found = found.where(CaseRow.host == parse_hostname(host, wildcard=True, field="host"))
            if after is not None:
                last = rows.case_row(session, after)
                place = tuple_(CaseRow.opened_on, CaseRow.id)
                found = found.where(place < (last.opened_on, last.id))
            some = found.order_by(CaseRow.opened_on.desc(), CaseRow.id.desc()).limit(limit + 1)
            there = tuple(map(rows.state_of, session.scalars(some)))
            return Listed(there[:limit], there[limit - 1].id if len(there) > limit else None)

    def to_verify(self) -> tuple[tuple[Case, datetime], ...]:
        """Cases whose remedy was put in force or lifted, and since when nobody has seen it from outside.

        In a closed case no step is taken any more, not that one either."""
        with self._context.reading() as session:
            waiting = CaseRow.verify_from.is_not(None), CaseRow.phase != Phase.CLOSED.value
            found = select(CaseRow).where(*waiting).order_by(CaseRow.verify_from)
            return tuple(
                (rows.state_of(row), row.verify_from) for row in session.scalars(found) if row.verify_from
            )

    # --- how a step is taken -------------------------------------------------------------------------

    def _take(self, id_: str, make: _Make) -> None:
        self._settle(id_)
        with self._context.writing(SYSTEM) as write:
            if rows.intended(write.session, id_) is not None:
                raise Conflict("another step of this case is being taken", hint="try again")
            case = rows.state_of(rows.case_row(write.session, id_))
            now = max(rows.whole_seconds(write.now), case.last_at)
            event = make(write.session, now)
            if event is None:
                return
            self._check_people(write.session, case, event, now)
            step(case, event, now)
            if isinstance(event, Moved):
                check_possible(write.session, self._territory, event.motion.measure)
            public = is_public(case, event)
            row = rows.step_row(id_, case.seq + 1, event.model_dump_json(), now, public=public)
            rows.entry_of(row).encode()  # what the log would not take is refused while it can be
            write.session.add(row)
        self._settle(id_)

    def _check_people(self, session: Session, case: Case, event: Event, now: datetime) -> None:
        """What a case alone does not know: who has left since, and other cases' emergencies."""
        if not isinstance(event, Moved | Stated):
            return
        if not charter_of(session).is_active(event.signed.statement.arbiter):
            raise Conflict(f"{event.signed.statement.arbiter} is no arbiter any more", field="arbiter")
        moved = event.motion if isinstance(event, Moved) else case.motion
        rejects = event.signed.statement.act not in (Act.MOVE, Act.APPROVE)
        if moved is None or moved.kind is not MotionKind.EMERGENCY or rejects:
            return
        # At each signature, not only at the first: two cases may have come this far side by side.
        since = now - EMERGENCY_PAUSE
        # Agreed to and not in force yet: an emergency is due at once, a decision after its notice.
        about_to = and_(CaseRow.phase == Phase.ANNOUNCED.value, CaseRow.due_on <= now)
        others = select(CaseRow).where(CaseRow.id != case.id, or_(CaseRow.emergency_on > since, about_to))
        for other in map(rows.state_of, session.scalars(others)):
            about = [one for one in case.targets if any(map(one.overlaps, other.targets))]
            if about and path_is_spent(other, since):
                raise Conflict(
                    f"the emergency path was taken for {about[0]} in case {other.id}",
                    field="kind",
                    hint=f"it is open again {EMERGENCY_PAUSE.days} days after; the ordinary process is",
                )

    def _settle(self, id_: str) -> None:
        """Append the intended step to the log and let it have its effect."""
        with self._context.reading() as session:
            row = rows.intended(session, id_)
            if row is None:
                return
            seq, entry = row.seq, rows.entry_of(row)
        index = self._log.append(entry).index
        with self._context.writing(SYSTEM) as write:
            there = write.session.get(CaseStepRow, (id_, seq))
            if there is None:
                raise NotFound(f"step {seq} of {id_} is gone", field="case")
            if there.log_index is not None:
                return  # another thread was faster
            previous = write.session.get(CaseStepRow, (id_, seq - 1))
            if previous is not None and (previous.log_index is None or previous.log_index >= index):
                raise Conflict(
                    f"entry {index} of the log is before what came before it in {id_}",
                    field="public log",
                    hint="the log is an older one, or another: put the one back that this store belongs to",
                )
            there.log_index = index
            if id_ == CHARTER:
                if isinstance(CHARTER_EVENT.validate_json(there.event), Retired):
                    # Every case looks whether it still counts on who has left.
                    open_ones = CaseRow.phase != Phase.CLOSED.value
                    write.session.execute(update(CaseRow).where(open_ones).values(due_on=there.at))
                return
            after = self._stepped(write.session, there)
            event = EVENT.validate_json(there.event)
            row_of_case = write.session.get(CaseRow, id_)
            before = after.case if row_of_case is None else rows.state_of(row_of_case)
            case = counted_from_the_log(before, after.case, event, rows.whole_seconds(write.now))
            effects = [one for one in after.instructions if isinstance(one, PutInForce | Lift)]
            if row_of_case is None:
                row_of_case = rows.new_state(case)
                write.session.add(row_of_case)
            rows.keep_state(row_of_case, case)
            register.note(write.session, case)
            write.session.add_all(rows.mark_rows(None if case.seq == 1 else before, event, case, there.at))
            if effects:
                row_of_case.verify_from = there.at
            elif isinstance(event, Verified):
                row_of_case.verify_from = None
            write.session.flush()
            effective = carry_out(write, effects)
            if follow_notice(write, case) or effective:
                written = write.settle(case, f"case.{event.kind}", id_, unconditional=True)
                if effective:
                    row_of_case.effect_revision = written.revision

    def _stepped(self, session: Session, row: CaseStepRow) -> Step:
        event = EVENT.validate_json(row.event)
        if isinstance(event, Opened):
            charter = charter_of(session, event.charter)
            return open_case(row.case_id, event, charter.policy, charter.arbiters, row.at)
        return step(rows.state_of(rows.case_row(session, row.case_id)), event, row.at)


class _Make(Protocol):
    def __call__(self, session: Session, now: datetime, /) -> Event | None: ...
