"""Which cases are an owner's: those about names in their zones, once they were told."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from rempart.controller.cases import rows
from rempart.controller.intents.context import Context
from rempart.controller.intents.zones import enclosing_row
from rempart.controller.store.tables import CaseRow, CaseTargetRow, reversed_name
from rempart.governance.waiting import is_known_to_owner
from rempart.model.cases import Case
from rempart.model.cases_remedies import Target
from rempart.model.errors import NotFound
from rempart.model.names import shown, within
from rempart.model.zones import Zone

CASES_MAX = 500
"""Newest first; no owner of our acquaintance has more."""
AT_ONCE = 300


@dataclass(frozen=True, slots=True)
class OwnedCase:
    """A case with what of it is about the owner's zones."""

    case: Case
    zones: tuple[Zone, ...]
    targets: tuple[Target, ...]

    @property
    def wholly(self) -> bool:
        """Whether it is about nobody else's."""
        return self.targets == self.case.targets


class OwnersDocket:
    """Cases by zones. Safe to use from any thread."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def about(self, zones: Collection[Zone]) -> tuple[OwnedCase, ...]:
        """Newest first, at most CASES_MAX."""
        with self._context.reading() as session:
            ids: set[str] = set()
            for zone in zones:
                ids.update(session.scalars(select(CaseTargetRow.case_id).where(_touches(zone))))
            found: list[OwnedCase] = []
            wanted = sorted(ids, reverse=True)  # the year comes first
            for start in range(0, len(wanted), AT_ONCE):
                some = select(CaseRow).where(CaseRow.id.in_(wanted[start : start + AT_ONCE]))
                found += _owned(session, map(rows.state_of, session.scalars(some)), zones)
            found.sort(key=lambda one: (one.case.opened_at, one.case.id), reverse=True)
            return tuple(found[:CASES_MAX])

    def get(self, case_id: str, zones: Collection[Zone]) -> OwnedCase:
        """NotFound when there is no such case, or it is none of theirs."""
        with self._context.reading() as session:
            row = session.get(CaseRow, case_id)
            found = [] if row is None else list(_owned(session, [rows.state_of(row)], zones))
            if not found:
                raise NotFound(f"no such case: {shown(case_id)}", field="case")
            return found[0]


def _touches(zone: Zone) -> ColumnElement[bool]:
    at, labels = reversed_name(zone.name), zone.name.split(".")
    above = [".".join(labels[start:]) for start in range(1, len(labels))]
    return or_(
        CaseTargetRow.reversed_name == at,
        and_(CaseTargetRow.reversed_name > at + ".", CaseTargetRow.reversed_name < at + "/"),
        and_(CaseTargetRow.whole_zone, CaseTargetRow.host.in_(above)),
    )


def _owned(session: Session, cases: Iterable[Case], zones: Collection[Zone]) -> Iterable[OwnedCase]:
    by_id = {one.id: one for one in zones}
    for case in cases:
        if not is_known_to_owner(case):
            continue
        concerned: dict[str, Zone] = {}
        targets = []
        for target in case.targets:
            hit = _zones_of(session, target, by_id)
            concerned |= {one.id: one for one in hit}
            targets += [target] if hit else []
        if concerned:
            yield OwnedCase(case, tuple(concerned.values()), tuple(targets))


def _zones_of(session: Session, target: Target, zones: dict[str, Zone]) -> list[Zone]:
    """Those of ``zones`` that ``target`` is about: the one that answers for the name, and for a whole zone
    all at or below it. A zone below another owner's is its own owner's affair."""
    home = enclosing_row(session, target.host.removeprefix("*."))
    found = [zones[home.id]] if home is not None and home.id in zones else []
    if target.whole_zone:
        found += [one for one in zones.values() if one not in found and within(one.name, target.host)]
    return found
