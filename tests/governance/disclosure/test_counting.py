"""A report's numbers are those of the cases: table by table, and against a recount by other means."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rempart.governance.disclosure.counting import (
    MEMBER_STATES,
    Basis,
    Notices,
    Orders,
    Period,
    Place,
    TransparencyReport,
    places_of,
    report,
)
from rempart.model.cases import Category, GroundKind, Informing, LiftReason, OrderKind, Source
from rempart.model.cases_events import Informed, Scrutinised
from rempart.model.cases_remedies import Remedy
from rempart.model.errors import Conflict, InvalidInput
from tests.governance.cast import NOW, Play, opened
from tests.governance.disclosure.ledger import STORIES, Entry, Plot, played
from tests.governance.test_cases import order

YEAR = Period(year=2026)
THREATS = Place(category="VIOLENCE", keyword="INCITEMENT_VIOLENCE_HATRED")


def counted(*plots: Plot, period: Period = YEAR) -> TransparencyReport:
    return report("Example", period, [mark for plot in plots for mark in played(plot).marks])


def notices(made: TransparencyReport, place: Place = Place()) -> Notices:  # noqa: B008 - frozen
    rows = [one for one in made.notices if (one.category, one.keyword) == (place.category, place.keyword)]
    return rows[0] if rows else Notices(**place.model_dump())


def orders(made: TransparencyReport, scope: str = "all", place: Place = Place()) -> Orders:  # noqa: B008
    keys = (place.category, place.keyword, scope)
    rows = [one for one in made.orders if (one.category, one.keyword, one.scope) == keys]
    return rows[0] if rows else Orders(**place.model_dump(), scope=scope)


def test_nothing_happened() -> None:
    made = counted()
    assert (notices(made).received, orders(made).received, made.own_findings) == (0, 0, 0)
    assert notices(made).median_act_s is None
    assert [one.submitted for one in made.complaints] == [0]
    assert made.automated_means == "none"


def test_notices_by_what_became_of_them() -> None:
    made = counted(
        Plot("dismissed"),
        Plot("dismissed", gap=7_200, trusted=True, urls=3),
        Plot("waiting", category=Category.PHISHING),
        Plot("in effect", law=True, trusted=True),
        Plot("in effect", gap=7_200),
        Plot("passed on"),
        Plot("dismissed", source=Source.OWN),
    )
    whole = notices(made)
    assert (whole.received, whole.received_trusted, whole.items, whole.items_trusted) == (6, 2, 8, 4)
    assert (whole.by_law, whole.by_law_trusted, whole.by_terms, whole.by_terms_trusted) == (1, 1, 1, 0)
    assert (whole.passed_on, whole.not_acted) == (1, 2)
    assert whole.median_not_acted_s == 5_400
    assert whole.median_act_s == 5 * 86_400 + 5_400
    assert whole.median_act_trusted_s == 5 * 86_400 + 3_600
    assert notices(made, THREATS).received == 5
    assert notices(made, Place(category="SCAMS_AND_FRAUD", keyword="PHISHING")).received == 1
    assert made.own_findings == 1


def test_orders_by_member_state_and_time() -> None:
    made = counted(
        Plot("in effect", source=Source.ORDER, country="DE", gap=600),
        Plot("in effect", source=Source.ORDER, country="DE", gap=1_200, category=Category.TERRORISM),
        Plot("dismissed", source=Source.ORDER, country="FR"),
        Plot("waiting", source=Source.ORDER, country="US"),
        Plot("waiting", source=Source.ORDER),
    )
    assert [orders(made, scope).received for scope in ("all", "EU", "DE", "FR", "US", "unknown")] == [
        *(5, 3, 2, 1, 1, 1)
    ]
    german = orders(made, "DE")
    assert (german.informed, german.given_effect, german.refused) == (2, 2, 0)
    assert german.median_inform_s == (900 + 1_800) // 2
    assert german.median_effect_s == (1_500 + 3_000) // 2
    assert orders(made, "FR").refused == 1
    assert orders(made, "DE", Place(category="RISK_FOR_PUBLIC_SECURITY")).received == 1
    assert made.orders_by_kind == {OrderKind.REMOVAL: 5}
    assert made.notices[0].received == 0


def test_own_initiative_by_ground_and_remedy() -> None:
    made = counted(
        Plot("in effect", source=Source.OWN),
        Plot("in effect", source=Source.OWN, law=True, category=Category.HATE),
        Plot("emergency expired", source=Source.OWN, law=True),
    )
    whole = {one.ground: one for one in made.own_initiative if one.category is None}
    assert whole[GroundKind.POLICY].remedies == {Remedy.DROP_PROXY: 1}
    assert whole[GroundKind.ILLEGAL].measures == 2
    assert made.lifted == {LiftReason.EXPIRED: 1}


def test_complaints_by_basis_and_outcome() -> None:
    made = counted(Plot("upheld"), Plot("changed"), Plot("reversed", gap=60), Plot("reversed", gap=120))
    whole, provision, proxy = made.complaints
    assert (provision.basis, provision.remedy) == (Basis.PROVISION, None)
    assert (proxy.basis, proxy.remedy) == (Basis.PROVISION, Remedy.DROP_PROXY)
    for row in (whole, provision, proxy):
        assert (row.submitted, row.upheld, row.changed, row.reversed) == (4, 1, 1, 2)
        assert row.median_s == (120 + 3_600) // 2
    assert notices(made).by_terms == 4, "what becomes narrower on appeal is no new action"
    assert made.lifted == {LiftReason.REVERSED: 2}


def test_emergencies() -> None:
    made = counted(Plot("emergency confirmed"), Plot("emergency expired"))
    found = made.emergencies
    assert (found.taken, found.confirmed, found.expired, found.reviewed) == (2, 1, 1, 2)


@pytest.mark.parametrize(
    ("year", "half", "first", "last", "id_"),
    [
        (2026, None, "2026-01-01", "2026-12-31", "2026"),
        (2026, 1, "2026-01-01", "2026-06-30", "2026-h1"),
        (2026, 2, "2026-07-01", "2026-12-31", "2026-h2"),
    ],
)
def test_periods(year: int, half: int | None, first: str, last: str, id_: str) -> None:
    period = Period.model_validate({"year": year, "half": half})
    assert (period.first, period.last) == (date.fromisoformat(first), date.fromisoformat(last))
    assert period.id == id_
    assert period.begins in period
    assert period.ends not in period
    assert period.ends - timedelta(microseconds=1) in period
    assert period.begins - timedelta(microseconds=1) not in period
    with pytest.raises(ValidationError):
        Period.model_validate({"year": year, "half": 3})


def test_what_begins_in_one_half_and_ends_in_the_next_is_in_both() -> None:
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    first, second = (
        counted(Plot("dismissed", starts=late), period=Period(year=2026, half=1)),
        counted(Plot("dismissed", starts=late), period=Period(year=2026, half=2)),
    )
    assert (notices(first).received, notices(first).not_acted) == (1, 0)
    assert (notices(second).received, notices(second).not_acted) == (0, 1)


def test_an_authority_is_informed_once_of_each() -> None:
    play = Play().open(opened(Source.ORDER, order=order()))
    play(Informed(of=Informing.RECEIPT, by="operator"))
    with pytest.raises(Conflict, match="already"):
        play(Informed(of=Informing.RECEIPT, by="operator"))
    with pytest.raises(Conflict, match="not known yet"):
        play(Informed(of=Informing.EFFECT, by="operator"))
    play(Scrutinised(complete=False, findings="No reasons.", by="operator"))
    play(Informed(of=Informing.EFFECT, by="operator"))
    with pytest.raises(Conflict, match="no order"):
        Play().open()(Informed(of=Informing.RECEIPT, by="operator"))


def test_only_notices_come_from_trusted_flaggers() -> None:
    with pytest.raises(InvalidInput, match="trusted flaggers"):
        Play().open(opened(Source.OWN, trusted_flagger=True))


# --- against a recount -------------------------------------------------------------------------------

plots = st.builds(
    Plot,
    story=st.sampled_from(tuple(STORIES)),
    starts=st.integers(0, 456 * 86_400).map(
        lambda seconds: datetime(2025, 11, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    source=st.sampled_from(Source),
    category=st.sampled_from(Category),
    trusted=st.booleans(),
    country=st.sampled_from((None, "DE", "FR", "US")),
    urls=st.integers(0, 3),
    gap=st.integers(2, 40_000),
    law=st.booleans(),
)


def _median(entries: Iterable[Entry]) -> int | None:
    seconds = [one.seconds for one in entries]
    return int(median(seconds)) if seconds else None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some=st.lists(plots, max_size=8), half=st.sampled_from((None, 1, 2)))
def test_counts_agree_with_a_naive_recount(some: list[Plot], half: int | None) -> None:
    period = Period.model_validate({"year": 2026, "half": half})
    plays = [played(plot) for plot in some]
    made = report("Example", period, [mark for play in plays for mark in play.marks])
    ledger = [one for play in plays for one in play.ledger if one.at in period]

    def lines(what: str, source: Source | None = None, place: Place = Place()) -> list[Entry]:  # noqa: B008
        return [
            one
            for one in ledger
            if one.what == what
            and (source is None or one.source is source)
            and place in places_of(one.category)
        ]

    for place in {Place(), *(place for one in Category for place in places_of(one))}:
        found = notices(made, place)
        received = lines("received", Source.REPORT, place)
        acted = lines("acted", Source.REPORT, place)
        trusted = [one for one in acted if one.trusted]
        assert found.received == len(received)
        assert found.received_trusted == sum(one.trusted for one in received)
        assert found.items == sum(one.items for one in received)
        assert found.by_law == sum(one.law for one in acted)
        assert found.by_terms == sum(not one.law for one in acted)
        assert found.by_law_trusted + found.by_terms_trusted == len(trusted)
        assert found.passed_on == len(lines("passed on", Source.REPORT, place))
        assert found.not_acted == len(lines("not acted", Source.REPORT, place))
        assert found.median_act_s == _median(acted)
        assert found.median_act_trusted_s == _median(trusted)
        for scope in ("all", "EU", "DE", "FR", "US", "unknown"):

            def of(what: str, place: Place = place, scope: str = scope) -> list[Entry]:
                return [
                    one
                    for one in lines(what, Source.ORDER, place)
                    if scope in ("all", one.country or "unknown")
                    or (scope == "EU" and one.country in MEMBER_STATES)
                ]

            row = orders(made, scope, place)
            assert (row.received, row.refused) == (len(of("received")), len(of("not acted")))
            assert (row.given_effect, row.median_effect_s) == (len(of("acted")), _median(of("acted")))
            assert (row.informed, row.median_inform_s) == (len(of("informed")), _median(of("informed")))
    own = [one for one in made.own_initiative if one.category is None]
    assert sum(one.measures for one in own) == len(lines("acted", Source.OWN))
    whole = made.complaints[0]
    decided = [one for what in ("upheld", "changed", "reversed") for one in lines(what)]
    assert whole.submitted == len(lines("appealed"))
    assert (whole.upheld, whole.changed) == (len(lines("upheld")), len(lines("changed")))
    assert (whole.reversed, whole.median_s) == (len(lines("reversed")), _median(decided))
    found_ = made.emergencies
    assert (found_.taken, found_.confirmed) == (len(lines("emergency")), len(lines("confirmed")))
    assert (found_.expired, found_.reviewed) == (len(lines("expired")), len(lines("reviewed")))
    assert sum(made.lifted.values()) == len(lines("lifted"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some=st.lists(plots, max_size=6))
def test_two_halves_are_a_year(some: list[Plot]) -> None:
    marks = [mark for plot in some for mark in played(plot).marks]
    year, first, second = (
        report("Example", Period.model_validate({"year": 2026, "half": half}), marks) for half in (None, 1, 2)
    )
    for name in ("received", "items", "by_law", "by_terms", "passed_on", "not_acted"):
        halves = getattr(notices(first), name) + getattr(notices(second), name)
        assert getattr(notices(year), name) == halves
    for name in ("received", "given_effect", "informed", "refused"):
        assert getattr(orders(year), name) == getattr(orders(first), name) + getattr(orders(second), name)


def test_marks_are_in_the_order_of_their_steps() -> None:
    for story in STORIES:
        marks = played(Plot(story)).marks
        assert all(one.at <= other.at for one, other in pairwise(marks)), story
        assert all(mark.at >= NOW for mark in marks)
