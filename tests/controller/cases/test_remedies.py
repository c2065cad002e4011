"""Remedies as they are stored and published: on a URL, for a territory, of a whole account; and undone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rempart.controller.cases.possible import check_possible
from rempart.controller.intents import OPERATOR, Actor, ActorKind
from rempart.controller.store.tables import RestrictionRow
from rempart.controller.territory import Territory
from rempart.model.accounts import TokenState
from rempart.model.cases import Act, Case, MotionKind, Outcome, Phase, Rule, Source
from rempart.model.cases_events import Notified, Scrutinised, Triaged
from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.configuration import TerritorySection
from rempart.model.errors import AccountClosed, EnvironmentLacks, InvalidInput
from rempart.model.sites import Origin
from rempart.snapshot.items import SiteItem
from tests.controller.cases.conftest import QUICK, Court
from tests.controller.intents.conftest import dump, published
from tests.governance.cast import HOST
from tests.governance.test_cases import order

WIDE = QUICK.model_copy(
    update={
        "rules": (Rule(id="violence", title="Incitement to violence", text="No.", most=Remedy.CLOSE_ACCOUNT),)
    }
)
BLOCK = Measure(remedy=Remedy.BLOCK_URL, target=Target(host=HOST, path="/thread/7"))


@pytest.fixture
def bench(court: Court) -> Court:
    return court.found(WIDE)


def takes_effect(bench: Court, measure: Measure) -> Case:
    case = bench.to_announced(measure=measure)
    assert stored(bench) == []
    bench.time(QUICK.notice_s)
    case = bench.docket.get(case.id)
    assert case.phase is Phase.IN_EFFECT
    return case


def of_owners(bench: Court) -> dict[str, list[tuple[Any, ...]]]:
    rows = dump(bench.store)
    return {name: rows[name] for name in ("accounts", "zones", "records", "sites", "tokens")}


def ends(bench: Court, case: Case) -> None:
    bench.moves(case.id, "cleo", MotionKind.END)
    bench.says(case.id, Act.APPROVE, "dan")
    bench.work()


def stored(bench: Court) -> list[RestrictionRow]:
    with bench.store.reading() as session:
        return list(session.query(RestrictionRow))


def site_of(bench: Court, host: str = HOST) -> SiteItem:
    item = published(bench.intents)[f"site/{host}"]
    assert isinstance(item, SiteItem)
    return item


def test_a_block_is_published_with_what_visitors_are_told_and_goes_again(bench: Court) -> None:
    before = published(bench.intents)
    case = takes_effect(bench, BLOCK)
    (one,) = site_of(bench).remedies
    assert (one.case, one.path, one.remedy) == (case.id, "/thread/7", Remedy.BLOCK_URL)
    assert one.notice is not None
    assert not one.notice.ordered
    assert one.notice.explanation == "It calls for killings."
    assert bench.docket.effect_revision(case.id) is not None
    ends(bench, case)
    assert site_of(bench).remedies == ()
    assert stored(bench) == []
    assert published(bench.intents) == before


def test_an_order_says_whose_it_is(bench: Court) -> None:
    demanded = BLOCK.model_copy(update={"days": 30})
    case = bench.open(Source.ORDER, order=order(demanded=demanded, received_at=bench.clock.now,
                                                deadline=bench.clock.now + timedelta(hours=1)))  # fmt: skip
    bench.docket.take(case.id, Scrutinised(complete=True, findings="All there.", by="operator"))
    elsewhere = demanded.model_copy(update={"target": Target(host=HOST, path="/thread/8")})
    with pytest.raises(InvalidInput, match="wider"):
        bench.moves(case.id, "ada", MotionKind.ORDER, measure=elsewhere)
    below = demanded.model_copy(update={"target": Target(host=HOST, path="/thread/7/page-2")})
    bench.moves(case.id, "ada", MotionKind.ORDER, measure=below)
    bench.says(case.id, Act.APPROVE, "ben")
    bench.work()
    notice = site_of(bench).remedies[0].notice
    assert notice is not None
    assert notice.ordered
    assert case.order is not None
    assert (notice.authority, notice.basis) == (case.order.authority, case.order.legal_basis)


def test_two_cases_about_one_url_are_lifted_each_by_itself(bench: Court) -> None:
    first, warned = takes_effect(bench, BLOCK), BLOCK.model_copy(update={"remedy": Remedy.INTERSTITIAL})
    second = bench.to_announced(measure=warned)
    bench.time(QUICK.notice_s)
    assert {one.case for one in site_of(bench).remedies} == {first.id, second.id}
    ends(bench, first)
    assert [one.remedy for one in site_of(bench).remedies] == [Remedy.INTERSTITIAL]


# --- territory ----------------------------------------------------------------------------------------


def table(folder: Path, text: str) -> Territory:
    (folder / "networks.csv").write_text(text)
    return Territory(TerritorySection(networks=folder / "networks.csv"))


def test_without_a_table_nothing_is_limited_to_a_territory(bench: Court) -> None:
    case = bench.to_notified()
    bench.clock.forward(QUICK.answer_s)
    before = len(bench.docket.steps(case.id))
    with pytest.raises(EnvironmentLacks) as refused:
        bench.moves(case.id, "ada", measure=BLOCK.model_copy(update={"territory": ("FR",)}))
    assert "[territory] networks" in str(refused.value)
    assert len(bench.docket.steps(case.id)) == before
    bench.moves(case.id, "ada", measure=BLOCK)


def test_a_table_of_networks(tmp_path: Path) -> None:
    there = table(
        tmp_path,
        "network,geoname_id,country_iso_code\n192.0.2.0/24,1,FR\n192.0.2.128/25,2,de\n2001:db8::/32,3,LU\n"
        "198.51.100.0/24,4,\n",
    )
    there.check(("FR", "DE", "LU"))
    with pytest.raises(InvalidInput, match="no network of BE"):
        there.check(("FR", "BE"))
    assert [there.country_of(one) for one in ("192.0.2.1", "192.0.2.200", "2001:db8::1", "198.51.100.1")] == [
        "FR", "DE", "LU", None,
    ]  # fmt: skip
    there = table(tmp_path, "# made today\n192.0.2.0/24,BE\n")
    there.check(("BE",))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("192.0.2.0/24\n", "line 1"),
        ("192.0.2.0/24,FR\n192.0.2.1/24,FR\n", "line 2"),
        ("192.0.2.0/24,France\n", "two letters"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        table(tmp_path, text).check(("FR",))
    (tmp_path / "networks.csv").unlink()
    with pytest.raises(EnvironmentLacks, match="cannot be read"):
        Territory(TerritorySection(networks=tmp_path / "networks.csv")).check(("FR",))


def test_on_appeal_a_territory_becomes_no_larger(bench: Court, tmp_path: Path) -> None:
    bench.docket._territory = table(tmp_path, "192.0.2.0/24,FR\n198.51.100.0/24,LU\n203.0.113.0/24,BE\n")
    both = BLOCK.model_copy(update={"territory": ("FR", "LU")})
    case = takes_effect(bench, both)
    assert site_of(bench).remedies[0].territory == ("FR", "LU")
    bench.docket.appeal(case.id, "It is satire.")
    for wider in ((), ("FR", "BE"), ("FR", "LU")):
        with pytest.raises(InvalidInput, match="narrower or shorter"):
            bench.moves(
                case.id, "cleo", MotionKind.APPEAL, outcome=Outcome.CHANGED,
                measure=BLOCK.model_copy(update={"territory": wider}),
            )  # fmt: skip
    less = BLOCK.model_copy(update={"territory": ("LU",)})
    bench.moves(case.id, "cleo", MotionKind.APPEAL, outcome=Outcome.CHANGED, measure=less)
    bench.says(case.id, Act.APPROVE, "dan")
    bench.work()
    assert [one.territory for one in site_of(bench).remedies] == [("LU",)]


# --- close account ------------------------------------------------------------------------------------

CLOSE = Measure(remedy=Remedy.CLOSE_ACCOUNT, target=Target(host="mob.example", whole_zone=True))


def test_a_closed_account_keeps_everything_and_changes_nothing(bench: Court) -> None:
    intents = bench.intents
    account = intents.accounts.create(OPERATOR, "Mob Ltd").value
    made = intents.tokens.create(OPERATOR, account.id, "all").value
    owner = Actor(kind=ActorKind.TOKEN, id=made.token.id, account_id=account.id)
    zones = [intents.zones.create(owner, name).value for name in ("mob.example", "other.example")]
    for name in ("mob.example", "www.other.example"):
        intents.sites.add(OPERATOR, name, (Origin(host="203.0.113.9", port=80),))
    owned, before = of_owners(bench), published(bench.intents)
    case = bench.open(targets=(CLOSE.target,))
    case = to_effect(bench, case.id, CLOSE)
    items = published(bench.intents)
    assert not [key for key in items if key.startswith("site/") and "example.org" not in key]
    for zone in ("mob.example", "other.example"):
        assert items.keys() >= {f"zone/{zone}", f"rrset/{zone}/{zone}/NS"}, "zone and keys stay"
        assert not [key for key in items if key.startswith(f"rrset/{zone}/") and key.endswith(f"/{zone}/A")]
    assert f"site/{HOST}" in items, "nobody else is closed"
    assert of_owners(bench) == owned
    with pytest.raises(AccountClosed, match=case.id):
        intents.zones.create(owner, "third.example")
    with pytest.raises(AccountClosed):
        intents.tokens.roll(owner, made.token.id)
    # What it holds can be read, and by the same tokens.
    assert intents.tokens.verify(made.secret) is not None
    assert made.token.state(bench.clock.now) is TokenState.ACTIVE
    assert intents.zones.get(zones[0].id).name == "mob.example"
    assert intents.bundles.gather(owner, zones[0].id), "its owner can leave with everything"
    ends(bench, case)
    assert published(intents) == before
    intents.zones.create(owner, "third.example")


def to_effect(bench: Court, id_: str, measure: Measure) -> Case:
    bench.docket.take(id_, Triaged(accepted=True, reason="It may be so.", by="operator"))
    bench.docket.take(id_, Notified(by="operator"))
    bench.clock.forward(QUICK.answer_s)
    bench.moves(id_, "ada", measure=measure)
    bench.announces(bench.says(id_, Act.APPROVE, "ben"))
    bench.time(QUICK.notice_s)
    return bench.docket.get(id_)


def test_the_operators_own_account_is_never_closed(bench: Court) -> None:
    """Everybody's zones that the command line has added are in it."""
    bench.intents.zones.create(OPERATOR, "mob.example")
    with bench.store.reading() as session:
        for target in (CLOSE.target, Target(host="nowhere.example", whole_zone=True)):
            with pytest.raises(InvalidInput, match="account"):
                check_possible(
                    session, Territory(TerritorySection()), CLOSE.model_copy(update={"target": target})
                )
