"""Signing in: arbiters by their key, owners by a token; what ends a session; what is refused before."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest

from rempart.controller.console.sessions import COOKIE, IDLE, LONGEST
from rempart.controller.intents import OPERATOR
from rempart.governance.charter import Retired
from tests.controller.cases.conftest import consented
from tests.controller.console.conftest import House, Visitor, bring, enter, fields_of
from tests.governance.cast import key_of


def _statement(visitor: Visitor, name: str) -> tuple[dict[str, str], bytes]:
    fields = fields_of(visitor.get(f"/sign-in/arbiter?arbiter={name}&to=/docket").text, "/sign-in/arbiter")
    asked = {"statement": fields["statement"], "seal": fields["seal"]}
    return fields, visitor.get("/sign-in/statement", params=asked).content


def _signature(name: str, content: bytes) -> str:
    return base64.b64encode(key_of(name).sign(content)).decode()


def test_an_arbiter_signs_in_with_a_signature_as_text_or_file(house: House) -> None:
    for as_file in (False, True):
        visitor = house.visitor()
        fields, content = _statement(visitor, "ada")
        assert content.startswith(b"rempart console sign-in v1\n")
        assert b"https://localhost" in content
        files: dict[str, Any] = {}
        if as_file:
            files["signature_file"] = ("sign-in.sig", key_of("ada").sign(content))
        else:
            fields["signature"] = _signature("ada", content)
        answer = visitor.post("/sign-in/arbiter", fields, files=files or None)
        assert (answer.status_code, answer.headers["location"]) == (303, "/docket")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        for attribute in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
            assert attribute in cookie
        assert "Domain" not in cookie
        page = visitor.get("/docket")
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert "Ada, arbiter" in page.text


def test_no_other_signature_signs_in(house: House) -> None:
    visitor = house.visitor()
    fields, content = _statement(visitor, "ada")
    cases = [
        ("", 400),
        ("x", 400),
        (_signature("ben", content), 400),
        (_signature("ada", content + b" "), 400),
        (base64.b64encode(bytes(64)).decode(), 400),
    ]
    for signature, status in cases:
        answer = visitor.post("/sign-in/arbiter", fields | {"signature": signature})
        assert answer.status_code == status
        assert COOKIE not in visitor.cookies
    good = fields | {"signature": _signature("ada", content)}
    assert visitor.post("/sign-in/arbiter", good | {"seal": "0" * 64}).status_code == 400
    other = base64.urlsafe_b64encode(b'{"arbiter":"ada"}').decode()
    assert visitor.post("/sign-in/arbiter", good | {"statement": other}).status_code == 400
    # Signed for another console.
    elsewhere = visitor.post("/sign-in/arbiter", good, headers={"host": "console.example.net"})
    assert elsewhere.status_code == 409
    assert visitor.post("/sign-in/arbiter", good).status_code == 303
    # Once only.
    assert house.visitor().post("/sign-in/arbiter", good).status_code == 409
    fields, content = _statement(visitor, "ada")
    house.clock.forward(601)
    late = fields | {"signature": _signature("ada", content)}
    assert house.visitor().post("/sign-in/arbiter", late).status_code == 409


def test_an_owner_signs_in_with_a_token_that_is_taken(house: House) -> None:
    visitor = house.visitor()
    for wrong in ("", "rp_" + "x" * 43, house.token[:-1], "x" * 10_000):
        assert visitor.post("/sign-in/owner", {"token": wrong}).status_code in (400, 403)
        assert COOKIE not in visitor.cookies
    answer = visitor.post("/sign-in/owner", {"token": f" {house.token}\n", "to": "//evil.example/x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases")
    assert visitor.get("/cases").status_code == 200
    assert house.token not in visitor.get("/cases").text


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1", "/\n"]
)
def test_nobody_is_led_elsewhere(house: House, to: str) -> None:
    answer = house.visitor().post("/sign-in/owner", {"token": house.token, "to": to})
    assert answer.headers["location"] == "/cases"


def test_each_role_has_its_own_rooms(house: House) -> None:
    stranger, owner, arbiter = house.visitor(), enter(house), enter(house, "ada")
    for visitor, path, to in (
        (stranger, "/docket", "/sign-in/arbiter?to=/docket"),
        (stranger, "/cases", "/sign-in/owner?to=/cases"),
        (owner, "/docket", "/sign-in/arbiter?to=/docket"),
        (arbiter, "/cases", "/sign-in/owner?to=/cases"),
    ):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, to)


def test_a_session_ends_by_time_by_signing_out_and_with_what_it_rests_on(house: House) -> None:
    def is_in(visitor: Visitor, path: str = "/docket") -> bool:
        return visitor.get(path).status_code == 200

    idle = enter(house, "ada")
    house.clock.now += IDLE + timedelta(seconds=1)
    assert not is_in(idle)
    busy = enter(house, "ada")
    for _ in range(int(LONGEST / IDLE) * 2):
        house.clock.now += IDLE / 2
        assert is_in(busy)
    house.clock.now += timedelta(seconds=1)
    assert not is_in(busy)

    left = enter(house, "ada")
    copied = left.cookies[COOKIE]
    assert left.post("/sign-out", {"guard": "wrong"}).status_code == 409
    assert is_in(left)
    guard = fields_of(left.get("/docket").text, "/sign-out")["guard"]
    assert left.post("/sign-out", {"guard": guard}).status_code == 303
    assert not is_in(left)
    left.cookies.set(COOKIE, copied, domain="localhost")
    assert not is_in(left), "what was copied is of no use either"

    retired = enter(house, "finn")
    assert is_in(retired)
    house.court.docket.charter.amend(consented(house.court.docket, Retired(arbiter="finn"), "finn"))
    assert not is_in(retired)

    owner = enter(house)
    token = house.controller.intents.tokens.find(house.token)
    assert token is not None
    house.controller.intents.tokens.roll(OPERATOR, token.id)
    assert not is_in(owner, "/cases")


def test_a_form_of_another_site_or_session_is_refused(house: House) -> None:
    case = house.court.to_notified()
    owner = enter(house)
    path = f"/cases/{case.id}/answer"
    guard = fields_of(owner.get(f"/cases/{case.id}").text, path)["guard"]
    good = {"guard": guard, "text": "It was satire."}
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://localhost:444"},
    ):
        assert owner.post(path, good, headers=headers).status_code == 403
    assert owner.post(path, good | {"guard": ""}).status_code in (400, 409)
    other = enter(house)
    foreign = fields_of(other.get(f"/cases/{case.id}").text, path)["guard"]
    assert owner.post(path, good | {"guard": foreign}).status_code == 409
    assert not house.court.docket.get(case.id).answered
    assert owner.post(path, good, headers={"origin": "https://localhost"}).status_code == 303
    assert house.court.docket.get(case.id).answered


def test_bodies_have_a_bound_and_a_length(house: House) -> None:
    visitor = house.visitor()
    assert visitor.post("/sign-in/owner", {"token": "x" * 300_000}).status_code == 413
    chunked = visitor.call("POST", "/sign-in/owner", content=iter_bytes())
    assert chunked.status_code == 411


async def iter_bytes() -> Any:
    yield b"token=x"


def test_every_answer_says_what_browsers_must_not_do(house: House) -> None:
    visitor = house.visitor()
    for path in (
        "/",
        "/nothing",
        "/sign-in/owner",
        "/decisions.atom",
        "/docket",
        "/log/entries/0",
        "/tlog/checkpoint",
    ):
        headers = visitor.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'"), path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    assert visitor.call("DELETE", "/decisions").status_code == 405


def test_languages_are_chosen_by_the_browser_and_by_hand(house: House) -> None:
    visitor = house.visitor(**{"accept-language": "fr-CH,fr;q=0.9"})
    page = visitor.get("/decisions")
    assert '<html lang="fr">' in page.text
    assert page.headers["content-language"] == "fr"
    assert "Accept-Language" in page.headers["vary"]
    assert '<html lang="en">' in visitor.get("/decisions?lang=en").text
    assert '<html lang="en">' in visitor.get("/arbiters").text
    assert '<html lang="fr">' in visitor.get("/nothing?lang=fr").text
    assert '<html lang="fr">' in visitor.get("/decisions?lang=xx").text, "what there is not changes nothing"
    assert re.search(r'href="\?lang=en"', page.text)


def test_what_is_brought_for_an_arbiter_is_theirs_alone(house: House) -> None:
    case = house.court.open()
    ada, ben = enter(house, "ada"), enter(house, "ben")
    page = ada.get(f"/docket/{case.id}").text
    fields = fields_of(page, f"/docket/{case.id}/statement") | {
        "act": "recuse",
        "conflict": "A friend runs it.",
    }
    sign = ada.post(f"/docket/{case.id}/statement", fields).text
    unsigned = fields_of(sign, f"/docket/{case.id}/submit")["unsigned"]
    theirs = fields_of(ben.get(f"/docket/{case.id}").text, f"/docket/{case.id}/submit")
    assert bring(ben, case.id, theirs | {"unsigned": unsigned}, "ada").status_code == 400
    assert house.court.docket.get(case.id).recused == ()
