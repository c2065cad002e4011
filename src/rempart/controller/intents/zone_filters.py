"""Which zones to list, and in what order."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, func, not_, or_

from rempart.controller.store.tables import AccountRow, ZoneRow
from rempart.model.base import Value
from rempart.model.zones import ZoneStatus

NameOperator = Literal["equal", "not_equal", "starts_with", "ends_with", "contains"]
ZoneOrder = Literal["name", "status", "account.id", "account.name"]


class NameTest(Value):
    """A test of a zone's name. Names are stored in lower case, and compared so."""

    operator: NameOperator
    text: str


class ZoneFilter(Value):
    """All that is given must hold, or any of it; ``within_account`` and ``ids`` bound the search always."""

    within_account: str | None = None
    ids: frozenset[str] | None = None
    account_id: str | None = None
    account_name: str | None = None
    name: NameTest | None = None
    statuses: tuple[ZoneStatus, ...] | None = None
    """None: any; empty: none."""
    match: Literal["all", "any"] = "all"
    order: ZoneOrder = "name"
    descending: bool = False


def condition_of(wanted: ZoneFilter) -> ColumnElement[bool]:
    """Over ``ZoneRow`` joined with ``AccountRow``."""
    bounds: list[ColumnElement[bool]] = [ZoneRow.account_id == AccountRow.id]
    if wanted.within_account is not None:
        bounds.append(ZoneRow.account_id == wanted.within_account)
    if wanted.ids is not None:
        bounds.append(ZoneRow.id.in_(wanted.ids))
    tests: list[ColumnElement[bool]] = []
    if wanted.account_id is not None:
        tests.append(ZoneRow.account_id == wanted.account_id)
    if wanted.account_name is not None:
        tests.append(func.lower(AccountRow.name) == wanted.account_name.lower())
    if wanted.name is not None:
        tests.append(_name_condition(wanted.name))
    if wanted.statuses is not None:
        tests.append(ZoneRow.status.in_([one.value for one in wanted.statuses]))
    if tests:
        bounds.append(or_(*tests) if wanted.match == "any" else and_(*tests))
    return and_(*bounds)


def order_of(wanted: ZoneFilter) -> list[Any]:
    """Columns to order by; the last makes pages stable."""
    first: dict[str, Any] = {
        "name": ZoneRow.name,
        "status": ZoneRow.status,
        "account.id": ZoneRow.account_id,
        "account.name": AccountRow.name,
    }
    columns = [first[wanted.order], ZoneRow.name]
    return [column.desc() for column in columns] if wanted.descending else columns


def _name_condition(test: NameTest) -> ColumnElement[bool]:
    text = test.text.lower()
    column = ZoneRow.name
    match test.operator:
        case "equal":
            return column == text
        case "not_equal":
            return not_(column == text)
        case "starts_with":
            return column.startswith(text, autoescape=True)
        case "ends_with":
            return column.endswith(text, autoescape=True)
        case "contains":
            return column.contains(text, autoescape=True)
