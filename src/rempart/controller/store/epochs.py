"""The store's history in epochs, so that a node notices when it was rewritten: a backup that was restored.

Revisions alone do not tell. A restored store goes back to an earlier revision and grows again with other
contents; a node that was ahead of it would one day be told "nothing new". So every controller that opens the
store begins an epoch at the revision it finds (as PostgreSQL begins a timeline), and a node's place is its
epoch and its revision. A place is one of this history when its epoch is known and did not end before its
revision. Every other node is sent everything.
"""

from __future__ import annotations

import secrets

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from rempart.controller.store.tables import CounterRow, EpochRow

KEPT = 1_000
"""Epochs remembered. A node that has slept through more starts of its controller is sent everything."""


def begin(session: Session) -> str:
    """Begin an epoch at the store's revision and return its id. Within a writing transaction."""
    number = (session.scalars(select(func.max(EpochRow.number))).one() or 0) + 1
    began = session.scalars(select(CounterRow.revision)).one()
    row = EpochRow(number=number, id=secrets.token_hex(16), began=began)
    session.add(row)
    session.execute(delete(EpochRow).where(EpochRow.number <= number - KEPT))
    session.flush()
    return row.id


def current(session: Session) -> str:
    """The id of the newest epoch; empty when no controller has opened the store yet."""
    newest = select(func.max(EpochRow.number)).scalar_subquery()
    return session.scalars(select(EpochRow.id).where(EpochRow.number == newest)).first() or ""


def includes(session: Session, epoch: str, revision: int) -> bool:
    """Whether this history came by ``revision`` in ``epoch``."""
    number = session.scalars(select(EpochRow.number).where(EpochRow.id == epoch)).first()
    if number is None:
        return False
    later = select(EpochRow.began).where(EpochRow.number > number).order_by(EpochRow.number).limit(1)
    end = session.scalars(later).first()
    if end is None:
        end = session.scalars(select(CounterRow.revision)).one()
    return revision <= end
