"""What visitors are: a population, the visits planned from it, and the truth of each request.

    Population ──behaviours.plan(seed)──► Visit, Visit, …  ──browsing──► Truth, Truth, …

A plan is pure and seeded: every contender of a drill gets the same visits at the same moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from rempart.lab.attacks.contract import Target
from rempart.lab.network.addressing import Prefixes
from rempart.lab.origins.contract import SiteMap
from rempart.model.base import Value


class Kind(StrEnum):
    """Who visits."""

    BROWSER = "browser"
    """A person with a browser that runs JavaScript and keeps cookies."""
    NO_JAVASCRIPT = "no-javascript"
    """A person whose browser runs no scripts; keeps cookies."""
    FEED_READER = "feed reader"
    API_CLIENT = "API client"
    CRAWLER = "crawler"
    """A search engine's, by its name; keeps no cookies, asks robots.txt first."""
    RESOLVER = "resolver"
    """Asks our name server for the site's addresses; no visitor of pages."""


class Population(Value):
    """Who comes, and how often. Shares of ``visits_per_second``; what they leave are plain browsers."""

    visits_per_second: float = Field(default=6.0, ge=0)
    """Arrivals are Poisson."""
    dns_queries_per_second: float = Field(default=0.0, ge=0)
    """Questions of resolvers; only in drills whose contenders all answer DNS."""
    pages_per_visit: float = Field(default=3.0, ge=1)
    """Mean; geometric, so most visits are short and some are long."""
    think_s: float = Field(default=1.5, gt=0)
    """Median time between pages; log-normal."""
    search_share: float = Field(default=0.1, ge=0, le=1)
    """Share of browsers' pages that are a search."""
    form_share: float = Field(default=0.05, ge=0, le=1)
    """Share of browsers' visits that end by sending a form."""
    http1_share: float = Field(default=0.3, ge=0, le=1)
    v6_share: float = Field(default=0.3, ge=0, le=1)
    no_javascript: float = Field(default=0.05, ge=0, le=1)
    carrier_nat: float = Field(default=0.2, ge=0, le=1)
    """Share of visits behind one of a few shared addresses."""
    carrier_nat_addresses: int = Field(default=2, ge=1)
    roaming: float = Field(default=0.05, ge=0, le=1)
    """Share of visits whose address changes after every page."""
    feed_readers: float = Field(default=0.08, ge=0, le=1)
    api_clients: float = Field(default=0.04, ge=0, le=1)
    crawlers: float = Field(default=0.03, ge=0, le=1)


class Crowd(Value):
    """Readers who come all at once because somebody linked to a page."""

    times: float = Field(gt=1)
    """All together so many times as many visits as else."""
    begins_s: float
    """After the visitors' start."""
    ends_s: float
    page: str
    """Where most of them come in."""
    page_share: float = Field(default=0.8, ge=0, le=1)


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request of a step. The first of a step is the page, the rest its assets, asked for together."""

    path: str
    method: str = "GET"
    body: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A page and what belongs to it, ``think_s`` after the one before was there."""

    think_s: float
    address: str
    """Where the visitor is now; a new address means new connections."""
    fetches: tuple[Fetch, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """One visitor's visit."""

    number: int
    begins_s: float
    """After the visitors' start."""
    kind: Kind
    http2: bool
    user_agent: str
    keeps_cookies: bool
    authorization: str
    """Value of the header, or none sent when empty."""
    steps: tuple[Step, ...]


class Outcome(StrEnum):
    """What became of one request, as its visitor saw it."""

    SERVED = "served"
    """The right content, checked by its mark."""
    WRONG = "wrong"
    """A success, but not with the right content."""
    REFUSED = "refused"
    """Told to go away: 4xx, or the connection was refused or reset before an answer."""
    DEAD_END = "dead end"
    """Challenged, and nothing this visitor can do passes it."""
    FAILED = "failed"
    """5xx, a time-out, or a connection that broke."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One request's truth. One line of ``TRUTH_FILE``, tab-separated in this order."""

    intended: float
    """CLOCK_MONOTONIC at which the visitor wanted it. Latency counts from here, so a slow client hides
    nothing."""
    ended: float
    visit: int
    kind: Kind
    address: str
    method: str
    path: str
    outcome: Outcome
    status: int
    """Of the last answer, 0 when there was none."""
    challenges: int
    """How many challenges were met on the way to the outcome."""

    @property
    def latency(self) -> float:
        return self.ended - self.intended


TRUTH_FILE = "truth.tsv"
LAG_FILE = "lag.tsv"
"""How late the visitors' own clock ran (CLOCK_MONOTONIC, seconds late), ten times a second: when it is late
the lab was too small for the drill and says so."""


class VisitorsOrder(Value):
    """What the visitors' process is given, as a JSON file."""

    population: Population
    addresses: Prefixes
    site: SiteMap
    target: Target
    secret: str
    """Key of the origin's marks."""
    authority: Path
    """PEM of the authority whose certificate the edge must show."""
    begin_at: float
    """CLOCK_MONOTONIC of the first possible arrival."""
    seconds: float
    """How long visits begin; those under way are then cut off."""
    crowd: Crowd | None = None
    patience_s: float = 5.0
    """After so long without an answer a visitor gives up."""
    seed: int
    folder: Path
