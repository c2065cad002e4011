"""The form and the notice, the receipt, the page by which a report is followed, and the site's side."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from rempart.controller.console.reports import address_of
from rempart.controller.intents import OPERATOR
from rempart.controller.intents.tokens import Grant
from rempart.controller.reporting.reading import Wanted
from rempart.governance.reports import proof
from rempart.model.abuse_reports import Denial
from rempart.model.permissions import ACCOUNT, GROUPS_BY_SLUG
from tests.controller.reporting.conftest import JANE, URL, WORDS, Desk
from tests.controller.reporting.visitors import Visitors, visiting

FORM = {
    "category": "phishing",
    "urls": URL,
    "explanation": WORDS,
    "name": JANE["name"],
    "email": JANE["email"],
    "good_faith": "yes",
}
NOTICE = {
    "category": "phishing",
    "urls": [URL],
    "explanation": WORDS,
    "name": JANE["name"],
    "email": JANE["email"],
    "good_faith": True,
}


@pytest.fixture
def visitors(desk: Desk) -> Iterator[Visitors]:
    with visiting(desk.controller) as made:
        yield made


def waited_ticket(desk: Desk, visitors: Visitors) -> str:
    ticket = visitors.ticket()
    desk.seconds[0] += 30
    return ticket


def test_the_form_its_receipt_and_the_page_that_follows_it(desk: Desk, visitors: Visitors) -> None:
    sent = visitors.send(**FORM, ticket=waited_ticket(desk, visitors), files=["screen shot.png"])
    assert sent.status_code == 201, sent.text
    for header, value in (
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
    ):
        assert sent.headers[header] == value
    assert "default-src 'none'" in sent.headers["content-security-policy"]
    found = re.search(r'<code id="reference">([^<]+)</code>', sent.text)
    assert found is not None
    reference = found[1]
    assert "good faith" in sent.text
    assert "SHA-256" in sent.text
    (report,) = desk.controller.desk.reading.list(Wanted()).items
    assert (report.way.value, len(report.files)) == ("form", 1)
    assert report.id not in sent.text, "the reporter has the reference, the others the id"

    status = visitors.call("GET", f"/reports/{reference}")
    assert "passed your report on to the site" in status.text
    assert "Quimby" not in status.text
    french = visitors.call("GET", f"/reports/{reference}?lang=fr")
    assert "transmis votre signalement au site" in french.text
    followed = visitors.call("POST", "/reports/follow", data={"reference": f" {reference} "})
    assert "passed your report on" in followed.text
    desk.controller.triage.refuse(report.id, Denial.NO_ABUSE, "It is a bank.")
    told = visitors.call("GET", f"/reports/{reference}", headers={"accept": "application/json"}).json()
    assert told["told"]["stage"] == "refused"
    assert "It is a bank." in told["words"]
    assert any("Art. 21" in one for one in told["words"])
    wrong = visitors.call("POST", "/reports/follow", data={"reference": "x" * 32})
    assert wrong.status_code == 404
    assert visitors.call("GET", f"/reports/{'x' * 32}").status_code == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"urls": "https://other.example.net/"}, "not served here"),
        ({"urls": "forum"}, "no URL of a page"),
        ({"explanation": "Bad."}, "shorter than 20"),
        ({"good_faith": ""}, "is needed"),
        ({"email": ""}, "name and e-mail address are needed"),
        ({"email": "x"}, "email"),
        ({"category": "weather"}, "is meant"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written_is_lost(
    desk: Desk, visitors: Visitors, change: dict[str, str], words: str
) -> None:
    given = {**FORM, **change, "ticket": waited_ticket(desk, visitors)}
    page = visitors.send(**given)
    assert page.status_code == 400, page.text
    assert words in page.text
    assert given["explanation"] in page.text
    assert given["urls"] in page.text
    good = {**FORM, "ticket": given["ticket"]}
    assert visitors.send(**good).status_code == 201, "the same form, put right, is taken"


def test_a_form_is_not_whole_without_its_ticket_and_not_sent_from_elsewhere(
    desk: Desk, visitors: Visitors
) -> None:
    assert visitors.send(**FORM).status_code == 409
    ticket = waited_ticket(desk, visitors)
    assert visitors.send(**FORM, ticket=ticket).status_code == 201
    assert visitors.send(**FORM, ticket=ticket).status_code == 409
    headers = {"sec-fetch-site": "cross-site"}
    assert visitors.call("POST", "/reports", data=FORM, headers=headers).status_code == 403


def test_the_notice_as_json(desk: Desk, visitors: Visitors) -> None:
    file = {"name": "a.png", "media_type": "image/png", "content": base64.b64encode(b"png").decode()}
    sent = visitors.call("POST", "/reports", json={**NOTICE, "files": [file], "language": "fr"})
    assert sent.status_code == 201, sent.text
    receipt = sent.json()
    assert receipt["urls"] == [URL]
    assert "bonne foi" in receipt["good_faith"]
    told = visitors.call("GET", f"/reports/{receipt['reference']}", headers={"accept": "application/json"})
    assert told.json()["told"]["stage"] == "forwarded"
    assert receipt["status_url"].endswith(f"/reports/{receipt['reference']}")
    for change, field in (
        ({"good_faith": False}, "report.good_faith"),
        ({"urls": []}, "urls"),
        ({"urls": ["https://nobody.example.net/"]}, "urls"),
        ({"files": [{**file, "content": "?"}]}, "files.0.content"),
        ({"more": 1}, "more"),
    ):
        refused = visitors.call("POST", "/reports", json={**NOTICE, **change})
        assert (refused.status_code, refused.json()["field"]) == (400, field), refused.text
        assert "Jane" not in refused.text
    broken = visitors.call("POST", "/reports", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["message"]) == (400, "no JSON")


class TestFlood:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"per_source": 100, "in_all": 2, "per_target": 100}

    def test_programs_work_and_people_wait(self, desk: Desk, visitors: Visitors) -> None:
        for number in range(2):
            answer = visitors.call("POST", "/reports", json={**NOTICE, "urls": [f"{URL}/{number}"]})
            assert answer.status_code == 201
        flooded = visitors.call("POST", "/reports", json=NOTICE)
        assert flooded.status_code == 429
        assert int(flooded.headers["retry-after"]) > 0
        asked = flooded.json()
        work = next(f"{n:x}" for n in range(2**26) if proof.is_work(asked["ticket"], f"{n:x}", asked["bits"]))
        with_work = {**NOTICE, "ticket": asked["ticket"], "answer": work}
        assert visitors.call("POST", "/reports", json=with_work).status_code == 201

        ticket = visitors.ticket()
        desk.seconds[0] += 3
        given = {**FORM, "urls": f"{URL}/9", "ticket": ticket}
        page = visitors.send(**given)
        assert page.status_code == 429
        assert "please wait 20 seconds" in page.text
        assert f'value="{ticket}"' in page.text, "the form that waits is the one that is sent again"
        desk.seconds[0] += 20
        assert visitors.send(**given).status_code == 201


def test_owners_see_what_was_passed_on_answer_and_see_how_they_answer(desk: Desk, visitors: Visitors) -> None:
    report = desk.take(explanation=f"{WORDS} Signed, Jane Quimby").report
    held = desk.take(category="threats", contact={}).report
    secret = desk.controller.intents.tokens.create(OPERATOR, report.account_id, "laptop").value.secret
    assert visitors.call("GET", "/reports/own").status_code == 303
    visitors.sign_in(secret)
    listed = visitors.call("GET", "/reports/own")
    assert report.id in listed.text
    assert held.id not in listed.text
    page = visitors.call("GET", f"/reports/own/{report.id}")
    assert WORDS in page.text
    assert "stays unknown" in page.text
    assert "Quimby" not in page.text
    guard = re.search(r'name="guard" value="([^"]+)"', page.text)
    assert guard is not None
    said = {"kind": "removed", "text": "It is gone.", "guard": guard[1]}
    answer = visitors.call("POST", f"/reports/own/{report.id}/answer", data=said)
    assert answer.status_code == 303
    assert "It is gone." in visitors.call("GET", f"/reports/own/{report.id}").text
    assert "1 of 1 reports answered" in visitors.call("GET", "/reports/own").text
    forged = visitors.call("POST", f"/reports/own/{report.id}/answer", data={**said, "guard": "x"})
    assert forged.status_code == 409
    assert visitors.call("GET", f"/reports/own/{held.id}").status_code == 404
    assert visitors.call("GET", "/reports/waiting").status_code == 303, "that is for arbiters"

    reader = Grant(groups=(GROUPS_BY_SLUG["abuse:read"].id,), resources=(f"{ACCOUNT}.{report.account_id}",))
    less = desk.controller.intents.tokens.create(OPERATOR, report.account_id, "r", grants=[reader]).value
    visitors.sign_in(less.secret)
    assert "permission abuse:edit" in visitors.call("GET", f"/reports/own/{report.id}").text
    other = desk.controller.intents.accounts.create(OPERATOR, "another").value.id
    visitors.sign_in(desk.controller.intents.tokens.create(OPERATOR, other, "t").value.secret)
    assert visitors.call("GET", f"/reports/own/{report.id}").status_code == 404


def test_the_address_of_a_reporter_is_the_edges_word_only_from_this_machine() -> None:
    def seen(peer: str, *said: str) -> str | None:
        headers = [(b"x-forwarded-for", one.encode()) for one in said]
        return address_of(Request({"type": "http", "client": (peer, 1), "headers": headers}))

    assert seen("127.0.0.1", "192.0.2.7") == "192.0.2.7"
    assert seen("127.0.0.1") == "127.0.0.1"
    assert seen("198.51.100.4", "192.0.2.7") == "198.51.100.4"
    assert seen("127.0.0.1", "192.0.2.7", "192.0.2.8") == "127.0.0.1"
