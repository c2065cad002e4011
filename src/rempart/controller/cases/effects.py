"""Remedies put in force and lifted: the only place that writes them.

Each is one transaction with the step of the case that says so and with what is published because of it, so a
remedy is in force as a whole or not at all. The owner's rows stay as they are: what is
compiled from them takes the remedy into account, and without the remedy it is as it was.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from rempart.controller.intents.transaction import Transaction
from rempart.controller.intents.zones import enclosing_row
from rempart.controller.store import views
from rempart.controller.store.tables import RestrictionRow, ZoneRow, reversed_name
from rempart.governance.instructions import Instruction, Lift, PutInForce
from rempart.model.cases_remedies import Measure, Notice, Remedy, Restriction, Target


def carry_out(write: Transaction, instructions: Iterable[Instruction]) -> bool:
    """Do what ``instructions`` say about remedies, within ``write``; whether there was anything."""
    changed = False
    for one in instructions:
        match one:
            case PutInForce(restriction=restriction, replaces=replaces, notice=notice):
                if replaces is not None:
                    _lift(write, replaces)
                _put(write, restriction, notice)
                changed = True
            case Lift(restriction=id_):
                _lift(write, id_)
                changed = True
            case _:
                pass
    return changed


def in_force(write: Transaction) -> tuple[Restriction, ...]:
    """Every remedy in force."""
    rows = write.session.scalars(select(RestrictionRow).order_by(RestrictionRow.id))
    return tuple(views.standing(row).restriction for row in rows)


def _put(write: Transaction, restriction: Restriction, notice: Notice | None) -> None:
    target = restriction.measure.target
    account = None
    if restriction.measure.remedy is Remedy.CLOSE_ACCOUNT:
        account = account_of(write.session, target)
    write.session.add(
        RestrictionRow(
            id=restriction.id,
            case_id=restriction.case,
            host=target.host,
            reversed_name=reversed_name(target.host),
            whole_zone=target.whole_zone,
            measure=restriction.measure.model_dump(mode="json"),
            since=restriction.since,
            notice=None if notice is None else notice.model_dump(mode="json"),
            account_id=account,
        )
    )
    touch(write, target, account)


def _lift(write: Transaction, id_: str) -> None:
    row = write.session.get(RestrictionRow, id_)
    if row is None:
        return
    target, account = Measure.model_validate(row.measure).target, row.account_id
    write.session.execute(delete(RestrictionRow).where(RestrictionRow.id == id_))
    touch(write, target, account)


def account_of(session: Session, target: Target) -> str | None:
    """The account whose zone the target is, or is in; None when no zone here is."""
    home = enclosing_row(session, target.host.removeprefix("*."))
    return None if home is None else home.account_id


def touch(write: Transaction, target: Target, account: str | None) -> None:
    """Have everything compiled again that the target is about. A zone that is not here has nothing to
    compile; the remedy stands all the same, should it come."""
    session = write.session
    if account is not None:
        for row in session.scalars(select(ZoneRow).where(ZoneRow.account_id == account)):
            write.touch_zone(views.zone(row))
    home = enclosing_row(session, target.host.removeprefix("*."))
    if not target.whole_zone:
        if home is not None:
            write.touch(views.zone(home), target.host)
        return
    if home is not None:
        # The zone itself; or, where the target is none here, the one that holds its names.
        write.touch_zone(views.zone(home))
    at = reversed_name(target.host)
    below = select(ZoneRow).where(ZoneRow.reversed_name > at + ".", ZoneRow.reversed_name < at + "/")
    for row in session.scalars(below):
        write.touch_zone(views.zone(row))
