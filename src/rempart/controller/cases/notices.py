"""Notices of remedies that will send names away: from then on their answers are short-lived.

Resolvers remember what they were told for as long as its TTL says. Were that a day, a site that moves when it
is told to would be looked for at its old place for a day. So from the notice on, and while the remedy is in
force, ``snapshot.build`` bounds the TTLs that are served; what the owner wrote stays as it is.
"""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from rempart.controller.cases.effects import account_of, touch
from rempart.controller.intents.transaction import Transaction
from rempart.controller.store import views
from rempart.controller.store.tables import NoticeRow, reversed_name
from rempart.model.cases import Case
from rempart.model.cases_remedies import SENDS_AWAY, Announced, Remedy, Target


def follow_notice(write: Transaction, case: Case) -> bool:
    """Note, or forget, within ``write``, that ``case`` is about to send names away; whether that is new."""
    wanted = announced(write.session, case)
    row = write.session.get(NoticeRow, case.id)
    held = None if row is None else views.announced(row)
    if held == wanted:
        return False
    if held is not None:
        write.session.execute(delete(NoticeRow).where(NoticeRow.case_id == case.id))
        touch(write, held.target, held.account)
    if wanted is not None:
        write.session.add(
            NoticeRow(
                case_id=case.id,
                host=wanted.target.host,
                reversed_name=reversed_name(wanted.target.host),
                whole_zone=wanted.target.whole_zone,
                account_id=wanted.account,
            )
        )
        touch(write, wanted.target, wanted.account)
    return True


def announced(session: Session, case: Case) -> Announced | None:
    """What the case's notice says will have to be found elsewhere; None when it says nothing like that."""
    if case.effective_at is None or case.decision is None or case.decision.motion.measure is None:
        return None
    measure = case.decision.motion.measure
    if measure.remedy not in SENDS_AWAY:
        return None
    target = Target(host=measure.target.host, whole_zone=measure.target.whole_zone)
    closed = measure.remedy is Remedy.CLOSE_ACCOUNT
    return Announced(target=target, account=account_of(session, target) if closed else None)
