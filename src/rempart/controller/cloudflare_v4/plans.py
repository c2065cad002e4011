"""The one plan there is, and lists that clients ask for although they are always the same here."""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

from rempart.controller.admin_api.answers import surroundings_of
from rempart.controller.cloudflare_v4.calls import Access, Call, Endpoint, Reply
from rempart.controller.cloudflare_v4.envelope import PageInfo
from rempart.model.errors import NotFound
from rempart.model.permissions import Permission

PLAN: dict[str, Any] = {
    # Cloudflare's id of its free plan: clients know it, and find nothing to change.
    "id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
    "name": "Free Website",
    "price": 0,
    "currency": "USD",
    "frequency": "monthly",
    "is_subscribed": True,
    "can_subscribe": True,
    "legacy_id": "free",
    "legacy_discount": False,
    "externally_managed": False,
}


def list_plans(call: Call) -> Reply:
    return Reply([PLAN], PageInfo.single(1))


def get_plan(call: Call) -> Reply:
    if call.path["plan_id"] != PLAN["id"]:
        raise NotFound("no such plan", field="plan")
    return Reply(PLAN)


def list_page_rules(call: Call) -> Reply:
    return Reply([], PageInfo.single(0))


def list_addresses(call: Call) -> Reply:
    """The edge's addresses: what origins should let in."""
    addresses = [ipaddress.ip_address(one) for one in _edge_addresses(call)]
    lists = {
        f"ipv{version}_cidrs": [f"{one}/{one.max_prefixlen}" for one in addresses if one.version == version]
        for version in (4, 6)
    }
    etag = hashlib.sha256(repr(lists).encode()).hexdigest()[:32]
    return Reply({**lists, "etag": etag})


def _edge_addresses(call: Call) -> tuple[str, ...]:
    return call.controller.configuration.edge.addresses or surroundings_of(call.controller).edge_addresses


ENDPOINTS = (
    Endpoint(
        "GET", "/zones/{zone_id}/available_plans", Permission.ZONE_READ, list_plans, "List available plans"
    ),
    Endpoint(
        "GET",
        "/zones/{zone_id}/available_plans/{plan_id}",
        Permission.ZONE_READ,
        get_plan,
        "Plan details",
    ),
    Endpoint(
        "GET",
        "/zones/{zone_id}/pagerules",
        Permission.PAGE_RULES_READ,
        list_page_rules,
        "List page rules (there are none)",
    ),
    Endpoint("GET", "/ips", Access.OPEN, list_addresses, "The edge's addresses"),
)
