"""The numbers of a transparency report: ``report(…, marks) -> TransparencyReport``. Pure, in one pass.

Categories are the EU's (``governance.dsa_categories``): a row for each, and one for each of its keywords.
Every list of rows begins with the totals (``category`` None, ``scope`` ``all``) and then holds what is not
zero. Times are medians in whole seconds, None where nothing was timed: the report goes into the public log,
whose JSON has no fractions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from statistics import median
from typing import Literal, TypeAlias

from pydantic import Field

from rempart.governance.disclosure.marks import Mark, What
from rempart.governance.dsa_categories import OF_CASES, TABLE
from rempart.governance.statements import DECISIONS
from rempart.model.base import Value
from rempart.model.cases import Category, GroundKind, LiftReason, OrderKind, Outcome, Source
from rempart.model.cases_remedies import LADDER, Remedy

MEMBER_STATES = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT"),
    *("LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
)
"""ISO 3166-1."""
ALL, UNION, UNKNOWN = "all", "EU", "unknown"
"""Scopes of orders beside countries: all, those of Member States, those whose country nobody entered."""


class Period(Value):
    """A year, or a half of one; UTC."""

    year: int = Field(ge=2020, le=2100)
    half: Literal[1, 2] | None = None

    @property
    def first(self) -> date:
        return date(self.year, 7 if self.half == 2 else 1, 1)

    @property
    def last(self) -> date:
        return date(self.year, 6, 30) if self.half == 1 else date(self.year, 12, 31)

    @property
    def begins(self) -> datetime:
        return datetime(self.first.year, self.first.month, 1, tzinfo=UTC)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        year, month = (self.year, 7) if self.half == 1 else (self.year + 1, 1)
        return datetime(year, month, 1, tzinfo=UTC)

    @property
    def id(self) -> str:
        """``2026`` or ``2026-h1``."""
        return f"{self.year}" if self.half is None else f"{self.year}-h{self.half}"

    def __contains__(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


class Place(Value):
    """What a row is about: everything, a category, or one of its keywords."""

    category: str | None = None
    keyword: str | None = None


EVERYTHING = Place()


class Orders(Place):
    """Art. 15(1)(a), one row."""

    scope: str
    received: int = 0
    items: int = 0
    informed: int = 0
    median_inform_s: int | None = None
    """From the receipt of an order to when the authority was told of it."""
    given_effect: int = 0
    median_effect_s: int | None = None
    refused: int = 0


class Notices(Place):
    """Art. 15(1)(b), one row."""

    received: int = 0
    received_trusted: int = 0
    items: int = 0
    items_trusted: int = 0
    by_law: int = 0
    by_law_trusted: int = 0
    by_terms: int = 0
    by_terms_trusted: int = 0
    passed_on: int = 0
    not_acted: int = 0
    median_act_s: int | None = None
    median_act_trusted_s: int | None = None
    median_not_acted_s: int | None = None


class OwnInitiative(Place):
    """Art. 15(1)(c), one row: measures that nobody had asked for, by their ground."""

    ground: GroundKind
    measures: int = 0
    remedies: dict[Remedy, int] = Field(default_factory=dict)


class Basis(StrEnum):
    """What the decision that is appealed restricts."""

    VISIBILITY = "visibility"
    PROVISION = "provision"
    ACCOUNT = "account"


class Complaints(Value):
    """Art. 15(1)(d), one row: appeals, by what the decision restricts and by its remedy (None: all)."""

    basis: Basis | None = None
    remedy: Remedy | None = None
    submitted: int = 0
    upheld: int = 0
    changed: int = 0
    reversed: int = 0
    median_s: int | None = None
    """From the appeal to its decision."""


class Emergencies(Value):
    """How often the emergency path was taken, and what became of it."""

    taken: int = 0
    confirmed: int = 0
    expired: int = 0
    reviewed: int = 0


class TransparencyReport(Value):
    """A report as it is printed, published and put into the log."""

    format: Literal["rempart-transparency/1"] = "rempart-transparency/1"
    provider: str = Field(min_length=1, max_length=200)
    period: Period
    published_on: date | None = None
    previous_on: date | None = None
    """When the one before was published."""
    orders: tuple[Orders, ...]
    orders_by_kind: dict[OrderKind, int]
    notices: tuple[Notices, ...]
    own_initiative: tuple[OwnInitiative, ...]
    own_findings: int
    """Looked into on the operator's own initiative, whatever came of it."""
    complaints: tuple[Complaints, ...]
    emergencies: Emergencies
    lifted: dict[LiftReason, int]
    automated_means: Literal["none"] = "none"
    """Art. 15(1)(e): reports and decisions are read and taken by people; no program classifies or decides."""


_Appealed: TypeAlias = tuple[Basis | None, Remedy | None]


class _Sum:
    """What is added up for one row."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.times: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, name: str, number: int = 1) -> None:
        self.counts[name] += number

    def timed(self, name: str, seconds: int | None) -> None:
        if seconds is not None:
            self.times[name].append(seconds)

    def medians(self) -> dict[str, int]:
        return {name: int(median(seconds)) for name, seconds in self.times.items()}

    def fields(self) -> dict[str, int]:
        return {**self.counts, **self.medians()}


def report(
    provider: str,
    period: Period,
    marks: Iterable[Mark],
    *,
    published_on: date | None = None,
    previous_on: date | None = None,
) -> TransparencyReport:
    """Count the marks that fall into ``period``; others may be among them."""
    orders: defaultdict[tuple[Place, str], _Sum] = defaultdict(_Sum)
    notices: defaultdict[Place, _Sum] = defaultdict(_Sum)
    own: defaultdict[tuple[Place, GroundKind], Counter[Remedy]] = defaultdict(Counter)
    complaints: defaultdict[_Appealed, _Sum] = defaultdict(_Sum)
    kinds: Counter[OrderKind] = Counter()
    lifted: Counter[LiftReason] = Counter()
    others: Counter[str] = Counter()
    for one in marks:
        if one.at not in period:
            continue
        match one.source:
            case Source.ORDER:
                _order(one, orders)
            case Source.REPORT:
                _notice(one, notices)
            case Source.OWN:
                _own(one, own)
        _complaint(one, complaints)
        if one.what is What.LIFTED and one.why is not None:
            lifted[one.why] += 1
        if one.what is What.RECEIVED and one.order is not None:
            kinds[one.order] += 1
        others[f"{one.source}/{one.what}"] += 1
        others[one.what] += 1
    return TransparencyReport(
        provider=provider,
        period=period,
        published_on=published_on,
        previous_on=previous_on,
        orders=tuple(
            Orders.model_validate({**place.model_dump(), "scope": scope, **orders[place, scope].fields()})
            for place, scope in sorted({(EVERYTHING, ALL), *orders}, key=_by_scope)
        ),
        orders_by_kind=dict(sorted(kinds.items())),
        notices=tuple(
            Notices.model_validate({**place.model_dump(), **notices[place].fields()})
            for place in sorted({EVERYTHING, *notices}, key=_in_table)
        ),
        own_initiative=tuple(_own_row(key, own[key]) for key in _own_keys(own)),
        own_findings=others[f"{Source.OWN}/{What.RECEIVED}"],
        complaints=tuple(
            Complaints.model_validate(
                {"basis": basis, "remedy": remedy, **complaints[basis, remedy].fields()}
            )
            for basis, remedy in sorted({(None, None), *complaints}, key=_by_basis)
        ),
        emergencies=Emergencies(
            taken=others[What.EMERGENCY],
            confirmed=others[What.CONFIRMED],
            expired=others[What.EXPIRED],
            reviewed=others[What.REVIEWED],
        ),
        lifted=dict(sorted(lifted.items())),
    )


def places_of(category: Category) -> tuple[Place, Place, Place]:
    """The rows in which something of a case is counted."""
    whole, keyword = OF_CASES[category]
    return EVERYTHING, Place(category=whole), Place(category=whole, keyword=keyword)


def _order(one: Mark, into: Mapping[tuple[Place, str], _Sum]) -> None:
    country = one.country or UNKNOWN
    scopes = (ALL, UNION, country) if country in MEMBER_STATES else (ALL, country)
    for sums in (into[place, scope] for place in places_of(one.category) for scope in scopes):
        match one.what:
            case What.RECEIVED:
                sums.add("received")
                sums.add("items", one.items)
            case What.INFORMED:
                sums.add("informed")
                sums.timed("median_inform_s", one.seconds)
            case What.ACTED | What.PASSED_ON:
                sums.add("given_effect")
                sums.timed("median_effect_s", one.seconds)
            case What.NOT_ACTED:
                sums.add("refused")


def _notice(one: Mark, into: Mapping[Place, _Sum]) -> None:
    for sums in (into[place] for place in places_of(one.category)):
        match one.what:
            case What.RECEIVED:
                _both(one, sums, "received", 1)
                _both(one, sums, "items", one.items)
            case What.ACTED:
                _both(one, sums, "by_law" if one.ground is GroundKind.ILLEGAL else "by_terms", 1)
                sums.timed("median_act_s", one.seconds)
                if one.trusted_flagger:
                    sums.timed("median_act_trusted_s", one.seconds)
            case What.PASSED_ON:
                sums.add("passed_on")
            case What.NOT_ACTED:
                sums.add("not_acted")
                sums.timed("median_not_acted_s", one.seconds)


def _both(one: Mark, sums: _Sum, name: str, number: int) -> None:
    sums.add(name, number)
    if one.trusted_flagger:
        sums.add(f"{name}_trusted", number)


def _own(one: Mark, into: Mapping[tuple[Place, GroundKind], Counter[Remedy]]) -> None:
    if one.what is What.ACTED and one.ground is not None and one.remedy is not None:
        for place in places_of(one.category):
            into[place, one.ground][one.remedy] += 1


def _own_keys(own: Iterable[tuple[Place, GroundKind]]) -> list[tuple[Place, GroundKind]]:
    totals = {(EVERYTHING, GroundKind.ILLEGAL), (EVERYTHING, GroundKind.POLICY)}
    return sorted({*totals, *own}, key=lambda key: (key[1], _in_table(key[0])))


def _own_row(key: tuple[Place, GroundKind], remedies: Counter[Remedy]) -> OwnInitiative:
    place, ground = key
    ordered = {rung.remedy: remedies[rung.remedy] for rung in LADDER if rung.remedy in remedies}
    made = {**place.model_dump(), "ground": ground, "measures": remedies.total(), "remedies": ordered}
    return OwnInitiative.model_validate(made)


def basis_of(remedy: Remedy | None) -> Basis | None:
    """What a remedy restricts; None when it restricts nothing."""
    kinds = () if remedy is None else DECISIONS.get(remedy, ())
    return next((Basis(kind.removeprefix("decision_")) for kind in kinds), None)


def _complaint(one: Mark, into: Mapping[_Appealed, _Sum]) -> None:
    if one.what not in (What.APPEALED, What.APPEAL_DECIDED):
        return
    basis = basis_of(one.remedy)
    rows = [(None, None)] if basis is None else [(None, None), (basis, None), (basis, one.remedy)]
    for sums in (into[row] for row in rows):
        if one.what is What.APPEALED:
            sums.add("submitted")
        elif one.outcome is not None:
            sums.add({Outcome.UPHELD: "upheld", Outcome.CHANGED: "changed"}.get(one.outcome, "reversed"))
            sums.timed("median_s", one.seconds)


_CATEGORIES = (None, *TABLE)


def _in_table(place: Place) -> tuple[int, str]:
    return _CATEGORIES.index(place.category), place.keyword or ""


def _by_basis(key: _Appealed) -> tuple[int, int]:
    basis, remedy = key
    return (None, *Basis).index(basis), (None, *Remedy).index(remedy)


def _by_scope(key: tuple[Place, str]) -> tuple[tuple[int, str], int, str]:
    place, scope = key
    first = {ALL: 0, UNION: 1, UNKNOWN: 3}.get(scope, 2)
    return _in_table(place), first, scope
