"""Notices of remedies that will send names away: from then on their answers are short-lived.

Resolvers remember what they were told for as long as its TTL says. Were that a day, a site that moves when it
is told to would be looked for at its old place for a day. So from the notice on, and while the remedy is in
force, ``snapshot.build`` bounds the TTLs that are served; what the owner wrote stays as it is.
"""

from __future__ import annotations

from sqlalchemy import delete

from rempart.controller.cases.effects import touch
from rempart.controller.intents.transaction import Transaction
from rempart.controller.store.tables import NoticeRow, reversed_name
from rempart.model.cases import Case
from rempart.model.cases_remedies import SENDS_AWAY, Target


def follow_notice(write: Transaction, case: Case) -> bool:
    """Note, or forget, within ``write``, that ``case`` is about to send names away; whether that is new."""
    wanted = announced(case)
    row = write.session.get(NoticeRow, case.id)
    held = None if row is None else Target(host=row.host, whole_zone=row.whole_zone)
    if held == wanted:
        return False
    if held is not None:
        write.session.execute(delete(NoticeRow).where(NoticeRow.case_id == case.id))
        touch(write, held)
    if wanted is not None:
        write.session.add(
            NoticeRow(
                case_id=case.id,
                host=wanted.host,
                reversed_name=reversed_name(wanted.host),
                whole_zone=wanted.whole_zone,
            )
        )
        touch(write, wanted)
    return True


def announced(case: Case) -> Target | None:
    """What the case's notice says will have to be found elsewhere; None when it says nothing like that."""
    if case.effective_at is None or case.decision is None or case.decision.motion.measure is None:
        return None
    measure = case.decision.motion.measure
    if measure.remedy not in SENDS_AWAY:
        return None
    return Target(host=measure.target.host, whole_zone=measure.target.whole_zone)
