"""Planned visits: the same for the same seed, and as the population says."""

from __future__ import annotations

import ipaddress
from collections import Counter

import pytest

from rempart.lab.network.addressing import addressing
from rempart.lab.origins.shop import SITE
from rempart.lab.visitors.behaviours import crawlers, headers, plan
from rempart.lab.visitors.contract import Crowd, Fetch, Kind, Population, Visit

ADDRESSES = addressing(1, visitor_networks=32, bot_networks=64, neighbours=0.25).visitors


def visits(population: Population | None = None, *, seed: int = 1, seconds: float = 300.0) -> list[Visit]:
    return list(plan(population or Population(), SITE, ADDRESSES, seed=seed, seconds=seconds))


def test_the_same_seed_gives_the_same_visits() -> None:
    assert visits() == visits()
    assert visits(seed=2) != visits()


def test_arrivals_come_at_the_rate_and_in_order() -> None:
    found = visits(Population(visits_per_second=20))
    assert 5_500 < len(found) < 6_500
    assert [visit.begins_s for visit in found] == sorted(visit.begins_s for visit in found)


def test_kinds_come_in_their_shares() -> None:
    found = visits(Population(visits_per_second=20, crawlers=0.1, feed_readers=0.2))
    kinds = Counter(visit.kind for visit in found)
    assert kinds[Kind.CRAWLER] / len(found) == pytest.approx(0.1, abs=0.02)
    assert kinds[Kind.FEED_READER] / len(found) == pytest.approx(0.2, abs=0.02)
    assert kinds[Kind.BROWSER] > kinds[Kind.NO_JAVASCRIPT] > 0


def test_every_address_is_a_visitors() -> None:
    for visit in visits():
        assert all(ADDRESSES.holds(step.address) for step in visit.steps)


def test_crawlers_alone_come_from_the_network_that_is_published() -> None:
    published = ipaddress.ip_network(crawlers(ADDRESSES))
    found = visits(Population(visits_per_second=20, crawlers=0.1))
    for visit in found:
        inside = {ipaddress.ip_address(step.address) in published for step in visit.steps}
        assert inside == {visit.kind is Kind.CRAWLER}


def test_a_share_is_behind_a_few_addresses_and_a_share_moves() -> None:
    found = visits(Population(carrier_nat=0.5, carrier_nat_addresses=2, roaming=0.2, visits_per_second=20))
    people = [visit for visit in found if visit.kind in (Kind.BROWSER, Kind.NO_JAVASCRIPT)]
    most = Counter(visit.steps[0].address for visit in people).most_common(2)
    assert sum(count for _, count in most) / len(people) == pytest.approx(0.5, abs=0.05)
    assert any(len({step.address for step in visit.steps}) > 1 for visit in people)


def test_what_was_fetched_is_not_fetched_again() -> None:
    for visit in visits():
        if visit.kind is Kind.BROWSER:
            assets = [fetch.path for step in visit.steps for fetch in step.fetches[1:]]
            assert len(assets) == len(set(assets))


def test_credentials_and_cookies_are_sent_by_those_who_have_them() -> None:
    found = visits()
    api = next(visit for visit in found if visit.kind is Kind.API_CLIENT)
    sent = dict(headers(api, Fetch("/api/stock/1"), first=True, cookies={}))
    assert sent["Authorization"].startswith("Bearer ")
    assert "Cookie" not in sent
    person = next(visit for visit in found if visit.kind is Kind.BROWSER)
    assert dict(headers(person, Fetch("/"), first=True, cookies={"a": "1", "b": "2"}))["Cookie"] == "a=1; b=2"


def test_a_crowd_comes_besides_those_who_come_anyway() -> None:
    population = Population(visits_per_second=2)
    crowd = Crowd(times=20, begins_s=50, ends_s=150, page=SITE.pages[-1].path)
    found = list(plan(population, SITE, ADDRESSES, seed=1, seconds=300, crowd=crowd))
    assert [visit.begins_s for visit in found] == sorted(visit.begins_s for visit in found)
    assert len({visit.number for visit in found}) == len(found)
    usual = visits(population)
    came = [visit for visit in found if visit not in usual]
    assert len(came) == len(found) - len(usual)
    assert all(50 <= visit.begins_s < 150 for visit in came)
    assert 3_500 < len(came) < 4_100
    assert {visit.kind for visit in came} == {Kind.BROWSER, Kind.NO_JAVASCRIPT}
    landed = sum(visit.steps[0].fetches[0].path == crowd.page for visit in came)
    assert landed / len(came) == pytest.approx(0.8, abs=0.05)
