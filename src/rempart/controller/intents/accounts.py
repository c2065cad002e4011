"""Accounts: create, list."""

from __future__ import annotations

from sqlalchemy import select

from rempart.controller.intents.actor import Actor
from rempart.controller.intents.context import Context, fresh_id
from rempart.controller.intents.transaction import Written
from rempart.controller.store import views
from rempart.controller.store.tables import AccountRow
from rempart.model.accounts import DEFAULT_ACCOUNT, Account
from rempart.model.errors import Conflict, InvalidInput, NotFound
from rempart.model.names import shown

NAME_MAX = 100


class AccountIntents:
    """Create and list accounts."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, actor: Actor, name: str) -> Written[Account]:
        """A new account. Conflict when the name is taken."""
        name = checked_name(name)
        with self._context.writing(actor) as write:
            if write.session.scalars(select(AccountRow).where(AccountRow.name == name)).first():
                raise Conflict(f"there is an account {name!r} already", field="name")
            row = AccountRow(id=fresh_id(), name=name, created_on=write.now)
            write.session.add(row)
            return write.settle(views.account(row), "account.create", name, account=row.id)

    def get(self, id_or_name: str) -> Account:
        """NotFound when there is none."""
        with self._context.reading() as session:
            row = session.get(AccountRow, id_or_name)
            row = row or session.scalars(select(AccountRow).where(AccountRow.name == id_or_name)).first()
            if row is None:
                raise NotFound(f"no such account: {shown(id_or_name)}", field="account")
            return views.account(row)

    def default(self) -> Account:
        """The account that exists from the start."""
        return self.get(DEFAULT_ACCOUNT)

    def list(self) -> tuple[Account, ...]:
        """By name."""
        with self._context.reading() as session:
            return tuple(map(views.account, session.scalars(select(AccountRow).order_by(AccountRow.name))))


def checked_name(name: str) -> str:
    """The name of an account or token as it is stored. InvalidInput when it is none."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise InvalidInput(f"1 to {NAME_MAX} printable characters", field="name")
    return name
