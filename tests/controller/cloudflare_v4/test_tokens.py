"""Tokens by way of the API: made, scoped, rolled, disabled, deleted; and how callers are recognised."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rempart.controller.cloudflare_v4.envelope import instant
from rempart.controller.intents import OPERATOR
from rempart.model.permissions import ACCOUNT, GROUPS_BY_SLUG, ZONE
from tests.controller.cloudflare_v4.conftest import Bearers, Client

DNS = GROUPS_BY_SLUG["dns:edit"].id


def policy(*resources: str, group: str = DNS, **members: Any) -> dict[str, Any]:
    named = dict.fromkeys(resources, "*")
    return {"effect": "allow", "permission_groups": [{"id": group}], "resources": named, **members}


def test_a_tokens_life(client: Client, bearers: Bearers) -> None:
    zone = client.zone()
    body = {"name": "ci", "policies": [policy(f"{ZONE}.{zone}")]}
    made = client.ok("POST", "/user/tokens", json=body)
    assert 40 <= len(made["value"]) <= 80
    assert made["status"] == "active"
    bearer = bearers.client(made["value"])
    assert bearer.ok("GET", "/user/tokens/verify") == {"id": made["id"], "status": "active"}
    bearer.record(zone, "A", "x", "192.0.2.1")
    assert bearer.refused(403, "DELETE", f"/zones/{zone}")["code"] == 10000

    shown = client.ok("GET", f"/user/tokens/{made['id']}")
    assert "value" not in shown
    assert shown["policies"][0]["resources"] == {f"{ZONE}.{zone}": "*"}
    echoed = {**shown, "name": "ci2"}
    changed = client.ok("PUT", f"/user/tokens/{made['id']}", json=echoed)
    assert (changed["name"], changed["policies"]) == ("ci2", shown["policies"])

    rolled = client.ok("PUT", f"/user/tokens/{made['id']}/value", json={})
    assert bearer.refused(403, "GET", "/zones")["code"] == 9109
    bearer = bearers.client(rolled)
    assert bearer.ok("GET", "/zones")

    client.ok("PUT", f"/user/tokens/{made['id']}", json={**body, "status": "disabled"})
    assert "disabled" in bearer.refused(403, "GET", "/zones")["message"]
    assert bearer.refused(401, "GET", "/user/tokens/verify")["code"] == 1000
    client.ok("PUT", f"/user/tokens/{made['id']}", json=body)
    assert bearer.ok("GET", "/zones")

    assert client.ok("DELETE", f"/user/tokens/{made['id']}") == {"id": made["id"]}
    assert bearer.refused(403, "GET", "/zones")["code"] == 9109
    client.refused(404, "GET", f"/user/tokens/{made['id']}")
    assert made["id"] not in [one["id"] for one in client.ok("GET", "/user/tokens")]


def test_nested_resources_are_zones_of_an_account(client: Client, bearers: Bearers) -> None:
    zone = client.zone()
    nested = {f"{ACCOUNT}.{bearers.ours}": {f"{ZONE}.*": "*"}}
    made = client.ok(
        "POST", "/user/tokens", json={"name": "n", "policies": [policy() | {"resources": nested}]}
    )
    bearers.client(made["value"]).record(zone, "A", "x", "192.0.2.1")


def test_times(client: Client, bearers: Bearers) -> None:
    now = client.controller.clock()
    body = {"name": "t", "policies": [policy("*")], "not_before": instant(now + timedelta(hours=1))}
    early = client.ok("POST", "/user/tokens", json=body)
    assert "not valid yet" in bearers.client(early["value"]).refused(403, "GET", "/zones")["message"]
    gone = client.ok("POST", "/user/tokens", json={"name": "t", "policies": [policy("*")]})
    past = {**body, "not_before": None, "expires_on": instant(now - timedelta(hours=1))}
    client.ok("PUT", f"/user/tokens/{gone['id']}", json=past)
    assert "expired" in bearers.client(gone["value"]).refused(403, "GET", "/zones")["message"]
    assert client.ok("GET", f"/user/tokens/{gone['id']}")["status"] == "expired"
    names = [one["id"] for one in client.ok("GET", "/user/tokens", params={"include_expired": "false"})]
    assert gone["id"] not in names
    assert early["id"] in names


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"policies": []},
        {"policies": [{**policy("*"), "effect": "deny"}]},
        {"policies": [policy("*", group="0" * 32)]},
        {"policies": [policy(f"{ACCOUNT}.{'0' * 32}")]},
        {"policies": [policy(f"{ZONE}.{'0' * 32}")]},
        {"policies": [policy("com.example.*")]},
        {"policies": [{**policy(), "resources": {"*": "some"}}]},
        {"expires_on": "2020-01-01T00:00:00Z"},
        {"expires_on": "soon"},
        {"condition": {"request_ip": {"in": ["192.0.2.0/24"]}}},
        {"surprise": 1},
    ],
    ids=str,
)
def test_what_is_no_token(client: Client, change: dict[str, Any]) -> None:
    before = client.controller.intents.tokens.list()
    client.refused(400, "POST", "/user/tokens", json={"name": "x", "policies": [policy("*")], **change})
    assert client.controller.intents.tokens.list() == before


def test_a_policy_cannot_name_anothers_zone(client: Client, stranger: Client) -> None:
    foreign = stranger.zone("theirs.example")
    body = {"name": "x", "policies": [policy(f"{ZONE}.{foreign}")]}
    error = client.refused(400, "POST", "/user/tokens", json=body)
    missing = {"name": "x", "policies": [policy(f"{ZONE}.{'0' * 32}")]}
    other = client.refused(400, "POST", "/user/tokens", json=missing)
    assert error["message"].replace(foreign, "0" * 32) == other["message"]


def test_groups(client: Client) -> None:
    groups = client.ok("GET", "/user/tokens/permission_groups")
    assert {"id": DNS, "name": "DNS Write", "scopes": [ZONE]} in groups
    assert [one["name"] for one in client.ok("GET", "/user/tokens/permission_groups?name=DNS Write")] == [
        "DNS Write"
    ]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, 9106),
        ({"Authorization": "Basic eDp5"}, 400, 6003),
        ({"Authorization": "Bearer"}, 400, 6003),
        ({"Authorization": "Bearer " + "x" * 300}, 400, 6003),
        ({"Authorization": "Bearer x"}, 403, 9109),
        ({"X-Auth-Email": "a@b.example", "X-Auth-Key": "0" * 37}, 403, 9103),
        ({"X-Auth-User-Service-Key": "v1.0-x"}, 403, 9103),
    ],
    ids=str,
)
def test_other_ways_to_call(bearers: Bearers, headers: dict[str, str], status: int, code: int) -> None:
    assert bearers.client(None).refused(status, "GET", "/zones", headers=headers)["code"] == code


def test_tokens_of_the_command_line_may_do_everything_unless_told(bearers: Bearers) -> None:
    made = bearers.controller.intents.tokens.create(OPERATOR, bearers.ours, "cli").value
    client = bearers.client(made.secret)
    assert client.ok("GET", "/user")["id"] == bearers.ours
    assert client.zone("cli.example")


def test_nothing_of_a_token_is_in_what_others_are_shown(client: Client) -> None:
    made = client.ok("POST", "/user/tokens", json={"name": "x", "policies": [policy("*")]})
    for path in ("/user/tokens", "/user/audit_logs", f"/user/tokens/{made['id']}"):
        assert made["value"] not in client.call("GET", path).text
