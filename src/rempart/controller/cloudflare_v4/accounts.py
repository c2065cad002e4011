"""The caller's account, and what was written in it. There are no users beside accounts."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, Literal

from pydantic import Field

from rempart.controller.cloudflare_v4.bodies import PageQuery
from rempart.controller.cloudflare_v4.calls import Access, Call, Endpoint, Reply
from rempart.controller.cloudflare_v4.envelope import PageInfo, instant
from rempart.controller.intents.actor import ActorKind
from rempart.controller.intents.audit import AuditEntry, AuditFilter
from rempart.model.accounts import Account
from rempart.model.errors import InvalidInput
from rempart.model.permissions import Permission


class AccountQuery(PageQuery):
    name: str | None = None
    direction: Literal["asc", "desc"] = "desc"


class AuditQuery(PageQuery):
    per_page: int = Field(default=100, ge=1, le=2**31 - 1)
    id: str | None = None
    action_type: str | None = Field(default=None, alias="action.type")
    actor_email: str | None = Field(default=None, alias="actor.email")
    actor_ip: str | None = Field(default=None, alias="actor.ip")
    zone_name: str | None = Field(default=None, alias="zone.name")
    since: str | None = None
    before: str | None = None
    direction: Literal["asc", "desc"] = "desc"
    export: bool = False


def list_accounts(call: Call) -> Reply:
    query: AccountQuery = call.query
    account = _own(call)
    shown = [_view(account)] if call.may(Permission.ACCOUNT_READ) else []
    if query.name is not None and query.name.lower() not in account.name.lower():
        shown = []
    page = shown if query.page == 1 else []
    return Reply(page, PageInfo(query.page, query.size, len(page), len(shown)))


def get_account(call: Call) -> Reply:
    return Reply(_view(_own(call)))


def get_user(call: Call) -> Reply:
    account = _own(call)
    return Reply(
        {
            "id": account.id,
            # A user has an address for mail; this one cannot be one (RFC 2606 section 2).
            "email": f"{account.id}@account.invalid",
            "first_name": account.name,
            "last_name": None,
            "username": account.name,
            "telephone": None,
            "country": None,
            "zipcode": None,
            "two_factor_authentication_enabled": False,
            "two_factor_authentication_locked": False,
            "suspended": False,
            "organizations": [],
            "betas": [],
            "has_pro_zones": False,
            "has_business_zones": False,
            "has_enterprise_zones": False,
            "created_on": instant(account.created_on),
            "modified_on": instant(account.created_on),
        }
    )


def list_audit_logs(call: Call) -> Reply:
    query: AuditQuery = call.query
    if query.export:
        raise InvalidInput("there is no export here: read page by page", field="export")
    if query.actor_email is not None or query.actor_ip is not None:
        # Neither is recorded: nothing was done by an address.
        return Reply([], PageInfo(query.page, query.size, 0, 0))
    if query.id is not None and not (query.id.isascii() and query.id.isdigit() and len(query.id) < 18):
        return Reply([], PageInfo(query.page, query.size, 0, 0))
    wanted = AuditFilter(
        account_id=call.token.account_id,
        zone=query.zone_name,
        id=None if query.id is None else int(query.id),
        action=query.action_type,
        since=_moment(query.since, "since"),
        before=_moment(query.before, "before"),
        oldest_first=query.direction == "asc",
    )
    page = call.controller.intents.audit.list(wanted, page=query.page, per_page=query.size)
    return Reply([_audit(one, call.token.account_id) for one in page.items], PageInfo.of(page))


def _own(call: Call) -> Account:
    return call.controller.intents.accounts.get(call.token.account_id)


def _view(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "type": "standard",
        "settings": {"enforce_twofactor": False, "abuse_contact_email": None},
        "created_on": instant(account.created_on),
    }


def _audit(entry: AuditEntry, account_id: str) -> dict[str, Any]:
    by_token = entry.actor_kind == ActorKind.TOKEN
    return {
        "id": str(entry.id),
        "action": {"type": entry.action, "result": True, "info": entry.subject},
        "actor": {
            "id": entry.actor_id,
            "type": "user" if by_token else "admin",
            "email": None,
            "ip": None,
        },
        "interface": "API" if by_token else entry.actor_kind,
        "metadata": {"zone_name": entry.zone, "revision": entry.revision, "digest": entry.digest},
        "newValue": entry.summary,
        "oldValue": "",
        "owner": {"id": account_id},
        "resource": {"id": entry.subject, "type": entry.action.partition(".")[0]},
        "when": instant(entry.at),
    }


def _moment(text: str | None, field: str) -> datetime | None:
    """A date (its beginning, UTC) or a time (RFC 3339)."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("a date or a time is meant (RFC 3339)", field=field) from error


ENDPOINTS = (
    Endpoint("GET", "/user", Permission.USER_READ, get_user, "Who the token speaks for"),
    Endpoint(
        "GET",
        "/accounts",
        Access.LISTED,
        list_accounts,
        "List accounts",
        query=AccountQuery,
        listed=Permission.ACCOUNT_READ,
    ),
    Endpoint("GET", "/accounts/{account_id}", Permission.ACCOUNT_READ, get_account, "Account details"),
    Endpoint(
        "GET",
        "/user/audit_logs",
        Permission.AUDIT_READ,
        list_audit_logs,
        "What was written",
        query=AuditQuery,
    ),
    Endpoint(
        "GET",
        "/accounts/{account_id}/audit_logs",
        Permission.AUDIT_READ,
        list_audit_logs,
        "What was written in the account",
        query=AuditQuery,
    ),
)
