"""Zones."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, Field

from rempart.controller.admin_api.answers import NameServers
from rempart.controller.cloudflare_v4.bodies import Body, PageQuery
from rempart.controller.cloudflare_v4.calls import Access, Call, Endpoint, Reply
from rempart.controller.cloudflare_v4.envelope import PageInfo, instant
from rempart.controller.cloudflare_v4.faults import ApiCode
from rempart.controller.cloudflare_v4.plans import PLAN
from rempart.controller.delegation import ask_resolvers
from rempart.controller.intents.zone_filters import NameOperator, NameTest, ZoneFilter
from rempart.model.errors import InvalidInput
from rempart.model.names import parse_zone_name
from rempart.model.permissions import Permission, zones_named
from rempart.model.zones import Zone, ZoneStatus

_OPERATORS: tuple[NameOperator, ...] = ("equal", "not_equal", "starts_with", "ends_with", "contains")


class ZoneQuery(PageQuery):
    name: str | None = None
    account_id: str | None = Field(default=None, alias="account.id")
    account_name: str | None = Field(default=None, alias="account.name")
    status: str | None = None
    type: str | None = None
    match: Literal["any", "all"] = "all"
    order: Literal["name", "status", "account.id", "account.name", "plan.id"] = "name"
    direction: Literal["asc", "desc"] = "asc"


class AccountReference(Body):
    id: str
    name: str | None = None


class NewZone(Body):
    name: str = Field(max_length=300)
    account: AccountReference | None = None
    type: str = "full"
    jump_start: bool = False
    organization: AccountReference | None = Field(
        default=None, validation_alias=AliasChoices("organization", "owner")
    )


class PlanReference(Body):
    id: str


class ZoneChange(Body):
    paused: bool | None = None
    type: str | None = None
    plan: PlanReference | None = None
    vanity_name_servers: tuple[str, ...] | None = None


def view(call: Call, zone: Zone, account_name: str, name_servers: NameServers) -> dict[str, Any]:
    """A zone as clients know it. What we keep no record of is null or Cloudflare's default."""
    active = zone.status is ZoneStatus.ACTIVE
    return {
        "id": zone.id,
        "name": zone.name,
        "status": zone.status.value,
        "paused": zone.paused,
        "type": "full",
        "development_mode": 0,
        "name_servers": [one.name for one in name_servers.of(zone.name)],
        "original_name_servers": None,
        "original_registrar": None,
        "original_dnshost": None,
        "vanity_name_servers": [],
        "created_on": instant(zone.created_on),
        "modified_on": instant(zone.modified_on),
        "activated_on": instant(zone.modified_on) if active else None,
        "account": {"id": zone.account_id, "name": account_name},
        "owner": {"id": zone.account_id, "type": "organization", "name": account_name},
        "tenant": {"id": None, "name": None},
        "tenant_unit": {"id": None},
        "plan": PLAN,
        "meta": {
            "step": 4 if active else 2,
            "custom_certificate_quota": 0,
            "page_rule_quota": 0,
            "phishing_detected": False,
            "cdn_only": False,
            "dns_only": False,
            "foundation_dns": False,
        },
        "permissions": [f"#{one.value}" for one in Permission if call.may(one, zone.id)],
        "cname_suffix": None,
        "verification_key": None,
    }


def _shown(call: Call, zone: Zone) -> dict[str, Any]:
    account = call.controller.intents.accounts.get(zone.account_id)
    return view(call, zone, account.name, NameServers(call.controller))


def list_zones(call: Call) -> Reply:
    query: ZoneQuery = call.query
    token = call.token
    # Names that a policy gives one by one bound the search; whatever is found is authorised all the same.
    named = zones_named(token)
    wanted = ZoneFilter(
        within_account=token.account_id,
        ids=None if named is None else frozenset(one for one in named if call.may(Permission.ZONE_READ, one)),
        account_id=query.account_id,
        account_name=query.account_name,
        name=None if query.name is None else _name_test(query.name),
        statuses=_statuses(query),
        match=query.match,
        order="name" if query.order == "plan.id" else query.order,
        descending=query.direction == "desc",
    )
    if named is None and not call.may(Permission.ZONE_READ):
        wanted = wanted.model_copy(update={"ids": _readable(call)})
    page = call.controller.intents.zones.find(wanted, page=query.page, per_page=query.size)
    servers = NameServers(call.controller)
    account = call.controller.intents.accounts.get(token.account_id)
    shown = [view(call, zone, account.name, servers) for zone in page.items]
    return Reply(shown, PageInfo.of(page))


async def create_zone(call: Call) -> Reply:
    new: NewZone = call.body
    if new.type != "full":
        raise InvalidInput("only full zones are served here", field="type")
    if new.jump_start:
        raise InvalidInput("records are not searched for here: import a zone file", field="jump_start")
    reference = new.account or new.organization
    account_id = reference.id if reference else None
    if account_id is not None and account_id != call.token.account_id:
        raise InvalidInput("no such account, or not this token's", field="account.id")
    try:
        name = parse_zone_name(new.name.rstrip("."))
    except InvalidInput as error:
        raise InvalidInput(error.message, field="name", hint=error.hint, code=ApiCode.NOT_A_DOMAIN) from error

    def create() -> Reply:
        written = call.controller.intents.zones.create(call.actor, name, confirm=call.confirm)
        return Reply(_shown(call, written.value), written=(written,))

    return await call.threaded(create)


def get_zone(call: Call) -> Reply:
    return Reply(_shown(call, call.zone))


def edit_zone(call: Call) -> Reply:
    change: ZoneChange = call.body
    if change.type not in (None, "full"):
        raise InvalidInput("only full zones are served here", field="type")
    if change.plan is not None and change.plan.id != PLAN["id"]:
        raise InvalidInput("there is one plan here", field="plan.id")
    if change.vanity_name_servers:
        raise InvalidInput("name servers are the operator's to name", field="vanity_name_servers")
    written = call.controller.intents.zones.edit(
        call.actor, call.zone.id, paused=change.paused, confirm=call.confirm
    )
    return Reply(_shown(call, written.value), written=(written,))


def delete_zone(call: Call) -> Reply:
    # One zone, named by its id: programs that cannot send our header (Terraform, older libraries) mean it.
    written = call.controller.intents.zones.delete(call.actor, call.zone.id, ask=False)
    return Reply({"id": written.value.id}, written=(written,))


async def check_activation(call: Call) -> Reply:
    """Ask whether the zone is delegated to us; then it is active."""
    zone = call.zone
    ours = await call.threaded(lambda: {one.name for one in NameServers(call.controller).of(zone.name)})
    found = await ask_resolvers(zone.name, "NS", call.controller.configuration.dns.resolvers)
    delegated = {name.rstrip(".").lower() for name in found}
    if not delegated or not delegated <= ours:
        seen = ", ".join(sorted(delegated)) or "none"
        return Reply(
            {"id": zone.id}, messages=(f"delegated to: {seen}; name servers here: {', '.join(sorted(ours))}",)
        )
    written = await call.threaded(
        lambda: call.controller.intents.zones.edit(call.actor, zone.id, status=ZoneStatus.ACTIVE)
    )
    return Reply({"id": zone.id}, written=(written,))


def _name_test(text: str) -> NameTest:
    for operator in _OPERATORS:
        for prefix in (f"{operator}:", f"{operator}_case_sensitive:"):
            if text.startswith(prefix):
                return NameTest(operator=operator, text=_a_label(text.removeprefix(prefix)))
    return NameTest(operator="equal", text=_a_label(text))


def _a_label(text: str) -> str:
    """The canonical name where ``text`` is one; else a text that only parts of names may match."""
    try:
        return parse_zone_name(text.rstrip("."))
    except InvalidInput:
        return text


def _statuses(query: ZoneQuery) -> tuple[ZoneStatus, ...] | None:
    if query.type is not None and "full" not in query.type.split(","):
        return ()
    if query.status is None:
        return None
    return tuple(one for one in ZoneStatus if one.value in query.status.split(","))


def _readable(call: Call) -> frozenset[str]:
    """Zones that policies let the token read one by one, when others name all zones for other things."""
    ids = {resource.rpartition(".")[2] for policy in call.token.policies for resource in policy.resources}
    return frozenset(one for one in ids if call.may(Permission.ZONE_READ, one))


_PREFIX = "/zones"
ENDPOINTS = (
    Endpoint(
        "GET",
        _PREFIX,
        Access.LISTED,
        list_zones,
        "List zones",
        query=ZoneQuery,
        listed=Permission.ZONE_READ,
    ),
    Endpoint("POST", _PREFIX, Permission.ZONE_EDIT, create_zone, "Create a zone", body=NewZone),
    Endpoint("GET", _PREFIX + "/{zone_id}", Permission.ZONE_READ, get_zone, "Zone details"),
    Endpoint(
        "PATCH", _PREFIX + "/{zone_id}", Permission.ZONE_EDIT, edit_zone, "Edit a zone", body=ZoneChange
    ),
    Endpoint("DELETE", _PREFIX + "/{zone_id}", Permission.ZONE_EDIT, delete_zone, "Delete a zone"),
    Endpoint(
        "PUT",
        _PREFIX + "/{zone_id}/activation_check",
        Permission.ZONE_EDIT,
        check_activation,
        "Ask again whether the zone is delegated here",
    ),
)
