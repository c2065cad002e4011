"""The gate's answers: cookies, where visitors are sent, and never anywhere else."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.gate import challenge
from rempart.gate.replay import ReplayMemory
from rempart.gate.replies import Reply, Request, reply
from rempart.model.gate import COOKIE, GATE_PATH, GateKey, GateKeys, Rung

NOW = 1_800_000_000
KEY = GateKey(kid="one", secret="11" * 32, created=NOW)
KEYS = GateKeys(keys=(KEY,))
NONCE = "0f2aaa23-e0d4-4701-9a7c-f530966dae0e"
WAITED = challenge.sign(challenge.issue("a.test", Rung.WAIT, 5, NONCE, NOW), KEY)


def ask(
    method: str, what: str, *, now: float = NOW + 6, replays: ReplayMemory | None = None, **headers: str
) -> Reply:
    path, _, query = what.partition("?")
    body = ""
    if method == "POST":
        query, body = "", query
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"host": "A.test:8443", "x-forwarded-proto": "https", "x-request-id": "id-1", **named}
    request = Request(method, GATE_PATH + path, query, fields, body)
    memory = ReplayMemory(NOW) if replays is None else replays
    return reply(request, KEYS, memory, now, b"r" * 16)


def header(answer: Reply, name: str) -> str:
    return next((value for key, value in answer.headers if key == name), "")


def test_the_plain_way_ends_where_the_visitor_wanted_to_go() -> None:
    replays = ReplayMemory(NOW)
    wanted = quote("//x/%D0%B6?a=1&b=2", safe="")
    passed = ask("GET", f"pass?c={WAITED}&to={wanted}", replays=replays)
    assert passed.status == 303
    cookie = header(passed, "Set-Cookie")
    for attribute in ("; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    enter = urlsplit(header(passed, "Location"))
    assert enter.netloc == "A.test:8443"
    entered = ask("GET", f"enter?{enter.query}", cookie=f"a=b; {cookie.partition(';')[0]}")
    assert entered.status == 303
    assert header(entered, "Location") == "https://A.test:8443//x/%D0%B6?a=1&b=2"
    # Once more: the wanted page opens, with the cookie that is there.
    again = ask("GET", f"pass?c={WAITED}&to={wanted}", replays=replays)
    assert header(again, "Location") == "https://A.test:8443//x/%D0%B6?a=1&b=2"
    assert not header(again, "Set-Cookie")


def test_without_a_cookie_it_says_so_instead_of_going_round() -> None:
    answer = ask("GET", "enter?to=%2F", accept_language="fr-CH, fr;q=0.9, en;q=0.8")
    assert answer.status == 403
    assert 'lang="fr"' in answer.body
    assert "cookie" in answer.body
    assert "id-1" in answer.body
    assert ask("GET", "check").status == 403


def test_too_early_is_told_and_mended_by_waiting() -> None:
    answer = ask("GET", f"pass?c={WAITED}&to=%2Fx", now=NOW + 1, accept_language="ar")
    assert answer.status == 503
    assert header(answer, "Retry-After") == "5"
    assert 'dir="rtl"' in answer.body
    assert f'href="{GATE_PATH}pass?c=' in answer.body
    assert ask("POST", f"pass?c={WAITED}", now=NOW + 1).status == 425


@pytest.mark.parametrize("languages", ["", "xx", "fr;q=0", "fr;q=x", "*", ",,;=,", "en" * 10_000])
def test_odd_languages_get_the_first_one(languages: str) -> None:
    assert 'lang="en"' in ask("GET", "enter", accept_language=languages).body


@given(st.text(max_size=80))
def test_nobody_is_sent_to_another_host(wanted: str) -> None:
    for text in (wanted, f"/{wanted}", f"//{wanted}", f"\\{wanted}", quote(f"/{wanted}", safe="")):
        answer = ask("GET", f"pass?c=bogus&to={quote(text, safe='')}")
        where = header(answer, "Location")
        assert answer.status == 303
        assert where.startswith("https://A.test:8443/")
        assert "\r" not in where
        assert "\n" not in where
        assert urlsplit(where).netloc == "A.test:8443"


def test_the_wanted_page_is_never_the_gate() -> None:
    answer = ask("GET", f"pass?c=x&to={quote(GATE_PATH + 'enter', safe='')}")
    assert header(answer, "Location") == "https://A.test:8443/"


@given(st.text(max_size=200))
def test_any_form_gets_an_answer(text: str) -> None:
    assert ask("POST", f"pass?{text}").status in (400, 403)
    assert ask("GET", f"pass?{text}").status in (303, 400)


def test_many_cookies_and_fields_are_bounded() -> None:
    cookies = "; ".join(f"{COOKIE}=x{n}" for n in range(5_000))
    assert ask("GET", "check", cookie=cookies).status == 403
    assert ask("POST", "pass?" + "&".join(f"c={n}" for n in range(100))).status == 400


def test_other_paths_and_methods_are_not_there() -> None:
    for method, path in (("GET", ""), ("PUT", "pass"), ("GET", "pass/x"), ("POST", "enter")):
        assert ask(method, path).status == 404
