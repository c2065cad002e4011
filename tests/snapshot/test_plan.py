"""The diff, its digest, and when it must be confirmed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.model.configuration import SafetySection
from rempart.model.records import RRset
from rempart.model.sites import SiteLimits
from rempart.snapshot.items import (
    CertificateItem,
    EdgeOrigin,
    Item,
    ItemChange,
    RRsetItem,
    SecondaryItem,
    SiteItem,
    ZoneItem,
)
from rempart.snapshot.plan import Action, Before, Count, Plan, plan

SAFETY = SafetySection(delete_share=0.3, delete_minimum=10)
ZONE = ZoneItem(name="example.org", dnssec=False, soa_mname="ns1.example.org", soa_rname="h.example.org")
APEX_NS = "rrset/example.org/example.org/NS"


def rrset(name: str, rdata: str = "203.0.113.1", type_: str = "A") -> RRsetItem:
    return RRsetItem(zone="example.org", rrset=RRset(name=name, type=type_, ttl=300, rdata=(rdata,)))


def site(host: str) -> SiteItem:
    origin = EdgeOrigin(
        address="203.0.113.1", port=80, tls="off", weight=100, backup=False, max_connections=100
    )
    return SiteItem(host=host, origins=(origin,), https_redirect=True, limits=SiteLimits())


def of(*items: Item) -> dict[str, Item]:
    return {item.key: item for item in items}


def gone(*items: Item) -> list[ItemChange]:
    return [ItemChange(key=item.key, item=None) for item in items]


def put(*items: Item) -> list[ItemChange]:
    return [ItemChange(key=item.key, item=item) for item in items]


NAMES = [rrset(f"n{number}.example.org") for number in range(20)]
SITES = [site(f"n{number}.example.org") for number in range(20)]


def test_what_changes_nothing_is_no_plan() -> None:
    planned = plan(of(*NAMES), [*put(*NAMES), *gone(rrset("other.example.org"))])
    assert not planned
    assert planned.summary() == "no change"
    assert planned.reasons(SAFETY, Before(rrsets={})) == ()


def test_steps_are_in_key_order_and_counted_by_kind() -> None:
    changes = [
        *gone(NAMES[1]),
        *put(rrset("n0.example.org", "203.0.113.9"), rrset("new.example.org"), *SITES[:2]),
    ]
    planned = plan(of(*NAMES), changes)
    assert [step.action for step in planned.steps] == [
        Action.CHANGE,
        Action.DELETE,
        Action.ADD,
        Action.ADD,
        Action.ADD,
    ]
    assert planned.counts == (Count("rrset", 1, 1, 1), Count("site", 2, 0, 0))


def test_lines_say_old_and_new() -> None:
    changes = [*gone(NAMES[1]), *put(rrset("n0.example.org", "203.0.113.9"), SITES[0], ZONE)]
    assert list(plan(of(*NAMES), changes).lines()) == [
        "~ rrset n0.example.org A 300 203.0.113.1 → 300 203.0.113.9",
        "- rrset n1.example.org A 300 203.0.113.1",
        "+ site n0.example.org 203.0.113.1:80 weight=100 max=100 https limits=500/0/100",
        "+ zone example.org ns1.example.org h.example.org",
    ]


def test_long_plans_are_cut_and_say_so() -> None:
    lines = list(plan({}, put(*NAMES)).lines(3))
    assert lines[3:] == ["… and 17 more"]


def test_secrets_are_in_no_line() -> None:
    certificate = CertificateItem(id="f" * 64, hosts=("example.org",), chain_pem="CHAIN", key_pem="KEY!")
    summary = plan({}, put(certificate, secondary("1", "SECRET!"))).summary()
    assert "KEY!" not in summary
    assert "SECRET!" not in summary
    assert "example.org" in summary


def secondary(id_: str, secret: str) -> SecondaryItem:
    return SecondaryItem(
        id=id_, address="192.0.2.53", port=53, tsig_name=id_, tsig_algorithm="a", tsig_secret=secret
    )


class TestDigest:
    @given(st.permutations(put(*NAMES[:6])))
    def test_does_not_depend_on_order(self, changes: list[ItemChange]) -> None:
        assert plan({}, changes).digest == plan({}, put(*NAMES[:6])).digest

    def test_differs_for_other_plans(self) -> None:
        digests = {
            Plan().digest,
            plan({}, put(NAMES[0])).digest,
            plan({}, put(NAMES[1])).digest,
            plan(of(NAMES[0]), gone(NAMES[0])).digest,
            plan(of(NAMES[0]), put(rrset("n0.example.org", "203.0.113.9"))).digest,
            plan({}, put(rrset("n0.example.org", "203.0.113.9"))).digest,
        }
        assert len(digests) == 6

    def test_is_the_same_for_another_attempt_with_another_random_key(self) -> None:
        assert plan({}, put(secondary("1", "a"))).digest == plan({}, put(secondary("2", "b"))).digest


class TestReasons:
    @pytest.mark.parametrize(
        ("there", "deleted", "needed"),
        [(20, 6, False), (20, 7, True), (10, 3, False), (10, 4, True), (9, 8, False)],
    )
    def test_a_large_share_of_a_zone(self, there: int, deleted: int, needed: bool) -> None:
        planned = plan(of(*NAMES[:there]), gone(*NAMES[:deleted]))
        reasons = planned.reasons(SAFETY, Before(rrsets={"example.org": there}))
        assert bool(reasons) is needed
        if needed:
            assert reasons == (f"deletes {deleted} of {there} RRsets of example.org, more than 30%",)

    @pytest.mark.parametrize(("there", "deleted", "needed"), [(20, 6, False), (20, 7, True), (9, 8, False)])
    def test_a_large_share_of_all_sites(self, there: int, deleted: int, needed: bool) -> None:
        planned = plan(of(*SITES[:there]), gone(*SITES[:deleted]))
        assert bool(planned.reasons(SAFETY, Before(rrsets={}, sites=there))) is needed

    def test_emptying_a_small_zone_needs_confirmation_unless_it_was_asked_for(self) -> None:
        planned = plan(of(*NAMES[:2]), gone(*NAMES[:2]))
        before = Before(rrsets={"example.org": 2})
        assert planned.reasons(SAFETY, before) == ("deletes all 2 RRsets of example.org",)
        assert planned.reasons(SAFETY, before, explicit=True) == ()

    def test_emptying_a_large_zone_needs_confirmation_always(self) -> None:
        planned = plan(of(*NAMES), gone(*NAMES))
        assert planned.reasons(SAFETY, Before(rrsets={"example.org": 20}), explicit=True)
        everything = SafetySection(delete_share=1.0)
        assert planned.reasons(everything, Before(rrsets={"example.org": 20}), explicit=True)

    def test_addresses_written_another_way_are_not_deleted(self) -> None:
        aliases = [rrset(f"n{number}.example.org", "example.net.", "CNAME") for number in range(20)]
        planned = plan(of(*NAMES), [*gone(*NAMES), *put(*aliases)])
        assert planned.reasons(SAFETY, Before(rrsets={"example.org": 20})) == ()
        half = plan(of(*NAMES), [*gone(*NAMES), *put(*aliases[:10])])
        assert half.reasons(SAFETY, Before(rrsets={"example.org": 20})) == (
            "deletes 10 of 20 RRsets of example.org, more than 30%",
        )

    def test_replacing_is_not_emptying(self) -> None:
        planned = plan(of(NAMES[0]), [*gone(NAMES[0]), *put(NAMES[1])])
        assert planned.reasons(SAFETY, Before(rrsets={"example.org": 1})) == ()

    def test_standing_rrsets_do_not_count(self) -> None:
        apex = rrset("example.org", "ns1.example.org.", "NS")
        planned = plan(of(apex, ZONE, NAMES[0]), gone(apex, ZONE, NAMES[0]))
        assert planned.deletions("example.org", frozenset({APEX_NS})) == 1

    def test_an_apex_ns_change_needs_confirmation(self) -> None:
        old, new = (rrset("example.org", f"{name}.", "NS") for name in ("a", "b"))
        before = Before(rrsets={}, standing=frozenset({APEX_NS}))
        assert plan(of(old), put(new)).reasons(SAFETY, before, explicit=True) == (
            "changes the apex NS RRset of example.org",
        )
        assert plan({}, put(new)).reasons(SAFETY, before) == (), "a new zone's NS RRset is no change"
        assert plan(of(old, ZONE), gone(old, ZONE)).reasons(SAFETY, before, explicit=True) == ()

    def test_another_zones_ns_is_no_apex(self) -> None:
        old, new = (rrset("sub.example.org", f"{name}.", "NS") for name in ("a", "b"))
        assert plan(of(old), put(new)).reasons(SAFETY, Before(rrsets={})) == ()
