"""Zones, their settings and DNSSEC, and lists that are always the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rempart.controller.intents import OPERATOR
from rempart.model.zones import SslMode, ZoneStatus
from tests.controller.cloudflare_v4.conftest import Bearers, Client
from tests.controller.dns_double import DnsServer


def test_a_zones_life(client: Client, bearers: Bearers) -> None:
    body = {"name": "Example.ORG.", "jump_start": False, "account": {"id": bearers.ours}, "type": "full"}
    made = client.ok("POST", "/zones", json=body)
    assert re.fullmatch(r"[0-9a-f]{32}", made["id"])
    assert (made["name"], made["status"], made["paused"], made["type"]) == (
        "example.org",
        "pending",
        False,
        "full",
    )
    assert made["account"] == {"id": bearers.ours, "name": "operator"}
    assert made["name_servers"] == ["ns1.example.org"]
    assert made["plan"]["legacy_id"] == "free"
    assert client.ok("GET", f"/zones/{made['id']}") == made
    assert client.refused(400, "POST", "/zones", json=body)["code"] == 1061
    edited = client.ok("PATCH", f"/zones/{made['id']}", json={"paused": True})
    assert edited["paused"] is True
    assert (
        client.ok("PATCH", f"/zones/{made['id']}", json={"plan": {"id": made["plan"]["id"]}})["paused"]
        is True
    )
    assert client.ok("DELETE", f"/zones/{made['id']}") == {"id": made["id"]}
    assert client.refused(404, "GET", f"/zones/{made['id']}")["code"] == 7003


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "com"}, 1049),
        ({"name": "no name"}, 1049),
        ({"name": ""}, 1049),
        ({"name": "x.example", "type": "partial"}, 1001),
        ({"name": "x.example", "jump_start": True}, 1001),
        ({"name": "x.example", "account": {"id": "0" * 32}}, 1001),
        ({"name": "x.example", "surprise": 1}, 1001),
        ({}, 1001),
    ],
    ids=str,
)
def test_zones_that_are_refused(client: Client, body: dict[str, Any], code: int) -> None:
    assert client.refused(400, "POST", "/zones", json=body)["code"] == code


@pytest.mark.parametrize(
    "change",
    [{"type": "partial"}, {"plan": {"id": "0" * 32}}, {"vanity_name_servers": ["ns.x.example"]}],
    ids=str,
)
def test_edits_that_are_refused(client: Client, change: dict[str, Any]) -> None:
    client.refused(400, "PATCH", f"/zones/{client.zone()}", json=change)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a.example", "b.example", "bb.example"]),
        ("name=a.example", ["a.example"]),
        ("name=A.Example", ["a.example"]),
        ("name=unknown.example", []),
        ("name=com", []),
        ("name=not a name", []),
        ("name=equal:b.example", ["b.example"]),
        ("name=not_equal:b.example", ["a.example", "bb.example"]),
        ("name=starts_with:b", ["b.example", "bb.example"]),
        ("name=ends_with:b.example", ["b.example", "bb.example"]),
        ("name=contains:b.", ["b.example", "bb.example"]),
        ("name=contains_case_sensitive:bb", ["bb.example"]),
        ("name=contains:%25", []),
        ("status=active", ["b.example"]),
        ("status=pending", ["a.example", "bb.example"]),
        ("status=moved", []),
        ("type=full", ["a.example", "b.example", "bb.example"]),
        ("type=partial", []),
        ("account.name=OPERATOR", ["a.example", "b.example", "bb.example"]),
        ("account.id=00000000000000000000000000000000", []),
        ("match=any&name=a.example&status=active", ["a.example", "b.example"]),
        ("order=name&direction=desc", ["bb.example", "b.example", "a.example"]),
        ("order=status", ["b.example", "a.example", "bb.example"]),
        ("order=plan.id", ["a.example", "b.example", "bb.example"]),
        ("per_page=1&page=2", ["b.example"]),
        ("page=9", []),
    ],
)
def test_filters(client: Client, query: str, names: list[str]) -> None:
    for name in ("a.example", "b.example", "bb.example"):
        zone = client.zone(name)
        if name == "b.example":
            client.controller.intents.zones.edit(OPERATOR, zone, status=ZoneStatus.ACTIVE)
    found = client.whole("GET", f"/zones?{query}")
    assert [one["name"] for one in found["result"]] == names
    assert found["result_info"]["count"] == len(names)


def test_activation(client: Client, name_server: DnsServer) -> None:
    zone = client.zone()
    path = f"/zones/{zone}/activation_check"
    body = client.whole("PUT", path)
    assert body["result"] == {"id": zone}
    assert "delegated to: none" in body["messages"][0]["message"]
    assert client.ok("GET", f"/zones/{zone}")["status"] == "pending"


def test_settings(client: Client) -> None:
    zone = client.zone()
    path = f"/zones/{zone}/settings"
    listed = {one["id"]: one for one in client.ok("GET", path)}
    assert {name for name, one in listed.items() if one["editable"]} == {
        "ssl",
        "always_use_https",
        "cname_flattening",
        "security_level",
    }
    for name, value in (
        ("ssl", "full"),
        ("always_use_https", "off"),
        ("cname_flattening", "flatten_all"),
        ("security_level", "under_attack"),
    ):
        changed = client.ok("PATCH", f"{path}/{name}", json={"value": value})
        assert (changed["id"], changed["value"], changed["editable"]) == (name, value, True)
        assert client.ok("GET", f"{path}/{name}") == changed
    stored = client.controller.intents.zones.get(zone).settings
    assert (stored.ssl, stored.always_use_https, stored.flatten_all_cnames) == (SslMode.FULL, False, True)
    items = [{"id": "ssl", "value": "strict"}, {"id": "always_use_https", "value": "on"}]
    assert [one["value"] for one in client.ok("PATCH", path, json={"items": items})] == ["strict", "on"]
    items = [{"id": "ssl", "value": "off"}, {"id": "brotli", "value": "on"}]
    client.refused(400, "PATCH", path, json={"items": items})
    assert client.ok("GET", f"{path}/ssl")["value"] == "strict"
    for name, wrong in (
        ("ssl", "maybe"),
        ("ssl", None),
        ("ssl", ["full"]),
        ("security_level", "paranoid"),
        ("brotli", "on"),
        ("brotli", "off"),
    ):
        client.refused(400, "PATCH", f"{path}/{name}", json={"value": wrong})
    for method in ("GET", "PATCH"):
        assert client.refused(404, method, f"{path}/nothing", json={"value": 1})["code"] == 7003
    assert client.ok("GET", f"/zones/{zone}/dns_settings")["flatten_all_cnames"] is True
    changed = client.ok("PATCH", f"/zones/{zone}/dns_settings", json={"flatten_all_cnames": False})
    assert changed["flatten_all_cnames"] is False
    client.refused(400, "PATCH", f"/zones/{zone}/dns_settings", json={"foundation_dns": True})


def test_dnssec(client: Client) -> None:
    zone = client.zone()
    path = f"/zones/{zone}/dnssec"
    assert client.ok("GET", path)["status"] == "disabled"
    assert client.ok("PATCH", path, json={"status": "active"})["status"] == "pending"
    assert client.controller.intents.zones.get(zone).settings.dnssec is True
    client.refused(400, "PATCH", path, json={"status": "pending"})
    client.refused(400, "PATCH", path, json={"dnssec_use_nsec3": True})
    assert client.ok("DELETE", path) == ""
    assert client.ok("GET", path)["status"] == "disabled"


def test_what_is_always_the_same(client: Client, bearers: Bearers) -> None:
    zone = client.zone()
    plans = client.ok("GET", f"/zones/{zone}/available_plans")
    assert client.ok("GET", f"/zones/{zone}/available_plans/{plans[0]['id']}") == plans[0]
    client.refused(404, "GET", f"/zones/{zone}/available_plans/{'1' * 32}")
    assert client.ok("GET", f"/zones/{zone}/pagerules?status=active") == []
    addresses = bearers.client(None).ok("GET", "/ips")
    assert (addresses["ipv4_cidrs"], addresses["ipv6_cidrs"]) == (["192.0.2.1/32"], ["2001:db8::1/128"])


def test_account_user_and_audit(client: Client, bearers: Bearers) -> None:
    account = client.ok("GET", f"/accounts/{bearers.ours}")
    assert client.ok("GET", "/accounts") == [account]
    assert client.ok("GET", "/accounts?name=nobody") == []
    assert client.ok("GET", "/accounts?page=2") == []
    assert client.ok("GET", "/user")["id"] == bearers.ours
    client.zone()
    for path in ("/user/audit_logs", f"/accounts/{bearers.ours}/audit_logs"):
        entry = client.ok("GET", f"{path}?action.type=zone.create")[0]
        assert entry["metadata"]["zone_name"] == "example.org"
        assert [one["id"] for one in client.ok("GET", f"{path}?id={entry['id']}")] == [entry["id"]]
        assert client.ok("GET", f"{path}?since=2999-01-01") == []
        assert client.ok("GET", f"{path}?before=2000-01-01T00:00:00Z") == []
        assert client.ok("GET", f"{path}?zone.name=example.org&direction=asc")
        assert client.ok("GET", f"{path}?id=x") == client.ok("GET", f"{path}?actor.email=x") == []
        client.refused(400, "GET", f"{path}?since=yesterday")
        client.refused(400, "GET", f"{path}?export=true")
