"""Every route, with every permission there is, with none, without a token, and from another account."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator

import pytest

from rempart.controller.assembly import assembled
from rempart.controller.cloudflare_v4.calls import Access, Endpoint
from rempart.controller.cloudflare_v4.endpoints import ENDPOINTS
from rempart.controller.intents import OPERATOR
from rempart.lab.leftovers import short_folder
from rempart.model.configuration import Configuration
from rempart.model.permissions import ABOUT_ZONES, GROUPS, Permission
from tests.controller.cloudflare_v4.conftest import Bearers, Client

SLUGS = [one.slug for one in GROUPS.values()]
NAMES = [f"{one.method} {one.path}" for one in ENDPOINTS]


class World:
    """A zone, a record and a token in each of two accounts, and clients with each permission."""

    def __init__(self, bearers: Bearers) -> None:
        self.bearers = bearers
        self.owner = bearers.of(bearers.ours)
        self.stranger = bearers.of(bearers.theirs)
        self.ours = self._ids(self.owner, "ours.example", bearers.ours)
        self.theirs = self._ids(self.stranger, "theirs.example", bearers.theirs)
        self.by_slug = {slug: bearers.of(bearers.ours, [slug]) for slug in SLUGS}
        self.by_slug_on_zone = {
            slug: bearers.of(bearers.ours, [slug], zones=[self.ours["zone_id"]]) for slug in SLUGS
        }

    def _ids(self, client: Client, zone: str, account: str) -> dict[str, str]:
        zone_id = client.zone(zone)
        record = client.record(zone_id, "A", "www", "192.0.2.1")
        token = client.controller.intents.tokens.create(OPERATOR, account, "spare").value.token
        return {
            "zone_id": zone_id,
            "record_id": record["id"],
            "account_id": account,
            "token_id": token.id,
            "setting": "ssl",
            "plan_id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
            **dict.fromkeys(("report_id", "report_param"), self._report(client, zone, account)),
        }

    def _report(self, client: Client, zone: str, account: str) -> str:
        """Of an account about itself, so that it may see both sides."""
        body = {
            "act": "abuse_phishing",
            "name": "Jane",
            "email": "jane@example.net",
            "email2": "jane@example.net",
            "urls": f"https://www.{zone}/",
            "justification": "It asks for the password of my bank.",
            "owner_notification": "send-anon",
            "host_notification": "send-anon",
        }
        sent = client.whole("POST", f"/accounts/{account}/abuse-reports/abuse_phishing", json=body)
        return str(sent["abuse_rand"])


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Shared by tests that change nothing in it."""
    folder = short_folder()
    configuration = Configuration.model_validate(
        {
            "state": folder,
            "edge": {"listen": ["127.0.0.1"], "addresses": ["192.0.2.1"]},
            "dns": {"listen": ["127.0.0.1"], "port": 9, "resolvers": ["127.0.0.1@9"]},
            "api": {"requests_per_token": 0, "requests_per_address": 0},
        }
    )
    try:
        with assembled(configuration) as controller, asyncio.Runner() as runner:
            yield World(Bearers(controller, runner))
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def fresh(bearers: Bearers) -> World:
    return World(bearers)


def attempt(client: Client, endpoint: Endpoint, ids: dict[str, str]) -> tuple[int, int | None]:
    """Status and first code. What is sent is refused for its form at the latest, so that nothing changes."""
    path = endpoint.path.format(**ids)
    send = {} if endpoint.method in ("GET", "DELETE") else {"json": {"no such member": 1}}
    answer = client.call(endpoint.method, path, **send)
    body = answer.json() if answer.headers["content-type"].startswith("application/json") else {}
    errors = body.get("errors") or []
    return answer.status_code, errors[0]["code"] if errors else None


def let_through(outcome: tuple[int, int | None]) -> bool:
    """Neither hidden nor forbidden: carried out, or refused for what was sent."""
    return outcome[0] in (200, 400) and outcome[1] not in (9106, 6003)


def granted(slug: str) -> frozenset[Permission]:
    return next(one.grants for one in GROUPS.values() if one.slug == slug)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
def test_a_route_takes_exactly_its_permission(endpoint: Endpoint, world: World) -> None:
    destructive = endpoint.method == "DELETE" or endpoint.path.endswith(("/value", "activation_check"))
    for slug, client in world.by_slug.items():
        allowed = not isinstance(endpoint.needs, Permission) or endpoint.needs in granted(slug)
        if destructive and allowed:
            continue
        outcome = attempt(client, endpoint, world.ours)
        if allowed:
            assert let_through(outcome), (slug, outcome)
        elif "{zone_id}" in endpoint.path and not granted(slug) & ABOUT_ZONES:
            assert outcome == (404, 7003), (slug, outcome)  # may not even know of the zone
        else:
            assert outcome == (403, 10000), (slug, outcome)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
def test_a_zones_token_reaches_its_zone_only(endpoint: Endpoint, world: World) -> None:
    other = dict(world.ours, zone_id=world.owner.zone("second.example"))
    for slug, client in world.by_slug_on_zone.items():
        outcome = attempt(client, endpoint, other)
        if "{zone_id}" in endpoint.path:
            assert outcome == (404, 7003), (slug, outcome)
        elif isinstance(endpoint.needs, Permission):
            assert outcome == (403, 10000), (slug, outcome)
        else:
            assert outcome == (200, None), (slug, outcome)
    assert world.owner.controller.intents.zones.get("second.example")


@pytest.mark.parametrize(
    "endpoint",
    [one for one in ENDPOINTS if re.search(r"\{(zone|account|token)_id\}", one.path)],
    ids=lambda one: f"{one.method} {one.path}",
)
def test_anothers_things_are_answered_like_things_that_are_not(endpoint: Endpoint, world: World) -> None:
    unknown = dict.fromkeys(world.ours, "0" * 32) | {"setting": "ssl"}
    foreign, missing = dict(world.theirs), dict(unknown)
    if "{token_id}" in endpoint.path and "{account_id}" in endpoint.path:
        # One's own account, another's token.
        foreign["account_id"] = missing["account_id"] = world.ours["account_id"]
    body = {"name": "x", "policies": [_policy()]} if endpoint.path.endswith("{token_id}") else {}
    seen = []
    for ids in (foreign, missing):
        send = {} if endpoint.method in ("GET", "DELETE") else {"json": body}
        answer = world.owner.call(endpoint.method, endpoint.path.format(**ids), **send)
        assert answer.status_code == 404, answer.text
        text = answer.text
        for value in ids.values():
            text = text.replace(value, "·")
        seen.append((text, sorted(set(answer.headers) - {"x-ratelimit-remaining"})))
    assert seen[0] == seen[1]


def _policy() -> dict[str, object]:
    group = next(iter(GROUPS))
    return {"effect": "allow", "permission_groups": [{"id": group}], "resources": {"*": "*"}}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
def test_without_a_token_nothing_but_what_is_open(endpoint: Endpoint, world: World) -> None:
    nobody = world.bearers.client(None)
    wrong = world.bearers.client("rp_" + "x" * 43)
    if endpoint.needs is Access.OPEN:
        assert attempt(nobody, endpoint, world.ours) == (200, None)
        return
    assert attempt(nobody, endpoint, world.ours) == (400, 9106)
    expected = (401, 1000) if endpoint.path.endswith("verify") else (403, 9109)
    assert attempt(wrong, endpoint, world.ours) == expected


def test_a_record_of_another_zone_is_no_record(fresh: World) -> None:
    zone, foreign = fresh.ours["zone_id"], fresh.theirs["record_id"]
    for method in ("GET", "DELETE", "PUT", "PATCH"):
        send = {} if method in ("GET", "DELETE") else {"json": {"ttl": 60}}
        error = fresh.owner.refused(404, method, f"/zones/{zone}/dns_records/{foreign}", **send)
        assert error["code"] == 81044
    batch = {"deletes": [{"id": foreign}]}
    error = fresh.owner.refused(404, "POST", f"/zones/{zone}/dns_records/batch", json=batch)
    assert error["code"] == 81044
    assert fresh.stranger.ok("GET", f"/zones/{fresh.theirs['zone_id']}/dns_records/{foreign}")


def test_lists_hold_nothing_of_others(fresh: World) -> None:
    assert [one["name"] for one in fresh.owner.ok("GET", "/zones")] == ["ours.example"]
    assert [one["name"] for one in fresh.stranger.ok("GET", "/zones")] == ["theirs.example"]
    assert fresh.owner.ok(
        "GET", "/zones", params={"match": "any", "name": "contains:example", "status": "active"}
    )
    names = fresh.owner.ok("GET", "/zones", params={"match": "any", "account.id": fresh.theirs["account_id"]})
    assert names == []
    assert [one["id"] for one in fresh.stranger.ok("GET", "/accounts")] == [fresh.theirs["account_id"]]
    assert fresh.theirs["token_id"] not in [one["id"] for one in fresh.owner.ok("GET", "/user/tokens")]
    seen = {one["metadata"]["zone_name"] for one in fresh.stranger.ok("GET", "/user/audit_logs")}
    assert seen == {"theirs.example", None}
    second = fresh.owner.zone("second.example")
    listed = fresh.by_slug_on_zone["dns:edit"].ok("GET", "/zones")
    assert [one["name"] for one in listed] == ["ours.example"]
    assert second not in [one["id"] for one in listed]
    assert fresh.by_slug["account:read"].ok("GET", "/zones") == []
    assert fresh.by_slug["dns:edit"].ok("GET", "/accounts") == []


def test_a_zone_cannot_be_made_in_anothers_account(fresh: World) -> None:
    body = {"name": "new.example", "account": {"id": fresh.theirs["account_id"]}}
    assert fresh.owner.refused(400, "POST", "/zones", json=body)["code"] == 1001
    error = fresh.owner.refused(400, "POST", "/zones", json={"name": "sub.theirs.example"})
    assert error["code"] in (1061, 1049)
    assert fresh.owner.refused(400, "POST", "/zones", json={"name": "theirs.example"})["code"] == 1061
