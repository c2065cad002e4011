"""What is seen from outside, and what of it says that a remedy is in force."""

from __future__ import annotations

from typing import Any

import pytest

from rempart.controller.cases.probing import PageSeen, Seen, is_in_force, look, spellings
from rempart.lab.processes import free_port
from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.configuration import Configuration
from rempart.model.urls import canonical_path, canonical_query
from tests.governance.cast import HOST

EDGE = frozenset({"192.0.2.80"})
ELSEWHERE = frozenset({"203.0.113.7"})
CASE = "2026-abc"


def page(status: int, **fields: Any) -> PageSeen:
    return PageSeen("/", status, **fields)


def at_edge(*pages: PageSeen, country: str | None = None) -> Seen:
    return Seen(HOST, "NOERROR", EDGE, pages, country)


AT_EDGE = at_edge(page(200))
CHALLENGED = at_edge(page(503, challenged=True))
AT_ORIGIN = Seen(HOST, "NOERROR", ELSEWHERE, (page(421),))
HALF = Seen(HOST, "NOERROR", ELSEWHERE, (page(200),))
GONE = Seen(HOST, "NXDOMAIN", frozenset(), (page(421),))
DOWN = at_edge(page(503))
SILENT = Seen(HOST, None, frozenset())
MINE, OTHERS = page(451, cases=("x", CASE)), page(403, cases=("x",))
WARNED = page(403, cases=(CASE,), gone_on=True)
STUCK = page(403, cases=(CASE,), gone_on=False)


@pytest.mark.parametrize(
    ("remedy", "seen", "expected"),
    [
        (Remedy.CHALLENGE, CHALLENGED, True),
        (Remedy.CHALLENGE, AT_EDGE, False),
        (Remedy.CHALLENGE, DOWN, False),
        (Remedy.DROP_PROXY, AT_ORIGIN, True),
        (Remedy.DROP_PROXY, HALF, False),
        (Remedy.DROP_PROXY, AT_EDGE, False),
        (Remedy.DROP_PROXY, GONE, False),
        (Remedy.DROP_DNS, GONE, True),
        (Remedy.DROP_DNS, AT_ORIGIN, False),
        (Remedy.DROP_DNS, SILENT, None),
        (Remedy.CHALLENGE, SILENT, None),
        (Remedy.FORWARD, AT_EDGE, None),
    ],
)
def test_judged_by_what_visitors_see(remedy: Remedy, seen: Seen, expected: bool | None) -> None:
    assert is_in_force(Measure(remedy=remedy, target=Target(host=HOST)), CASE, seen, EDGE) is expected


@pytest.mark.parametrize(
    ("remedy", "seen", "expected"),
    [
        (Remedy.BLOCK_URL, at_edge(MINE, MINE), True),
        (Remedy.BLOCK_URL, at_edge(MINE, page(200)), None),  # a spelling leads around it
        (Remedy.BLOCK_URL, at_edge(page(200), page(200)), False),
        (Remedy.BLOCK_URL, at_edge(page(403), page(403)), False),  # the origin's own
        (Remedy.BLOCK_URL, at_edge(OTHERS), False),
        (Remedy.INTERSTITIAL, at_edge(WARNED, WARNED), True),
        (Remedy.INTERSTITIAL, at_edge(STUCK), False),  # a dead end
        (Remedy.INTERSTITIAL, at_edge(page(200)), False),
        (Remedy.INTERSTITIAL, SILENT, None),
    ],
)
def test_on_a_url(remedy: Remedy, seen: Seen, expected: bool | None) -> None:
    measure = Measure(remedy=remedy, target=Target(host=HOST, path="/a"))
    assert is_in_force(measure, CASE, seen, EDGE) is expected


@pytest.mark.parametrize(("country", "expected"), [("FR", True), ("DE", None), (None, None)])
def test_for_a_territory_only_from_within(country: str | None, expected: bool | None) -> None:
    measure = Measure(remedy=Remedy.BLOCK_URL, target=Target(host=HOST, path="/a"), territory=("FR", "LU"))
    assert is_in_force(measure, CASE, at_edge(MINE, country=country), EDGE) is expected


@pytest.mark.parametrize("path", ["/a/b", "/thread/7", "/v.php?t=5", "/", "/%41", "/%C3%A9t%C3%A9"])
def test_all_spellings_are_of_one_page(path: str) -> None:
    asked = spellings(path)
    plain, _, query = path.partition("?")
    assert len(asked) >= 5
    assert asked[0] == path
    assert {canonical_path(one.partition("?")[0]) for one in asked} == {canonical_path(plain)}
    assert all(set(canonical_query(query)) <= set(canonical_query(one.partition("?")[2])) for one in asked)


def test_no_address_is_in_what_is_recorded() -> None:
    for one in (AT_EDGE, AT_ORIGIN, HALF, GONE, SILENT):
        assert not any(address in one.in_words(EDGE) for address in (*EDGE, "203.0.113.7"))


def test_where_nobody_answers_nothing_is_seen(tmp_path: object) -> None:
    configuration = Configuration.model_validate(
        {
            "state": str(tmp_path),
            "edge": {"listen": ["127.0.0.1"], "https_port": free_port()},
            "dns": {"listen": ["127.0.0.1"], "port": free_port()},
        }
    )
    assert look(configuration, HOST, ()) == SILENT
