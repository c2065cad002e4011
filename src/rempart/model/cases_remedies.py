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
from rempart.model.challenges import parse_exempt_path
from rempart.model.names import parse_hostname, within


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
    missing: str = ""
    """The part that it needs and that does not exist yet; empty: it can be ordered today."""


LADDER = (
    Rung(remedy=Remedy.FORWARD, words="the report is passed on, nothing else", aims=tuple(Aim)),
    Rung(
        remedy=Remedy.INTERSTITIAL,
        words="a warning page before the URL",
        aims=(Aim.URL,),
        missing="pages on a URL",
    ),
    Rung(remedy=Remedy.BLOCK_URL, words="the URL is not served", aims=(Aim.URL,), missing="pages on a URL"),
    Rung(
        remedy=Remedy.NO_CACHE,
        words="nothing of it is kept in the cache",
        aims=(Aim.HOST, Aim.ZONE),
        missing="a cache",
    ),
    Rung(remedy=Remedy.CHALLENGE, words="every visitor is challenged once", aims=(Aim.HOST, Aim.ZONE)),
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
        remedy=Remedy.CLOSE_ACCOUNT, words="the account is closed", aims=(Aim.ZONE,), missing="the exit kit"
    ),
)
RUNGS = {rung.remedy: rung for rung in LADDER}
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
    """What a measure is aimed at: one host name, a URL (all whose paths begin so), or a whole zone."""

    host: Annotated[str, AfterValidator(_host)] = Field(max_length=253)
    path: Annotated[str, AfterValidator(parse_exempt_path)] | None = None
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
        if self.territory and self.remedy is not Remedy.FORWARD:
            raise ValueError("no remedy can be limited to a territory yet")
        return self


SENDS_AWAY = frozenset({Remedy.DROP_PROXY, Remedy.DROP_DNS, Remedy.CLOSE_ACCOUNT})
"""Remedies after which names must be found elsewhere. From their notice on, answers are short-lived."""


class Restriction(Value):
    """A measure in force. ``id`` is the case's and the number of the step that put it in force."""

    id: str
    case: str
    measure: Measure
    since: Moment


class Restricted(Value):
    """What the restrictions in force come to for one name. Several cases may restrict the same name; each is
    lifted by itself."""

    challenge: bool = False
    proxy_dropped: bool = False
    dns_dropped: bool = False
    short_lived: bool = False
    """Its answers must be forgotten soon: it is about to be found elsewhere, or back."""


UNRESTRICTED = Restricted()


def restricted(measures: Iterable[Measure], name: str, announced: Iterable[Target] = ()) -> Restricted:
    """What ``measures`` come to for ``name``; ``announced``: targets of remedies that will send it away."""
    found = {one.remedy for one in measures if one.target.covers(name)}
    return Restricted(
        challenge=Remedy.CHALLENGE in found,
        proxy_dropped=Remedy.DROP_PROXY in found,
        dns_dropped=Remedy.DROP_DNS in found,
        short_lived=bool(found & SENDS_AWAY) or any(target.covers(name) for target in announced),
    )
