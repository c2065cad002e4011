"""The admin API: every route, every kind of error, and that an error changes nothing."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rempart.controller.admin_api import zones
from rempart.controller.admin_api.answers import zone_named
from rempart.controller.assembly import Controller
from rempart.controller.certificates import covers
from rempart.controller.intents import OPERATOR
from rempart.controller.local_ca import LocalCa
from rempart.model.configuration import Configuration
from rempart.model.zones import Zone
from rempart.snapshot.feed import EngineState, NodeReport
from rempart.snapshot.items import SiteItem
from tests.controller.conftest import Api
from tests.controller.dns_double import DnsServer
from tests.controller.test_certificates import certificate, p256, pem

ORIGIN = {"host": "192.0.2.10", "port": 8080}
ZONE_FILE = """\
$ORIGIN example.org.
@ 3600 SOA ns hostmaster 1 2 3 4 5
@ 300 MX 10 mail
mail 300 A 192.0.2.25
www 300 A 192.0.2.80
"""


def site(host: str = "shop.example.org", **fields: Any) -> dict[str, Any]:
    return {"host": host, "origins": [ORIGIN], **fields}


def upload(*names: str, days: int = 30) -> dict[str, str]:
    key = p256()
    now = datetime.now(UTC)
    chain = certificate(key, names=names, begins=now - timedelta(days=1), ends=now + timedelta(days=days))
    return {"chain_pem": chain, "key_pem": pem(key)}


# --- sites -------------------------------------------------------------------------------------------


def test_adding_a_site_is_complete_at_once(api: Api) -> None:
    answer = api.ok("POST", "/v1/sites", json=site())
    assert answer["site"]["host"] == "shop.example.org"
    assert answer["zone"]["name"] == "example.org"
    assert answer["zone_created"]
    assert answer["addresses"] == ["192.0.2.1", "2001:db8::1"]
    assert answer["origin_addresses"] == ["192.0.2.10:8080"]
    assert answer["certificate_issued"]
    assert answer["certificate"]["hosts"] == ["shop.example.org"]
    assert answer["certificate"]["source"] == "local-ca"
    assert answer["nameservers"] == [{"name": "ns1.example.org", "glue": ["192.0.2.1", "2001:db8::1"]}]
    assert answer["reach"] is None
    keys = {item.key for item in api.controller.intents.published.items()}
    assert {"site/shop.example.org", "zone/example.org"} < keys
    assert f"certificate/{answer['certificate']['id']}" in keys


def test_the_second_site_uses_the_zone(api: Api) -> None:
    api.ok("POST", "/v1/sites", json=site())
    answer = api.ok("POST", "/v1/sites", json=site("WWW.Example.ORG"))
    assert not answer["zone_created"]
    assert answer["site"]["host"] == "www.example.org"


def test_adding_the_same_site_again_changes_nothing(api: Api) -> None:
    first = api.ok("POST", "/v1/sites", json=site())
    again = api.ok("POST", "/v1/sites", json=site())
    assert not again["changed"]
    assert again["revision"] == first["revision"]
    assert not again["certificate_issued"]


def test_an_origin_by_name_is_resolved_before_the_answer(api: Api, name_server: DnsServer) -> None:
    name_server.records["o.example.net", "A"] = (60, ["203.0.113.5"])
    answer = api.ok("POST", "/v1/sites", json=site(origins=[{"host": "o.example.net", "port": 80}]))
    assert answer["origin_addresses"] == ["203.0.113.5:80"]
    assert answer["warnings"] == []
    # It was never published without its address.
    delta = api.controller.intents.published.delta(0, None, 100)
    items = [change.item for change in delta.changes if isinstance(change.item, SiteItem)]
    assert [len(item.origins) for item in items] == [1]


def test_changing_to_an_origin_by_name_leaves_no_gap(api: Api, name_server: DnsServer) -> None:
    api.ok("POST", "/v1/sites", json=site())
    name_server.records["o.example.net", "A"] = (60, ["203.0.113.5"])
    before = api.controller.intents.published.revision()
    origins = [{"host": "o.example.net", "port": 80}]
    answer = api.ok("PATCH", "/v1/sites/shop.example.org", json={"origins": origins})
    assert answer["origin_addresses"] == ["203.0.113.5:80"]
    assert answer["revision"] == before + 1


def test_an_origin_that_does_not_resolve_is_said(api: Api) -> None:
    answer = api.ok("POST", "/v1/sites", json=site(origins=[{"host": "no.example.net", "port": 80}]))
    assert answer["origin_addresses"] == []
    status = api.ok("GET", "/v1/status")
    assert [one["host"] for one in status["unresolved"]] == ["no.example.net"]
    assert any("no.example.net" in one for one in answer["warnings"])


def test_a_certificate_of_the_owners_own(api: Api) -> None:
    answer = api.ok("POST", "/v1/sites", json=site(**upload("*.example.org")))
    assert answer["certificate"]["source"] == "uploaded"
    assert not answer["certificate_issued"]
    assert len(api.ok("GET", "/v1/certificates")["certificates"]) == 1


def test_changing_a_site_changes_what_was_named(api: Api) -> None:
    api.ok("POST", "/v1/sites", json=site(limits={"requests_per_client": 5}))
    answer = api.ok("PATCH", "/v1/sites/shop.example.org", json={"requests_per_site": 9})
    assert answer["site"]["limits"] == {
        "requests_per_client": 5,
        "requests_per_site": 9,
        "connections_per_client": 100,
    }
    assert answer["site"]["https_redirect"]


def test_security_level_and_exemptions_of_a_site(api: Api) -> None:
    def published() -> SiteItem:
        (item,) = api.controller.intents.published.items("site/shop.example.org")
        assert isinstance(item, SiteItem)
        return item

    spared = {"paths": ["/api/"], "networks": ["198.51.100.7/24"]}
    api.ok("POST", "/v1/sites", json=site(security_level="under_attack", exemptions=spared))
    assert published().challenge
    assert published().exemptions.networks == ("198.51.100.0/24",)
    path = "/v1/sites/shop.example.org"
    api.ok("PATCH", path, json={"exempt_paths": ["/hook"]})
    assert (published().exemptions.paths, len(published().exemptions.networks)) == (("/hook",), 1)
    api.ok("PATCH", path, json={"security_level": "zone", "exempt_networks": []})
    assert not published().challenge
    assert published().exemptions.networks == ()
    api.ok("PATCH", "/v1/zones/example.org", json={"security_level": "under_attack"})
    assert published().challenge
    api.ok("PATCH", path, json={"security_level": "off"})
    assert not published().challenge
    for wrong in (
        {"exempt_paths": ["api"]},
        {"exempt_paths": ["/a b"]},
        {"exempt_paths": ["/a/../b"]},
        {"exempt_networks": ["0.0.0.0/0"]},
        {"exempt_networks": ["example.org"]},
        {"exempt_networks": ["192.0.2.1"] * 51},
        {"security_level": "paranoid"},
    ):
        api.refused(400, "PATCH", path, json=wrong)
    assert published().exemptions.paths == ("/hook",)


def test_removing_a_site_leaves_its_zone(api: Api) -> None:
    api.ok("POST", "/v1/sites", json=site())
    api.ok("DELETE", "/v1/sites/shop.example.org")
    assert api.ok("GET", "/v1/sites")["sites"] == []
    assert len(api.ok("GET", "/v1/zones")["zones"]) == 1


@pytest.mark.parametrize(
    ("status", "body", "field"),
    [
        (400, {}, "host"),
        (400, site("not a host"), "host"),
        (400, site(origins=[]), "origins"),
        (400, site(origins=[{"host": "192.0.2.1", "port": 0}]), "origins.0.port"),
        (400, site(origins=[{"host": "224.0.0.1", "port": 80}]), "origins[0].host"),
        (400, site(origins=[{"host": "169.254.169.254", "port": 80}]), "origins[0].host"),
        (400, site(origins=[{"host": "bad name", "port": 80}]), "origins[0].host"),
        (400, site(zone="example.net"), "zone"),
        (400, site("com"), None),
        (400, site(limits={"requests_per_client": -1}), "limits.requests_per_client"),
        (400, site(chain_pem="x"), "certificate"),
        (400, site(chain_pem="x", key_pem="y"), "certificate"),
        (400, site(unknown=1), "unknown"),
        (409, site("there.example.org"), "host"),
    ],
)
def test_sites_that_cannot_be_added(api: Api, status: int, body: dict[str, Any], field: str | None) -> None:
    api.ok("POST", "/v1/sites", json=site("there.example.org", https_redirect=False))
    error = api.refused(status, "POST", "/v1/sites", json=body)
    assert error["error"] == ("conflict" if status == 409 else "invalid-input")
    assert error["message"]
    if field:
        assert error["field"] == field


def test_a_certificate_for_another_host_stops_the_site(api: Api) -> None:
    error = api.refused(400, "POST", "/v1/sites", json=site(**upload("www.example.net")))
    assert "not for shop.example.org" in error["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/sites/none.example.org"),
        ("PATCH", "/v1/sites/none.example.org"),
        ("DELETE", "/v1/sites/none.example.org"),
        ("GET", "/v1/zones/none.example"),
        ("PATCH", "/v1/zones/none.example"),
        ("DELETE", "/v1/zones/none.example"),
        ("GET", "/v1/zones/none.example/dnssec"),
        ("GET", "/v1/zones/none.example/records"),
        ("GET", "/v1/zones/none.example/export"),
        ("DELETE", "/v1/zones/none.example/records/x"),
        ("DELETE", "/v1/certificates/00000000"),
        ("DELETE", "/v1/secondaries/192.0.2.9"),
        ("DELETE", "/v1/tokens/x"),
    ],
)
def test_what_does_not_exist(api: Api, method: str, path: str) -> None:
    body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
    assert api.refused(404, method, path, **body)["error"] == "not-found"


# --- zones, records, zone files ----------------------------------------------------------------------


def test_zone_by_zone(api: Api) -> None:
    made = api.ok("POST", "/v1/zones", json={"name": "Example.ORG."})
    assert made["zone"]["name"] == "example.org"
    assert api.refused(409, "POST", "/v1/zones", json={"name": "example.org"})["error"] == "conflict"
    edited = api.ok("PATCH", "/v1/zones/example.org", json={"ssl": "full", "paused": True})
    assert edited["zone"]["settings"]["ssl"] == "full"
    assert edited["zone"]["paused"]
    assert api.ok("GET", "/v1/zones/EXAMPLE.org")["zone"] == edited["zone"]
    api.ok("DELETE", "/v1/zones/example.org")
    assert api.ok("GET", "/v1/zones")["zones"] == []


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2001:db8::1%x y", '2001:db8::1%"\nserver:'])
def test_an_address_with_a_zone_index_is_none(api: Api, address: str) -> None:
    """Whatever stands after the percent sign would find its way into generated configuration."""
    origin = {"host": address, "port": 80}
    assert "origins" in api.refused(400, "POST", "/v1/sites", json=site(origins=[origin]))["field"]
    assert api.refused(400, "POST", "/v1/secondaries", json={"address": address})["field"] == "address"


def test_two_edits_at_once_lose_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking a zone up and changing it, somebody else changes another setting."""
    api.ok("POST", "/v1/zones", json={"name": "example.org"})
    intents = api.controller.intents

    def overtaken(controller: Controller, name: str) -> Zone:
        found = zone_named(controller, name)
        intents.zones.change_settings(OPERATOR, found.id, flatten_all_cnames=True)
        intents.zones.edit(OPERATOR, found.id, paused=True)
        return found

    monkeypatch.setattr(zones, "zone_named", overtaken)
    edited = api.ok("PATCH", "/v1/zones/example.org", json={"ssl": "strict"})
    assert edited["zone"]["settings"]["ssl"] == "strict"
    assert edited["zone"]["settings"]["flatten_all_cnames"]
    assert edited["zone"]["paused"]


def test_dnssec_says_why_there_is_no_ds(api: Api) -> None:
    api.ok("POST", "/v1/zones", json={"name": "example.org"})
    assert api.ok("GET", "/v1/zones/example.org/dnssec") == {
        "zone": "example.org",
        "enabled": False,
        "ds": [],
        "problem": "",
    }
    answer = api.ok("PATCH", "/v1/zones/example.org/dnssec", json={"dnssec": True})
    assert answer["enabled"]
    assert "does not answer" in answer["problem"]
    assert api.refused(400, "PATCH", "/v1/zones/example.org/dnssec", json={})["field"] == "dnssec"


def test_record_by_record(api: Api) -> None:
    api.ok("POST", "/v1/zones", json={"name": "example.org"})
    draft = {"type": "MX", "name": "@", "content": "mail.example.org", "priority": 10}
    made = api.ok("POST", "/v1/zones/example.org/records", json=draft)
    assert made["record"]["name"] == "example.org"
    listed = api.ok("GET", "/v1/zones/example.org/records", params={"type": "MX", "of": "@"})
    assert [one["id"] for one in listed["records"]] == [made["record"]["id"]]
    assert api.ok("GET", "/v1/zones/example.org/records", params={"type": "A"})["records"] == []
    for wrong in ({**draft, "type": "BOGUS"}, {**draft, "content": "a b c"}, {**draft, "ttl": 7}):
        assert api.refused(400, "POST", "/v1/zones/example.org/records", json=wrong)["field"]
    api.refused(409, "POST", "/v1/zones/example.org/records", json=draft)
    api.ok("DELETE", f"/v1/zones/example.org/records/{made['record']['id']}")
    assert api.ok("GET", "/v1/zones/example.org/records")["records"] == []


def test_a_proxied_record_has_a_certificate_at_once(api: Api) -> None:
    api.ok("POST", "/v1/zones", json={"name": "example.org"})
    draft = {"type": "A", "name": "www", "content": "192.0.2.80", "proxied": True}
    api.ok("POST", "/v1/zones/example.org/records", json=draft)
    served = api.ok("GET", "/v1/certificates")["certificates"]
    assert [one["hosts"] for one in served] == [["www.example.org"]]


def test_a_flattened_cname_is_answered_at_once(api: Api, name_server: DnsServer) -> None:
    name_server.records["t.example.net", "A"] = (60, ["203.0.113.9"])
    api.ok("POST", "/v1/zones", json={"name": "example.org"})
    draft = {"type": "CNAME", "name": "@", "content": "t.example.net", "flatten_cname": True}
    api.ok("POST", "/v1/zones/example.org/records", json=draft)
    items = api.controller.intents.published.items("rrset/example.org/example.org/A")
    assert [item.rrset.rdata for item in items if item.kind == "rrset"] == [("203.0.113.9",)]


def test_import_names_its_zone_and_comes_back_out(api: Api) -> None:
    answer = api.ok("POST", "/v1/zone-imports", content=ZONE_FILE)
    assert answer["zone"]["name"] == "example.org"
    assert answer["zone_created"]
    assert answer["added"] == 3
    assert "+ rrset www.example.org A" in answer["summary"]
    assert any("SOA" in warning for warning in answer["warnings"])
    exported = api.call("GET", "/v1/zones/example.org/export").text
    assert "mail.example.org.\t300\tIN\tA\t192.0.2.25" in exported
    again = api.ok("POST", "/v1/zone-imports", content=exported, params={"replace": True})
    assert (again["added"], again["removed"], again["changed"]) == (0, 0, False)


@pytest.mark.parametrize(
    "text",
    [
        "no such thing",
        "@ 300 A 192.0.2.1\n",
        "$ORIGIN example.net.\n@ 300 A 192.0.2.1.1\n",
        "$ORIGIN example.net.\nwww 300 A 192.0.2.1\nwww 300 CNAME other\n",
        "$ORIGIN example.net.\n( \n",
        b"\xff\xfe",
    ],
)
def test_zone_files_that_cannot_be_imported(api: Api, text: str | bytes) -> None:
    api.ok("POST", "/v1/zone-imports", content=ZONE_FILE)
    answer = api.call("POST", "/v1/zone-imports", content=text)
    assert answer.status_code in (400, 409), answer.text
    assert [one["zone"]["name"] for one in api.ok("GET", "/v1/zones")["zones"]] == ["example.org"]


def test_a_dangerous_import_must_be_confirmed_by_its_digest(api: Api) -> None:
    names = "".join(f"h{number} 300 A 192.0.2.{number}\n" for number in range(20))
    api.ok("POST", "/v1/zone-imports", content=ZONE_FILE + names)
    query = {"replace": True, "zone": "example.org"}
    error = api.refused(428, "POST", "/v1/zone-imports", content=ZONE_FILE, params=query)
    assert error["error"] == "needs-confirmation"
    assert error["reasons"]
    assert "- rrset h7.example.org A" in error["summary"]
    wrong = {**query, "confirm": "0" * 16}
    api.refused(428, "POST", "/v1/zone-imports", content=ZONE_FILE, params=wrong)
    confirmed = {**query, "confirm": error["digest"]}
    answer = api.ok("POST", "/v1/zone-imports", content=ZONE_FILE, params=confirmed)
    assert answer["removed"] == 20


# --- certificates ------------------------------------------------------------------------------------


def test_an_uploaded_certificate_takes_the_place_of_ours(api: Api) -> None:
    api.ok("POST", "/v1/sites", json=site())
    answer = api.ok("POST", "/v1/certificates", json=upload("shop.example.org"))
    assert answer["certificate"]["source"] == "uploaded"
    assert "key_pem" not in answer["certificate"]
    listed = api.ok("GET", "/v1/certificates")["certificates"]
    assert [one["id"] for one in listed] == [answer["certificate"]["id"]]


@pytest.mark.parametrize("name", ["shop.example.org", "*.example.org"])
def test_removing_it_brings_ours_back(api: Api, name: str) -> None:
    made = api.ok("POST", "/v1/sites", json=site(**upload(name)))
    api.ok("DELETE", f"/v1/certificates/{made['certificate']['id'][:12]}")
    listed = api.ok("GET", "/v1/certificates")["certificates"]
    assert [(one["source"], one["hosts"]) for one in listed] == [("local-ca", ["shop.example.org"])]


def test_certificates_that_cannot_be_stored(api: Api) -> None:
    good = upload("shop.example.org")
    stranger = upload("shop.example.org")
    error = api.refused(400, "POST", "/v1/certificates", json={**good, "key_pem": stranger["key_pem"]})
    assert error["field"] == "key"
    assert stranger["key_pem"] not in str(error)
    api.refused(400, "POST", "/v1/certificates", json={"chain_pem": "x"})
    api.refused(400, "DELETE", "/v1/certificates/xyz")


def test_the_authority_that_is_shown_is_the_one_that_issues(api: Api, configuration: Configuration) -> None:
    shown = api.ok("GET", "/v1/ca")
    authority = LocalCa.open(configuration.paths.controller / "ca", datetime.now(UTC))
    assert shown["certificate_pem"] == authority.root_pem
    assert shown["fingerprint"] == authority.fingerprint


# --- accounts, tokens, secondaries -------------------------------------------------------------------


def test_tokens_are_shown_once(api: Api) -> None:
    api.ok("POST", "/v1/accounts", json={"name": "newsroom"})
    made = api.ok("POST", "/v1/tokens", json={"name": "ci", "account": "newsroom"})
    assert made["token"].startswith("rp_")
    assert api.controller.intents.tokens.verify(made["token"]) is not None
    listed = api.ok("GET", "/v1/tokens")["tokens"]
    assert [(one["account"], one["token"]) for one in listed] == [("newsroom", None)]
    assert made["token"] not in str(listed)
    assert api.ok("DELETE", f"/v1/tokens/{made['id']}")["revoked"]
    assert api.controller.intents.tokens.verify(made["token"]) is None


def test_tokens_and_accounts_that_cannot_be_made(api: Api) -> None:
    past = {"name": "x", "expires_on": "2001-01-01T00:00:00Z"}
    assert api.refused(400, "POST", "/v1/tokens", json=past)["field"] == "expires_on"
    assert api.refused(400, "POST", "/v1/tokens", json={"name": ""})["field"] == "name"
    assert api.refused(404, "POST", "/v1/tokens", json={"name": "x", "account": "none"})
    api.refused(409, "POST", "/v1/accounts", json={"name": "operator"})


def test_the_key_of_a_secondary_is_shown_on_request_only(api: Api) -> None:
    made = api.ok("POST", "/v1/secondaries", json={"address": "192.0.2.53"})
    assert made["tsig_secret"]
    plain = api.ok("GET", "/v1/secondaries")
    assert made["tsig_secret"] not in str(plain)
    asked = api.ok("GET", "/v1/secondaries", params={"secret": True})
    assert asked["secondaries"][0]["tsig_secret"] == made["tsig_secret"]
    api.refused(409, "POST", "/v1/secondaries", json={"address": "192.0.2.53"})
    api.refused(400, "POST", "/v1/secondaries", json={"address": "ns.example.net"})
    api.ok("DELETE", "/v1/secondaries/192.0.2.53")
    assert api.ok("GET", "/v1/secondaries")["secondaries"] == []


def test_a_secondary_with_a_name_is_in_the_delegation(api: Api) -> None:
    api.ok("POST", "/v1/secondaries", json={"address": "192.0.2.53", "ns_name": "ns2.example.org"})
    made = api.ok("POST", "/v1/zones", json={"name": "example.org"})
    assert {"name": "ns2.example.org", "glue": ["192.0.2.53"]} in made["nameservers"]


# --- waiting, status, metrics ------------------------------------------------------------------------


def report(revision: int, *refusals: tuple[str, str]) -> NodeReport:
    engine = EngineState(name="haproxy", alive=True, refusals=refusals)
    return NodeReport(
        node="node-1", at=datetime.now(UTC), revision=revision, items=1, engines=(engine,), off=("x: y",)
    )


def test_waiting_ends_when_the_node_has_followed(api: Api) -> None:
    api.controller.reports.put(report(0))

    def node() -> None:
        # As a node: follow whatever is published, until the write below is done.
        for _ in range(200):
            api.controller.reports.put(report(api.controller.intents.published.revision()))
            time.sleep(0.02)

    follower = threading.Thread(target=node, daemon=True)
    follower.start()
    reach = api.ok("POST", "/v1/sites", json=site(), params={"wait": 30})["reach"]
    assert reach["live"]
    assert reach["nodes"] == 1
    assert reach["waited_ms"] < 30_000
    follower.join()


def test_waiting_says_who_lags_and_what_was_refused(api: Api) -> None:
    api.controller.reports.put(report(0, ("site/shop.example.org", "no slot"), ("site/other", "no slot")))
    reach = api.ok("POST", "/v1/sites", json=site(), params={"wait": 0.2})["reach"]
    assert not reach["live"]
    assert [one["node"] for one in reach["lagging"]] == ["node-1"]
    assert [(one["key"], one["reason"]) for one in reach["refusals"]] == [
        ("site/shop.example.org", "no slot")
    ]
    status = api.ok("GET", "/v1/status")
    assert len(status["refusals"]) == 2
    assert [one["node"] for one in status["lagging"]] == ["node-1"]
    assert status["nodes"][0]["off"] == ["x: y"]


def test_waiting_is_bounded(api: Api) -> None:
    assert api.refused(400, "POST", "/v1/sites", json=site(), params={"wait": 1e9})["field"] == "wait"


def test_metrics_are_prometheus_text(api: Api) -> None:
    api.ok("POST", "/v1/sites", json=site())
    api.controller.reports.put(report(1, ("site/x", "no")))
    lines = api.call("GET", "/metrics").text.splitlines()
    assert "rempart_sites 1.0" in lines
    assert 'rempart_node_refusals{engine="haproxy",node="node-1"} 1.0' in lines
    assert any(line.startswith('rempart_certificate_not_after_seconds{host="shop.') for line in lines)


def test_the_public_log_is_in_status_and_metrics(api: Api) -> None:
    assert api.ok("GET", "/v1/status")["log"]["health"]["size"] is None, "asking does not open it"
    api.controller.log.ask_witnesses()
    log = api.ok("GET", "/v1/status")["log"]
    assert (log["health"]["size"], log["health"]["problem"], log["waiting"]) == (0, None, 0)
    lines = api.call("GET", "/metrics").text.splitlines()
    assert {"rempart_log_up 1.0", "rempart_log_size 0.0", "rempart_log_steps_waiting 0.0"} <= set(lines)
    assert any(line.startswith("rempart_log_checkpoint_age_seconds ") for line in lines)


def test_an_unexpected_error_tells_nothing_but_its_kind(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("internal words")

    monkeypatch.setattr(type(api.controller.intents.zones), "list", broken)
    answer = api.call("GET", "/v1/zones")
    assert answer.status_code == 500
    assert answer.json()["error"] == "error"
    assert "ZeroDivisionError" in answer.json()["message"]
    assert "internal words" not in answer.text


def test_certificates_cover_what_they_are_issued_for(api: Api) -> None:
    answer = api.ok("POST", "/v1/sites", json=site("*.example.org"))
    assert covers(answer["certificate"]["hosts"], "*.example.org")
