"""Visitors pass a challenge by what stands on its page, each kind in its own way."""

from __future__ import annotations

import asyncio
import hashlib

from rempart.lab.clients.answers import Answer
from rempart.lab.origins.contract import mark
from rempart.lab.visitors.browsing import judge
from rempart.lab.visitors.challenges import Proof, Wait, recognise, solve
from rempart.lab.visitors.contract import Fetch, Kind, Outcome, Truth
from rempart.lab.visitors.truth import line, parsed

PAGE = """<!doctype html><p>One moment.</p>
<div id="gate" hidden data-method="GET" data-nonce="00aa-11bb" data-proof="1.proof.x" data-wait="1.wait.x"
 data-bits="10" data-proof-seconds="3" data-wait-seconds="5"><p id="state">x</p></div>
<noscript><form action="/.rempart/gate/pass" method="get">
<input type="hidden" name="c" value="1.wait.x">
<input type="hidden" name="to" value="/a%20b?c&amp;d">
<button>Go on</button></form></noscript>"""


def answer(status: int = 503, page: str = PAGE) -> Answer:
    lines = (("content-type", "text/html; charset=utf-8"), ("retry-after", "6"))
    return Answer(status, lines, page.encode())


def test_a_browser_proves_and_one_without_scripts_waits() -> None:
    assert recognise(answer(), Kind.BROWSER) == Proof("00aa-11bb", 10, "1.proof.x")
    task = recognise(answer(), Kind.NO_JAVASCRIPT)
    assert task == Wait(6, "/.rempart/gate/pass?c=1.wait.x&to=%2Fa%2520b%3Fc%26d")


def test_programs_can_do_neither() -> None:
    for kind in (Kind.API_CLIENT, Kind.FEED_READER, Kind.CRAWLER):
        assert recognise(answer(), kind) is None
        assert judge(answer(), Fetch("/"), "secret") is Outcome.DEAD_END


def test_a_faulty_page_is_no_challenge() -> None:
    assert recognise(answer(page="<h1>503 Service Unavailable</h1>"), Kind.BROWSER) is None
    assert judge(answer(page="<h1>503</h1>"), Fetch("/"), "secret") is Outcome.FAILED


def test_the_number_that_is_found_proves() -> None:
    number = asyncio.run(solve(Proof("00aa-11bb", 10, "")))
    assert hashlib.sha256(f"00aa-11bb:{number}".encode()).digest()[0] == 0
    assert hashlib.sha256(f"00aa-11bb:{number}".encode()).digest()[1] < 64


def test_only_the_right_page_counts_as_served() -> None:
    def got(path: str, status: int = 200, body: str = "") -> Answer:
        return Answer(status, (("content-type", "text/html"),), mark("secret", path, body).encode())

    assert judge(got("/a"), Fetch("/a"), "secret") is Outcome.SERVED
    assert judge(got("/b"), Fetch("/a"), "secret") is Outcome.WRONG
    assert judge(got("/a"), Fetch("/a"), "other") is Outcome.WRONG
    assert judge(got("/a", 429), Fetch("/a"), "secret") is Outcome.REFUSED
    assert judge(got("/a", 502), Fetch("/a"), "secret") is Outcome.FAILED
    # What was posted has to have arrived, not only the page asked for.
    assert judge(got("/c"), Fetch("/c", "POST", "text=hello"), "secret") is Outcome.WRONG
    assert judge(got("/c", body="text=hello"), Fetch("/c", "POST", "text=hello"), "secret") is Outcome.SERVED


def test_a_truth_survives_its_line_and_half_a_line_is_none() -> None:
    truth = Truth(1.5, 2.25, 7, Kind.CRAWLER, "2001:db8::1", "GET", "/a?b", Outcome.REFUSED, 429, 1)
    assert parsed(line(truth)) == truth
    assert parsed(line(truth).rstrip("\n")) is None
