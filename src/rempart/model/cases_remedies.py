"""Remedies: what a case can do to what it is about, from the narrowest to the widest, and what then stands.

The ladder is data (``LADDER``): a rung says what it is, what it can be aimed at, and whether the part of
Rempart that it needs exists. A ``Measure`` is a remedy with its target and its end; a ``Restriction`` is a
measure that a case has put in force, which every compilation of the names it is about takes into account.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from rempart.model.base import Value
from rempart.model.names import parse_hostname, within
from rempart.model.urls import (
    canonical_path,
    canonical_query,
    is_within,
    parse_restricted_path,
    why_no_remedy,
)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A point in time, in UTC, so that equal ones are written alike in what is signed."""


class Remedy(StrEnum):
    """What can be done, from the narrowest to the widest; the order is that of the ladder."""

    FORWARD = "forward"
    INTERSTITIAL = "interstitial"
    BLOCK_URL = "block_url"
    NO_CACHE = "no_cache"
    CHALLENGE = "challenge"
    DROP_PROXY = "drop_proxy"
    DROP_DNS = "drop_dns"
    CLOSE_ACCOUNT = "close_account"


class Aim(StrEnum):
    """What a remedy can be aimed at."""

    URL = "url"
    HOST = "host"
    ZONE = "zone"


class Rung(Value):
    """One step of the ladder."""

    remedy: Remedy
    words: str
    """What it does, in words for owners."""
    aims: tuple[Aim, ...]
    territorial: bool = False
    """Whether it can be for the visitors from some countries only."""
    missing: str = ""
    """The part that it needs and that does not exist yet; empty: it can be ordered today."""


LADDER = (
    Rung(remedy=Remedy.FORWARD, words="the report is passed on, nothing else", aims=tuple(Aim)),
    Rung(
        remedy=Remedy.INTERSTITIAL,
        words="a warning page before the URL, which visitors may pass",
        aims=(Aim.URL,),
        territorial=True,
    ),
    Rung(remedy=Remedy.BLOCK_URL, words="the URL is not served", aims=(Aim.URL,), territorial=True),
    Rung(
        remedy=Remedy.NO_CACHE,
        words="nothing of it is kept in the cache",
        aims=(Aim.HOST, Aim.ZONE),
        missing="a cache",
    ),
    Rung(
        remedy=Remedy.CHALLENGE,
        words="every visitor is challenged once",
        aims=(Aim.HOST, Aim.ZONE),
        territorial=True,
    ),
    Rung(
        remedy=Remedy.DROP_PROXY,
        words="the edge no longer stands before it; its names answer with the origin's address",
        aims=(Aim.HOST, Aim.ZONE),
    ),
    Rung(
        remedy=Remedy.DROP_DNS,
        words="its names are answered no longer; zone, records and keys are kept",
        aims=(Aim.HOST, Aim.ZONE),
    ),
    Rung(
        remedy=Remedy.CLOSE_ACCOUNT,
        words="the account is closed: names in its zones are answered no longer, its tokens only read",
        aims=(Aim.ZONE,),
    ),
)
RUNGS = {rung.remedy: rung for rung in LADDER}
ON_A_URL = (Remedy.INTERSTITIAL, Remedy.BLOCK_URL)
_ORDER = {rung.remedy: number for number, rung in enumerate(LADDER)}


def narrower(remedy: Remedy) -> tuple[Remedy, ...]:
    """The remedies that do less than this one, narrowest first."""
    return tuple(rung.remedy for rung in LADDER[: _ORDER[remedy]])


def is_at_most(remedy: Remedy, most: Remedy) -> bool:
    """Whether it is no wider than ``most``."""
    return _ORDER[remedy] <= _ORDER[most]


def _host(text: str) -> str:
    return parse_hostname(text, wildcard=True, field="host")


class Target(Value):
    """What a measure is aimed at: one host name, a URL (with all below it), or a whole zone."""

    host: Annotated[str, AfterValidator(_host)] = Field(max_length=253)
    path: Annotated[str, AfterValidator(parse_restricted_path)] | None = None
    """Perhaps with a query: then the URLs that have all its parameters. See ``model.urls``."""
    whole_zone: bool = False
    """``host`` is a zone's name, and every name in it is meant."""

    @model_validator(mode="after")
    def _one_kind(self) -> Target:
        if self.whole_zone and (self.path is not None or self.host.startswith("*.")):
            raise ValueError("a whole zone has neither a path nor a wildcard")
        return self

    @property
    def aim(self) -> Aim:
        if self.whole_zone:
            return Aim.ZONE
        return Aim.HOST if self.path is None else Aim.URL

    def covers(self, name: str) -> bool:
        """Whether ``name`` (canonical) is one of the names meant."""
        return within(name, self.host) if self.whole_zone else name == self.host

    def includes(self, other: Target) -> bool:
        """Whether ``other`` is about nothing but names of this one. A URL's host counts as the URL."""
        return self.covers(other.host) and (self.whole_zone or not other.whole_zone)

    def is_within(self, other: Target) -> bool:
        """Whether this URL is the other one or below it; of what is no URL, whether it is about its names."""
        if self.path is None or other.path is None:
            return other.includes(self)
        path, _, query = self.path.partition("?")
        above, _, wanted = other.path.partition("?")
        return (
            self.host == other.host
            and is_within(canonical_path(path), canonical_path(above))
            and set(canonical_query(wanted)) <= set(canonical_query(query))
        )

    def overlaps(self, other: Target) -> bool:
        """Whether both are about some name."""
        return self.covers(other.host) or other.covers(self.host)

    def __str__(self) -> str:
        return f"the zone {self.host}" if self.whole_zone else self.host + (self.path or "")


class Measure(Value):
    """One remedy on one target, for a time or until it is ended."""

    remedy: Remedy
    target: Target
    days: int | None = Field(default=None, ge=1, le=3650)
    """None: until it is ended."""
    territory: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = Field(default=(), max_length=60)
    """ISO 3166 codes of the countries that it is for; none: everywhere."""

    @model_validator(mode="after")
    def _can_be(self) -> Measure:
        if self.target.aim not in RUNGS[self.remedy].aims:
            aims = " or ".join(RUNGS[self.remedy].aims)
            raise ValueError(f"{self.remedy} is for a {aims}, not for a {self.target.aim}")
        if self.territory and not RUNGS[self.remedy].territorial:
            there = ", ".join(rung.remedy for rung in LADDER if rung.territorial)
            raise ValueError(f"{self.remedy} cannot be limited to a territory; {there} can")
        if self.remedy in ON_A_URL and self.target.path is not None:
            why = why_no_remedy(self.target.path)
            if why is not None:
                raise ValueError(why)
        return self


SENDS_AWAY = frozenset({Remedy.DROP_PROXY, Remedy.DROP_DNS, Remedy.CLOSE_ACCOUNT})
"""Remedies after which names must be found elsewhere. From their notice on, answers are short-lived."""


class Restriction(Value):
    """A measure in force. ``id`` is the case's and the number of the step that put it in force."""

    id: str
    case: str
    measure: Measure
    since: Moment


class Notice(Value):
    """What visitors are told of a remedy on a URL: what is signed, nothing confidential."""

    ordered: bool
    """By a court or an authority."""
    authority: str = ""
    reference: str = ""
    basis: str
    """The law, or the rule's title."""
    explanation: str


class Standing(Value):
    """A restriction as compilations see it."""

    restriction: Restriction
    notice: Notice | None = None
    account: str | None = None
    """The account that is closed: all its zones are meant, whatever the target is."""


class Announced(Value):
    """What will have to be found elsewhere, as a notice says."""

    target: Target
    account: str | None = None
    """All zones of this account, too."""

    def covers(self, name: str, account: str | None) -> bool:
        """Whether ``name``, in a zone of ``account``, is meant."""
        return self.target.covers(name) or (account is not None and account == self.account)


class Restricted(Value):
    """What the restrictions in force come to for one name. Several cases may restrict the same name; each is
    lifted by itself."""

    challenge: bool = False
    proxy_dropped: bool = False
    dns_dropped: bool = False
    at_edge: tuple[Standing, ...] = ()
    """Those that the edge looks at request by request: on a URL, or for a territory."""
    short_lived: bool = False
    """Its answers must be forgotten soon: it is about to be found elsewhere, or back."""


UNRESTRICTED = Restricted()


def restricted(
    standing: Iterable[Standing],
    name: str,
    account: str | None = None,
    announced: Iterable[Announced] = (),
) -> Restricted:
    """What ``standing`` and ``announced`` come to for ``name``, a name in a zone of ``account``."""
    found: set[Remedy] = set()
    at_edge: list[Standing] = []
    for one in standing:
        measure = one.restriction.measure
        if measure.remedy is Remedy.CLOSE_ACCOUNT and one.account is not None and one.account == account:
            found |= {Remedy.DROP_DNS}
        if not measure.target.covers(name):
            continue
        if measure.remedy in ON_A_URL or measure.territory:
            at_edge.append(one)
        else:
            found.add(measure.remedy)
    return Restricted(
        challenge=Remedy.CHALLENGE in found,
        proxy_dropped=Remedy.DROP_PROXY in found,
        dns_dropped=not found.isdisjoint((Remedy.DROP_DNS, Remedy.CLOSE_ACCOUNT)),
        at_edge=tuple(at_edge),
        short_lived=bool(found & SENDS_AWAY) or any(one.covers(name, account) for one in announced),
    )
