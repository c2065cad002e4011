"""Abuse reports through Cloudflare's API: each side sees what concerns it, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from rempart.controller.intents import OPERATOR
from rempart.model.abuse_reports import Denial
from rempart.model.sites import Origin
from tests.controller.cloudflare_v4.conftest import Bearers, Client

HOST = "forum.example.org"
URL = f"https://{HOST}/thread/7"
WORDS = "The page asks for the password of my bank, says Jane Quimby."
PERSON = {
    "name": "Jane Quimby",
    "email": "jane.quimby@example.net",
    "email2": "jane.quimby@example.net",
    "urls": URL,
}
PHISHING = {
    **PERSON,
    "act": "abuse_phishing",
    "justification": WORDS,
    "comments": "For you alone",
    "owner_notification": "send-anon",
    "host_notification": "send-anon",
}


@pytest.fixture(autouse=True)
def site(client: Client) -> None:
    client.controller.intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.7", port=80),))


def ours(bearers: Bearers, more: str = "") -> str:
    return f"/accounts/{bearers.ours}/abuse-reports{more}"


def theirs(bearers: Bearers, more: str = "") -> str:
    return f"/accounts/{bearers.theirs}/abuse-reports{more}"


def sent(stranger: Client, bearers: Bearers, **members: Any) -> Any:
    """A report sent by another account; the whole envelope."""
    body = {**PHISHING, **members}
    return stranger.whole("POST", theirs(bearers, f"/{body['act']}"), json=body)


def test_both_sides_of_a_report(client: Client, stranger: Client, bearers: Bearers) -> None:
    made = sent(stranger, bearers)
    assert made["result"] == "success"
    assert made["request"] == {"act": "abuse_phishing"}
    id_ = made["abuse_rand"]
    assert any("good faith" in one["message"] for one in made["messages"])

    (listed,) = client.ok("GET", ours(bearers))["reports"]
    assert (listed["id"], listed["type"], listed["status"]) == (id_, "PHISH", "in_review")
    seen = client.ok("GET", ours(bearers, f"/{id_}"))
    assert seen["justification"] == "The page asks for the password of my bank, says […]."
    assert seen["submitter"] is None
    assert (seen["urls"], seen["domain"]) == ([URL], HOST)
    assert seen["mitigation_summary"] == {
        "accepted_url_count": 0,
        "active_count": 0,
        "in_review_count": 0,
        "pending_count": 0,
        "external_host_notified": False,
    }

    (mine,) = stranger.ok("GET", theirs(bearers, "/submitted"))["reports"]
    assert (mine["id"], mine["status"], mine["denial_reason"]) == (id_, "submitted", None)
    whole = stranger.ok("GET", theirs(bearers, f"/submitted/{id_}"))
    assert (whole["justification"], whole["comments"]) == (WORDS, "For you alone")
    assert whole["submitter"]["email"] == PERSON["email"]
    assert whole["dsa_attestation"] is True
    assert stranger.ok("GET", theirs(bearers, f"/submitted/{id_}/emails"))["emails"] == []

    # Neither side sees the other's.
    assert client.ok("GET", ours(bearers, "/submitted"))["reports"] == []
    assert client.refused(404, "GET", ours(bearers, f"/submitted/{id_}"))["code"] == 7003
    assert stranger.ok("GET", theirs(bearers))["reports"] == []
    assert stranger.refused(404, "GET", theirs(bearers, f"/{id_}"))["code"] == 7003


def test_named_on_request_and_never_where_it_endangers(
    client: Client, stranger: Client, bearers: Bearers
) -> None:
    named = sent(stranger, bearers, owner_notification="send")["abuse_rand"]
    assert client.ok("GET", ours(bearers, f"/{named}"))["submitter"]["name"] == "Jane Quimby"
    threat = sent(stranger, bearers, act="abuse_threat", owner_notification="send")
    assert any("not told who" in one["message"] for one in threat["messages"])
    # It waits for a person: the site does not know of it.
    assert client.refused(404, "GET", ours(bearers, f"/{threat['abuse_rand']}"))["code"] == 7003
    client.controller.triage.release(threat["abuse_rand"])
    assert client.ok("GET", ours(bearers, f"/{threat['abuse_rand']}"))["submitter"] is None
    quiet = sent(
        stranger,
        bearers,
        act="abuse_ncsei",
        owner_notification="none",
        urls=f"{URL}/9",
        ncsei_subject_representation=True,
    )
    assert client.refused(404, "GET", ours(bearers, f"/{quiet['abuse_rand']}"))["code"] == 7003


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"email2": "joe@example.net"}, "email2"),
        ({"urls": "https://other.example.net/"}, "urls"),
        ({"urls": f"{URL}\nhttps://x.example.org/"}, "urls.1"),
        ({"justification": "Bad."}, "justification"),
        ({"justification": None}, "justification"),
        ({"act": "abuse_dmca"}, "address1"),
        ({"act": "abuse_registrar_whois"}, "act"),
        ({"act": "abuse_weather"}, "act"),
        ({"name": ""}, "name"),
        ({"email": "x", "email2": "x"}, "email"),
        ({"reported_country": "FRA"}, "reported_country"),
    ],
)
def test_what_is_wrong_is_named(
    stranger: Client, bearers: Bearers, members: dict[str, Any], field: str
) -> None:
    body = {**PHISHING, **members}
    error = stranger.refused(400, "POST", theirs(bearers, f"/{body['act']}"), json=body)
    assert error["source"]["pointer"] == "/" + field.replace(".", "/"), error
    assert "Jane" not in str(error)


def test_lists_are_filtered(client: Client, stranger: Client, bearers: Bearers) -> None:
    first = sent(stranger, bearers)["abuse_rand"]
    second = sent(stranger, bearers, urls=f"{URL}/2", act="abuse_general")["abuse_rand"]
    client.controller.triage.refuse(second, Denial.NO_ABUSE, "It is satire.")

    def of(
        query: dict[str, Any], who: Client = stranger, base: str = theirs(bearers, "/submitted")
    ) -> list[str]:
        return [one["id"] for one in who.ok("GET", base, params=query)["reports"]]

    assert set(of({})) == {first, second}
    assert of({"status": ["denied", "accepted"]}) == [second]
    assert of({"type": ["PHISH"]}) == [first]
    assert of({"domain": [HOST, "x.example"], "sort": "cdate,asc", "per_page": 1}) in ([first], [second])
    assert of({"created_after": "2999-01-01"}) == []
    assert of({"id": first}) == [first]
    assert of({}, client, ours(bearers)) == [first], "what was refused is no reproach"
    assert of({"mitigation_status": "active"}, client, ours(bearers)) == []
    assert of({"status": "accepted"}, client, ours(bearers)) == []
    page = client.ok("GET", ours(bearers), params={"page": 2})
    assert page == {"reports": [], "items": []}
    denied = stranger.ok("GET", theirs(bearers, f"/submitted/{second}"))
    assert denied["denial_reason"] == "no_abuse_found"
    assert client.refused(400, "GET", ours(bearers), params={"sort": "id,asc"})["code"] == 1001
    assert client.refused(400, "GET", ours(bearers), params={"type": "WEATHER"})["code"] == 1001


def test_the_owner_answers_and_it_is_measured(client: Client, stranger: Client, bearers: Bearers) -> None:
    id_ = sent(stranger, bearers)["abuse_rand"]
    said = {"kind": "removed", "text": "The page is gone."}
    assert client.ok("POST", ours(bearers, f"/{id_}/answer"), json=said)["answer"] == "removed"
    assert client.ok("GET", ours(bearers, "/answering"))["answered"] == 1
    assert stranger.refused(404, "POST", theirs(bearers, f"/{id_}/answer"), json=said)["code"] == 7003
    assert client.ok("GET", ours(bearers, f"/{id_}/mitigations")) == {"mitigations": [], "items": []}


def test_permissions(bearers: Bearers, client: Client) -> None:
    reader = bearers.of(bearers.ours, ["abuse:read"])
    assert reader.ok("GET", ours(bearers))["reports"] == []
    assert reader.refused(403, "POST", ours(bearers, "/abuse_phishing"), json=PHISHING)["code"] == 10000
    assert bearers.of(bearers.ours, ["dns:edit"]).refused(403, "GET", ours(bearers))["code"] == 10000
    names = {one["name"] for one in client.ok("GET", "/user/tokens/permission_groups")}
    assert {"Trust and Safety Read", "Trust and Safety Write"} <= names
