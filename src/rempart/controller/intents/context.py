"""What all intents share: the store, the configuration, the clock, and who is told of a commit."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from rempart.controller.intents.actor import Actor, ActorKind
from rempart.controller.intents.transaction import Transaction
from rempart.controller.store.database import Store
from rempart.controller.store.tables import CounterRow, RestrictionRow, ZoneRow
from rempart.model.by_hand import ByHand
from rempart.model.configuration import Configuration
from rempart.model.errors import AccountClosed, InvalidInput, NotFound
from rempart.model.names import shown
from rempart.snapshot.surroundings import Surroundings

T = TypeVar("T")
PER_PAGE_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list: ``page`` counts from 1."""

    items: tuple[T, ...]
    total: int
    page: int
    per_page: int


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every kind of intent."""

    store: Store
    configuration: Configuration
    surroundings: Surroundings
    clock: Callable[[], datetime]
    on_commit: Callable[[], None]
    on_hand: Callable[[ByHand], None] = lambda _: None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self.store.reading() as session:
            yield session

    @contextmanager
    def writing(self, actor: Actor, *, changes: bool = True) -> Iterator[Transaction]:
        """One write: committed when left normally, undone otherwise.

        AccountClosed for a token of a closed account; without ``changes`` (something is handed out, and that
        is recorded) it may.
        """
        with self.store.writing() as session:
            if changes:
                _check_open(session, actor)
            before = session.get_one(CounterRow, 1).revision
            yield Transaction(
                self.store,
                session,
                actor,
                self.surroundings,
                self.configuration.safety,
                self.clock(),
                self.on_hand,
            )
            after = session.get_one(CounterRow, 1).revision
        if after != before:
            self.on_commit()


def _check_open(session: Session, actor: Actor) -> None:
    """AccountClosed for a token of an account that a case has closed."""
    if actor.kind is not ActorKind.TOKEN:
        return
    closing = select(RestrictionRow.case_id).where(RestrictionRow.account_id == actor.account_id)
    case = session.scalars(closing.limit(1)).first()
    if case is not None:
        raise AccountClosed(case)


def fresh_id() -> str:
    """An identifier in Cloudflare's form: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def zone_row(session: Session, zone_id: str, actor: Actor | None = None) -> ZoneRow:
    """The zone; NotFound when there is none, or when it is not the actor's to know of."""
    row = session.get(ZoneRow, zone_id)
    foreign = (
        row is not None
        and actor is not None
        and actor.kind is ActorKind.TOKEN
        and row.account_id != actor.account_id
    )
    if row is None or foreign:
        raise NotFound(f"no such zone: {shown(zone_id)}", field="zone")
    return row


def check_page(page: int, per_page: int) -> None:
    if page < 1:
        raise InvalidInput("pages count from 1", field="page")
    if not 1 <= per_page <= PER_PAGE_MAX:
        raise InvalidInput(f"from 1 to {PER_PAGE_MAX}", field="per_page")
