"""Remedies put in force and lifted: the only place that writes them.

Each is one transaction with the step of the case that says so and with what is published because of it, so a
remedy is in force as a whole or not at all. The owner's rows stay as they are: what is
compiled from them takes the remedy into account, and without the remedy it is as it was.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select

from rempart.controller.intents.transaction import Transaction
from rempart.controller.intents.zones import enclosing_row
from rempart.controller.store import views
from rempart.controller.store.tables import RestrictionRow, ZoneRow, reversed_name
from rempart.governance.instructions import Instruction, Lift, PutInForce
from rempart.model.cases_remedies import Measure, Restriction, Target


def carry_out(write: Transaction, instructions: Iterable[Instruction]) -> bool:
    """Do what ``instructions`` say about remedies, within ``write``; whether there was anything."""
    changed = False
    for one in instructions:
        match one:
            case PutInForce(restriction=restriction, replaces=replaces):
                if replaces is not None:
                    _lift(write, replaces)
                _put(write, restriction)
                changed = True
            case Lift(restriction=id_):
                _lift(write, id_)
                changed = True
            case _:
                pass
    return changed


def in_force(write: Transaction) -> tuple[Restriction, ...]:
    """Every remedy in force."""
    return tuple(map(_view, write.session.scalars(select(RestrictionRow).order_by(RestrictionRow.id))))


def _put(write: Transaction, restriction: Restriction) -> None:
    target = restriction.measure.target
    write.session.add(
        RestrictionRow(
            id=restriction.id,
            case_id=restriction.case,
            host=target.host,
            reversed_name=reversed_name(target.host),
            whole_zone=target.whole_zone,
            measure=restriction.measure.model_dump(mode="json"),
            since=restriction.since,
        )
    )
    touch(write, target)


def _lift(write: Transaction, id_: str) -> None:
    row = write.session.get(RestrictionRow, id_)
    if row is None:
        return
    target = Measure.model_validate(row.measure).target
    write.session.execute(delete(RestrictionRow).where(RestrictionRow.id == id_))
    touch(write, target)


def touch(write: Transaction, target: Target) -> None:
    """Have everything compiled again that the target is about. A zone that is not here has nothing to
    compile; the remedy stands all the same, should it come."""
    session = write.session
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


def _view(row: RestrictionRow) -> Restriction:
    return Restriction(
        id=row.id, case=row.case_id, measure=Measure.model_validate(row.measure), since=row.since
    )
