"""Arbiters and policies as they are kept: the charter's steps, in the public log like any other."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from rempart.controller.cases import rows
from rempart.controller.intents.actor import SYSTEM
from rempart.controller.intents.context import Context
from rempart.controller.store.tables import CaseStepRow
from rempart.governance.charter import CHARTER, CHARTER_EVENT, Charter, CharterEvent, amend
from rempart.model.errors import Conflict


def charter_of(session: Session, upto: int | None = None) -> Charter:
    """The charter as of now, or as of a step of its own: of the steps that are in the log."""
    found = select(CaseStepRow).where(CaseStepRow.case_id == CHARTER, CaseStepRow.log_index.is_not(None))
    if upto is not None:
        found = found.where(CaseStepRow.seq <= upto)
    charter = Charter()
    for row in session.scalars(found.order_by(CaseStepRow.seq)):
        # Whether it was allowed was judged when it was taken, when the founding may not have been over.
        charter = amend(charter, CHARTER_EVENT.validate_json(row.event), row.at, founding=True)
    return charter


class CharterBook:
    """Changes the charter."""

    def __init__(self, context: Context, settle: Callable[[str], None]) -> None:
        self._context = context
        self._settle = settle

    def get(self) -> Charter:
        with self._context.reading() as session:
            return charter_of(session)

    def is_founding(self) -> bool:
        """Whether the operator alone still decides."""
        with self._context.reading() as session:
            return _is_founding(session)

    def amend(self, event: CharterEvent) -> Charter:
        """One change, once it is in the log. Conflict or InvalidInput when it may not be."""
        self._settle(CHARTER)
        with self._context.writing(SYSTEM) as write:
            if rows.intended(write.session, CHARTER) is not None:
                raise Conflict("another change of the charter is being made", hint="try again")
            charter = charter_of(write.session)
            now = rows.whole_seconds(write.now)
            after = amend(charter, event, now, founding=_is_founding(write.session))
            body = event.model_dump_json()
            row = rows.step_row(CHARTER, after.seq, body, after.last_at or now, public=True)
            rows.entry_of(row).encode()  # what the log would not take is refused while it can be
            write.session.add(row)
        self._settle(CHARTER)
        return self.get()


def _is_founding(session: Session) -> bool:
    """Until there is a case; one that is only intended counts."""
    # One on either side of the charter's own steps is found at once, however many there are.
    others = select(CaseStepRow.case_id)
    return all(
        session.scalars(others.where(condition).limit(1)).first() is None
        for condition in (CaseStepRow.case_id < CHARTER, CaseStepRow.case_id > CHARTER)
    )
