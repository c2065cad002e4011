"""What of a measure only this installation can tell: whether it could take effect here at all."""

from __future__ import annotations

from sqlalchemy.orm import Session

from rempart.controller.cases.effects import account_of
from rempart.controller.store.tables import AccountRow
from rempart.controller.territory import Territory
from rempart.model.accounts import DEFAULT_ACCOUNT
from rempart.model.cases_remedies import Measure, Remedy
from rempart.model.errors import InvalidInput


def check_possible(session: Session, territory: Territory, measure: Measure | None) -> None:
    """InvalidInput or EnvironmentLacks say what stands in its way."""
    if measure is None:
        return
    if measure.territory:
        territory.check(measure.territory)
    if measure.remedy is Remedy.CLOSE_ACCOUNT:
        _check_account(session, measure)


def _check_account(session: Session, measure: Measure) -> None:
    id_ = account_of(session, measure.target)
    account = None if id_ is None else session.get(AccountRow, id_)
    if account is None:
        raise InvalidInput(
            f"no account here has the zone {measure.target.host}",
            field="measure.target",
            hint="rempart zone list",
        )
    if account.name == DEFAULT_ACCOUNT:
        # Whatever was added by the operator's own command line is there, other people's zones among it.
        raise InvalidInput(
            f"{measure.target.host} is in the operator's own account: that cannot be closed",
            field="measure.remedy",
            hint="drop_dns is for one zone; or give its owner an account: rempart account add",
        )
