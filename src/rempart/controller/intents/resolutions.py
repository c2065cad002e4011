"""Addresses of outside names: which must be asked for, and what came of asking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select

from rempart.controller.intents.actor import SYSTEM
from rempart.controller.intents.context import Context
from rempart.controller.intents.transaction import Transaction, Written
from rempart.controller.resolver import Answer, Held, Outcome, held_after
from rempart.controller.store import views
from rempart.controller.store.tables import DependencyRow, ResolutionRow

SERVED_TTL_MIN_S = 30
SERVED_TTL_MAX_S = 300
DUE_MAX = 1_000


class ResolutionIntents:
    """What is known about outside names; written by Rempart itself."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def names_to_resolve(self, now: datetime, limit: int = DUE_MAX) -> tuple[str, ...]:
        """Names that some item needs and whose time to be asked has come; those longest overdue first."""
        needed = exists().where(DependencyRow.key == "resolution/" + ResolutionRow.name)
        with self._context.reading() as session:
            rows = select(ResolutionRow.name).where(ResolutionRow.refresh_at <= now, needed)
            return tuple(session.scalars(rows.order_by(ResolutionRow.refresh_at).limit(limit)))

    def get(self, name: str) -> Held | None:
        """What is held for ``name``; None when nobody needed it yet."""
        with self._context.reading() as session:
            row = session.get(ResolutionRow, name)
            return None if row is None else views.held(row)

    def problems(self, limit: int = DUE_MAX) -> tuple[Held, ...]:
        """Needed names whose last look-up brought nothing, by name."""
        needed = exists().where(DependencyRow.key == "resolution/" + ResolutionRow.name)
        with self._context.reading() as session:
            rows = select(ResolutionRow).where(ResolutionRow.problem != "", needed)
            return tuple(map(views.held, session.scalars(rows.order_by(ResolutionRow.name).limit(limit))))

    def next_refresh(self) -> datetime | None:
        """When the next name is due; None when there is none."""
        with self._context.reading() as session:
            rows = select(ResolutionRow.refresh_at).order_by(ResolutionRow.refresh_at).limit(1)
            return session.scalars(rows).first()

    def record_answers(self, answers: Sequence[Answer], now: datetime) -> Written[tuple[str, ...]]:
        """Keep what resolvers answered (see ``held_after``) and compile the names that depend on what
        changed. The value: names whose addresses changed. Needs no confirmation: nobody decided it."""
        with self._context.writing(SYSTEM) as write:
            changed = tuple(answer.host for answer in answers if _keep(write, answer, now))
            _drop_unneeded(write, now)
            return write.settle(
                changed, "resolution", ", ".join(changed)[:200], unconditional=True, recorded=False
            )

    def record_resolution(
        self, name: str, addresses: tuple[str, ...], ttl: int, now: datetime
    ) -> Written[tuple[str, ...]]:
        """As ``record_answers`` for one answer; no addresses: the name has none."""
        outcome = Outcome.FOUND if addresses else Outcome.DENIED
        problem = "" if addresses else "the name has no address"
        return self.record_answers([Answer(name, outcome, tuple(sorted(addresses)), ttl, problem)], now)


def _keep(write: Transaction, answer: Answer, now: datetime) -> bool:
    row = write.session.get(ResolutionRow, answer.host)
    before = Held(answer.host) if row is None else views.held(row)
    after = held_after(before, answer, now)
    if row is None:
        row = ResolutionRow(name=answer.host, addresses=[], ttl=0, asked=False, refresh_at=now, problem="")
        write.session.add(row)
    known, ttl = row.asked, row.ttl
    row.addresses = list(after.addresses)
    row.answered_at, row.problem = after.answered_at, after.problem
    row.refresh_at = after.refresh_at or now
    row.asked = known or answer.outcome is not Outcome.FAILED
    row.ttl = _served_ttl(answer, ttl if after.addresses == before.addresses else 0)
    changed = known != row.asked or after.addresses != before.addresses
    if changed or row.ttl != ttl:
        write.touch_resolution(answer.host)
    return changed


def _served_ttl(answer: Answer, held: int) -> int:
    """A resolver's cache counts its answers' TTLs down; the largest seen is nearest to the name's own.
    Following each would publish a change, and a new SOA serial, at every refresh."""
    said = answer.ttl if answer.outcome is Outcome.FOUND else 0
    return max(SERVED_TTL_MIN_S, held, min(said, SERVED_TTL_MAX_S))


def _drop_unneeded(write: Transaction, now: datetime) -> None:
    """Names that no item needs any more are forgotten once they are due, so that the table stays small."""
    needed = exists().where(DependencyRow.key == "resolution/" + ResolutionRow.name)
    write.session.flush()
    write.session.execute(
        delete(ResolutionRow)
        .where(ResolutionRow.refresh_at <= now, ~needed)
        .execution_options(synchronize_session=False)
    )
