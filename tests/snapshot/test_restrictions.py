"""What remedies make of a zone's items, and that the owner's rows stay what they are."""

from __future__ import annotations

from rempart.model.cases_remedies import Measure, Remedy, Target
from rempart.model.challenges import Exemptions, SecurityLevel
from rempart.model.sites import Origin, Site
from rempart.snapshot.items import Item, SiteItem
from tests.snapshot.memory import EDGE, NOW, MemoryZone, answers, compile_all, record, zone

EDGE_A = {"A": (300, ("192.0.2.80",)), "AAAA": (300, ("2001:db8::80",))}


def site(host: str) -> Site:
    return Site(
        id=host, zone_id="z", host=host, origins=(Origin(host="203.0.113.7", port=80),),
        exemptions=Exemptions(paths=("/api/",)), security_level=SecurityLevel.LOW,
        created_on=NOW, modified_on=NOW,
    )  # fmt: skip


def measure(remedy: Remedy, host: str, *, whole: bool = False) -> Measure:
    return Measure(remedy=remedy, target=Target(host=host, whole_zone=whole))


def compiled(*measures: Measure) -> dict[str, Item]:
    return compile_all(
        MemoryZone(
            zone(dnssec=True),
            records=(
                record("A", "blog", "203.0.113.9", proxied=True),
                record("A", "blog", "203.0.113.10", proxied=True),
                record("MX", "@", "mail.example.net", priority=10),
                record("CNAME", "alias", "shop.example.org"),
                record("CNAME", "@", "shop.example.org"),
            ),
            sites=(site("shop.example.org"), site("*.wild.example.org")),
            measures=measures,
        )
    )


def test_without_a_remedy_everything_is_at_the_edge() -> None:
    items = compiled()
    assert answers(items, "shop.example.org") == EDGE_A
    assert answers(items, "example.org") == {**answers(items, "example.org"), **EDGE_A}


def test_challenge_everyone_spares_nobody() -> None:
    item = compiled(measure(Remedy.CHALLENGE, "shop.example.org"))["site/shop.example.org"]
    assert isinstance(item, SiteItem)
    assert item.challenge
    assert item.exemptions == Exemptions()
    other = compiled(measure(Remedy.CHALLENGE, "shop.example.org"))["site/blog.example.org"]
    assert isinstance(other, SiteItem)
    assert not other.challenge


def test_a_dropped_proxy_answers_with_the_origin_also_through_aliases() -> None:
    items = compiled(measure(Remedy.DROP_PROXY, "shop.example.org"))
    assert answers(items, "shop.example.org")["A"][1] == ("203.0.113.7",)
    assert answers(items, "example.org")["A"][1] == ("203.0.113.7",)
    assert "site/shop.example.org" not in items
    assert answers(items, "blog.example.org") == EDGE_A


def test_a_dropped_proxy_of_a_proxied_name_answers_what_its_records_say() -> None:
    items = compiled(measure(Remedy.DROP_PROXY, "blog.example.org"))
    assert answers(items, "blog.example.org") == {"A": (300, ("203.0.113.10", "203.0.113.9"))}
    assert "site/blog.example.org" not in items


def test_a_whole_zone_is_every_name_in_it() -> None:
    items = compiled(measure(Remedy.DROP_PROXY, "example.org", whole=True))
    assert not [key for key in items if key.startswith("site/")]
    assert answers(items, "*.wild.example.org")["A"][1] == ("203.0.113.7",)
    assert answers(items, "ns1.example.org") == EDGE_A, "the name server stays"


def test_dropped_dns_leaves_the_zone_with_its_keys_and_no_names() -> None:
    items = compiled(measure(Remedy.DROP_DNS, "example.org", whole=True))
    assert set(items) == {
        "zone/example.org",
        "rrset/example.org/example.org/NS",
        "rrset/example.org/ns1.example.org/A",
        "rrset/example.org/ns1.example.org/AAAA",
    }
    assert items["zone/example.org"] == compiled()["zone/example.org"]


def test_dropped_dns_of_one_host_takes_its_addresses_from_its_aliases() -> None:
    items = compiled(measure(Remedy.DROP_DNS, "shop.example.org"))
    assert answers(items, "shop.example.org") == {}
    assert "A" not in answers(items, "example.org")
    assert answers(items, "blog.example.org") == EDGE_A


def test_the_widest_of_several_remedies_is_what_is_seen() -> None:
    items = compiled(
        measure(Remedy.CHALLENGE, "shop.example.org"), measure(Remedy.DROP_PROXY, "example.org", whole=True)
    )
    assert "site/shop.example.org" not in items
    assert EDGE.edge_addresses[0] not in answers(items, "shop.example.org")["A"][1]


def test_forwarding_changes_nothing() -> None:
    assert compiled(measure(Remedy.FORWARD, "shop.example.org")) == compiled()
