"""Plans the visits of a population. Pure: the same seed gives the same visits, whoever protects the site."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator

from rempart.lab.network.addressing import Prefixes, pick_v4, pick_v6
from rempart.lab.origins.contract import Page, SiteMap
from rempart.lab.visitors.contract import Crowd, Fetch, Kind, Population, Step, Visit

_CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 {}Safari/537.36"
BROWSERS = (
    _CHROME.format("Windows NT 10.0; Win64; x64", 138, ""),
    _CHROME.format("Windows NT 10.0; Win64; x64", 137, ""),
    _CHROME.format("Linux; Android 10; K", 138, "Mobile "),
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.5 Mobile/15E148 Safari/604.1",
)
WITHOUT_SCRIPTS = (
    "Lynx/2.9.0dev.10 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.7.8",
    "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0",
)
READER = "Tiny Tiny RSS/24.06 (https://tt-rss.org/)"
PROGRAM = "python-requests/2.32.3"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
WORDS = ("chair", "lamp", "table", "rug", "mug", "shelf", "blue", "oak", "small", "garden", "wool", "tea")
PAGES_MOST = 20
CROWD = 1_000_000
"""A crowd's visits are numbered from here."""


def plan(
    population: Population,
    site: SiteMap,
    addresses: Prefixes,
    *,
    seed: int,
    seconds: float,
    crowd: Crowd | None = None,
) -> Iterator[Visit]:
    """The visits that begin within ``seconds``, in the order of their beginning. A crowd comes besides
    those who come anyway."""
    usual = _usual(population, site, addresses, seed=seed, seconds=seconds)
    if crowd is None:
        return usual
    come = _crowd(crowd, population, site, addresses, seed=seed)
    return heapq.merge(usual, come, key=lambda visit: visit.begins_s)


def _crowd(
    crowd: Crowd, population: Population, site: SiteMap, addresses: Prefixes, *, seed: int
) -> Iterator[Visit]:
    """People with browsers, like the others, most of whom come in by one page."""
    people = population.model_copy(update={"feed_readers": 0.0, "api_clients": 0.0, "crawlers": 0.0})
    chosen = random.Random(f"crowd {seed}")
    shared = [pick_v4(_others(addresses).v4, chosen) for _ in range(population.carrier_nat_addresses)]
    page = next(one for one in site.pages if one.path == crowd.page)
    rate = (crowd.times - 1) * population.visits_per_second
    moment, number = crowd.begins_s, CROWD
    while rate > 0 and (moment := moment + chosen.expovariate(rate)) < crowd.ends_s:
        landing = page if chosen.random() < crowd.page_share else None
        yield _visit(number, moment, people, site, addresses, shared, chosen, landing)
        number += 1


def _usual(
    population: Population, site: SiteMap, addresses: Prefixes, *, seed: int, seconds: float
) -> Iterator[Visit]:
    chosen = random.Random(f"visits {seed}")
    shared = [pick_v4(_others(addresses).v4, chosen) for _ in range(population.carrier_nat_addresses)]
    moment, number = 0.0, 0
    if population.visits_per_second == 0:
        return
    while (moment := moment + chosen.expovariate(population.visits_per_second)) < seconds:
        yield _visit(number, moment, population, site, addresses, shared, chosen)
        number += 1


def crawlers(addresses: Prefixes) -> str:
    """The network of the crawlers, which a search engine publishes (as Google does in ``googlebot.json``) so
    that owners can let it pass. Nobody else is there, unless the visitors have no other."""
    return addresses.v4[-1]


def _others(addresses: Prefixes) -> Prefixes:
    return Prefixes(v4=addresses.v4[:-1] or addresses.v4, v6=addresses.v6)


def _visit(
    number: int,
    begins: float,
    population: Population,
    site: SiteMap,
    addresses: Prefixes,
    shared: list[str],
    chosen: random.Random,
    landing: Page | None = None,
) -> Visit:
    """``landing``: where a person comes in, if not anywhere."""
    kind = _kind(population, chosen)
    people = _others(addresses)
    address = _address(population, people, chosen)
    if kind is Kind.FEED_READER:
        steps: tuple[Step, ...] = (Step(0.0, address, (Fetch(chosen.choice(site.feeds)),)),)
        return Visit(number, begins, kind, False, READER, False, "", steps)
    if kind is Kind.API_CLIENT:
        calls = [Fetch(chosen.choice(site.api)) for _ in range(chosen.randrange(3, 9))]
        steps = tuple(Step(0.0 if n == 0 else 0.3, address, (call,)) for n, call in enumerate(calls))
        token = f"Bearer {chosen.getrandbits(128):032x}"
        return Visit(number, begins, kind, False, PROGRAM, False, token, steps)
    if kind is Kind.CRAWLER:
        address = pick_v4((crawlers(addresses),), chosen)
        found = [
            Fetch("/robots.txt"),
            *(Fetch(_page(site, chosen).path) for _ in range(chosen.randrange(4, 9))),
        ]
        steps = tuple(Step(0.0 if n == 0 else 0.7, address, (fetch,)) for n, fetch in enumerate(found))
        return Visit(number, begins, kind, chosen.random() < 0.5, CRAWLER, False, "", steps)
    if chosen.random() < population.carrier_nat:
        address = chosen.choice(shared)
    roams = chosen.random() < population.roaming
    agents = WITHOUT_SCRIPTS if kind is Kind.NO_JAVASCRIPT else BROWSERS
    steps = tuple(_pages(population, site, people, address, roams, chosen, landing))
    http2 = chosen.random() >= population.http1_share
    return Visit(number, begins, kind, http2, chosen.choice(agents), True, "", steps)


def _kind(population: Population, chosen: random.Random) -> Kind:
    draw = chosen.random()
    for kind, share in (
        (Kind.FEED_READER, population.feed_readers),
        (Kind.API_CLIENT, population.api_clients),
        (Kind.CRAWLER, population.crawlers),
        (Kind.NO_JAVASCRIPT, population.no_javascript),
    ):
        if draw < share:
            return kind
        draw -= share
    return Kind.BROWSER


def _address(population: Population, addresses: Prefixes, chosen: random.Random) -> str:
    if chosen.random() < population.v6_share:
        return pick_v6(addresses.v6, chosen)
    return pick_v4(addresses.v4, chosen)


def _pages(
    population: Population,
    site: SiteMap,
    addresses: Prefixes,
    address: str,
    roams: bool,
    chosen: random.Random,
    landing: Page | None,
) -> Iterator[Step]:
    """The pages of one person. What a browser has fetched it keeps until the visit's end."""
    cached: set[str] = set()
    goes_on = 1 - 1 / population.pages_per_visit
    think = 0.0
    for count in range(PAGES_MOST):
        if count and chosen.random() >= goes_on:
            break
        if count:
            think = population.think_s * math.exp(chosen.gauss(0, 0.5))
            if roams:
                address = _address(population, addresses, chosen)
        if not count and landing is not None:
            page = landing
        elif count and chosen.random() < population.search_share:
            page = Page(path=chosen.choice(site.searches).format("+".join(chosen.sample(WORDS, 2))))
        else:
            page = _page(site, chosen)
        assets = [asset for asset in page.assets if asset not in cached]
        cached.update(assets)
        yield Step(think, address, (Fetch(page.path), *(Fetch(asset) for asset in assets)))
    if site.forms and chosen.random() < population.form_share:
        body = f"text=I+like+the+{chosen.choice(WORDS)}"
        think = population.think_s * math.exp(chosen.gauss(0, 0.5))
        yield Step(think, address, (Fetch(chosen.choice(site.forms), "POST", body),))


def _page(site: SiteMap, chosen: random.Random) -> Page:
    return chosen.choices(site.pages, weights=[page.weight for page in site.pages])[0]


def headers(visit: Visit, fetch: Fetch, *, first: bool, cookies: dict[str, str]) -> list[tuple[str, str]]:
    """What a visitor's program sends with a request, in its order. ``first``: the page itself, not an
    asset."""
    lines = [("User-Agent", visit.user_agent)]
    if visit.kind in (Kind.BROWSER, Kind.NO_JAVASCRIPT):
        wanted = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" if first else "*/*"
        lines += [("Accept", wanted), ("Accept-Encoding", "identity"), ("Accept-Language", "en-US,en;q=0.7")]
        if first:
            lines.append(("Upgrade-Insecure-Requests", "1"))
    else:
        lines += [("Accept", "*/*"), ("Accept-Encoding", "identity")]
    if visit.authorization:
        lines.append(("Authorization", visit.authorization))
    if fetch.body:
        lines.append(("Content-Type", "application/x-www-form-urlencoded"))
    if cookies:
        lines.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
    return lines
