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


def on_a_url(remedy: Remedy, path: str, *territory: str, host: str = "shop.example.org") -> Measure:
    return Measure(remedy=remedy, target=Target(host=host, path=path), territory=territory)


def test_remedies_on_urls_go_to_the_edge_in_one_spelling() -> None:
    block, warn = (
        on_a_url(Remedy.BLOCK_URL, "/%61//b/?t=%35&x"),
        on_a_url(Remedy.INTERSTITIAL, "/c", "LU", "FR"),
    )
    item = compiled(warn, block)["site/shop.example.org"]
    assert isinstance(item, SiteItem)
    first, second = item.remedies
    assert (first.remedy, first.path, first.territory, first.case) == (warn.remedy, "/c", ("FR", "LU"), "c1")
    assert (second.path, second.query, second.link) == ("/a/b", ("t=5", "x"), None)
    assert second.notice is not None
    assert item.model_copy(update={"remedies": ()}) == compiled()["site/shop.example.org"]
    assert all(
        not one.remedies
        for one in compiled(warn).values()
        if isinstance(one, SiteItem) and one.host != item.host
    )


def test_the_register_is_linked_to() -> None:
    view = MemoryZone(zone(), sites=(site("shop.example.org"),), measures=(on_a_url(Remedy.BLOCK_URL, "/a"),))
    surroundings = EDGE.model_copy(update={"register_url": "https://operator.example/register/"})
    item = compile_all(view, surroundings)["site/shop.example.org"]
    assert isinstance(item, SiteItem)
    assert item.remedies[0].link == "https://operator.example/register/c1"


def test_a_challenge_for_a_territory_leaves_the_owners_exemptions_to_everybody_else() -> None:
    challenge = measure(Remedy.CHALLENGE, "example.org", whole=True).model_copy(update={"territory": ("FR",)})
    for host in ("shop.example.org", "blog.example.org"):
        item = compiled(challenge)[f"site/{host}"]
        assert isinstance(item, SiteItem)
        assert not item.challenge
        assert [(one.remedy, one.path, one.territory) for one in item.remedies] == [
            (Remedy.CHALLENGE, None, ("FR",))
        ]
    shop = compiled(challenge)["site/shop.example.org"]
    assert isinstance(shop, SiteItem)
    assert shop.exemptions.paths == ("/api/",)


def test_a_closed_account_is_answered_for_no_longer_in_any_of_its_zones() -> None:
    """The measure names another zone of the same account."""
    items = compiled(measure(Remedy.CLOSE_ACCOUNT, "other.example", whole=True))
    assert answers(items, "shop.example.org") == {}
    assert not any(isinstance(one, SiteItem) for one in items.values())
    assert answers(items, "example.org").keys() == {"NS"}
