"""What records, sites and settings compile to."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from rempart.model.records import RecordFields
from rempart.model.sites import Origin, OriginTls, Site
from rempart.snapshot.build import compile_name
from rempart.snapshot.dependencies import Resolution, existence_key, name_key, resolution_key
from rempart.snapshot.items import Item, SiteItem, ZoneItem
from rempart.snapshot.surroundings import Endpoint, Surroundings
from tests.snapshot.memory import EDGE, NOW, MemoryZone, answers, compile_all, record, zone

EDGE_ANSWER = {"A": (300, ("192.0.2.80",)), "AAAA": (300, ("2001:db8::80",))}


def site(host: str, *origins: Origin | str) -> Site:
    servers = tuple(one if isinstance(one, Origin) else Origin(host=one, port=8080) for one in origins)
    return Site(id=host, zone_id="1", host=host, origins=servers, created_on=NOW, modified_on=NOW)


def resolved(**names: Iterable[str]) -> dict[str, Resolution]:
    """``cdn_example_net=["198.51.100.1"]`` → what is known of cdn.example.net."""
    return {
        name.replace("_", "."): Resolution(name=name.replace("_", "."), addresses=tuple(found), ttl=60)
        for name, found in names.items()
    }


def compiled(*records: RecordFields, surroundings: Surroundings = EDGE, **fields: object) -> dict[str, Item]:
    settings = fields.pop("zone", None) or zone()
    return compile_all(MemoryZone(settings, records, **fields), surroundings)  # type: ignore[arg-type]


def site_of(items: dict[str, Item], host: str) -> SiteItem:
    item = items[f"site/{host}"]
    assert isinstance(item, SiteItem)
    return item


def servers(items: dict[str, Item], host: str) -> list[tuple[str, int, str, str | None]]:
    return [(one.address, one.port, one.tls.value, one.sni) for one in site_of(items, host).origins]


class TestZone:
    def test_a_new_zone_is_served_by_ns1_with_glue(self) -> None:
        items = compiled()
        assert answers(items, "example.org") == {"NS": (3600, ("ns1.example.org.",))}
        assert answers(items, "ns1.example.org") == EDGE_ANSWER
        soa = items["zone/example.org"]
        assert isinstance(soa, ZoneItem)
        assert (soa.soa_mname, soa.soa_rname) == ("ns1.example.org", "hostmaster.example.org")

    def test_configured_name_servers_need_no_glue(self) -> None:
        surroundings = EDGE.model_copy(
            update={"nameservers": ("b.ns.example", "a.ns.example"), "secondary_names": ("c.ns.example",)}
        )
        items = compiled(surroundings=surroundings)
        names = ("a.ns.example.", "b.ns.example.", "c.ns.example.")
        assert answers(items, "example.org") == {"NS": (3600, names)}
        assert answers(items, "ns1.example.org") == {}
        soa = items["zone/example.org"]
        assert isinstance(soa, ZoneItem)
        assert soa.soa_mname == "b.ns.example", "the first configured name is the primary"

    @pytest.mark.parametrize(
        ("contact", "rname"),
        [
            ("hostmaster", "hostmaster.example.org"),
            ("dns.operator.example", "dns.operator.example"),
            ("dns.operator.example.", "dns.operator.example"),
            ("first.last@operator.example", r"first\.last.operator.example"),
        ],
    )
    def test_the_contact_may_be_written_in_three_ways(self, contact: str, rname: str) -> None:
        items = compiled(surroundings=EDGE.model_copy(update={"contact": contact}))
        soa = items["zone/example.org"]
        assert isinstance(soa, ZoneItem)
        assert soa.soa_rname == rname

    def test_ns1_is_ours_even_where_the_owner_has_another(self) -> None:
        items = compiled(record("A", "ns1", "203.0.113.9"), record("TXT", "ns1", '"x"'))
        assert answers(items, "ns1.example.org") == {**EDGE_ANSWER, "TXT": (300, ('"x"',))}


class TestRRsets:
    def test_records_of_one_type_share_the_smallest_ttl(self) -> None:
        items = compiled(
            record("A", "www", "203.0.113.2", ttl=600), record("A", "www", "203.0.113.1", ttl=60)
        )
        assert answers(items, "www.example.org") == {"A": (60, ("203.0.113.1", "203.0.113.2"))}

    def test_automatic_ttl_is_five_minutes(self) -> None:
        items = compiled(record("MX", "@", "mail.example.org", priority=10))
        assert answers(items, "example.org")["MX"] == (300, ("10 mail.example.org.",))

    def test_an_unproxied_cname_stays_one(self) -> None:
        items = compiled(record("CNAME", "www", "host.example.net", ttl=120))
        assert answers(items, "www.example.org") == {"CNAME": (120, ("host.example.net.",))}
        assert "site/www.example.org" not in items

    @pytest.mark.parametrize(
        ("type_", "content"), [("A", "203.0.113.1"), ("AAAA", "2001:db8:1::1"), ("CNAME", "host.example.net")]
    )
    def test_a_proxied_name_answers_with_the_edge(self, type_: str, content: str) -> None:
        items = compiled(record(type_, "www", content, proxied=True), record("TXT", "www", '"x"'))
        assert answers(items, "www.example.org") == {**EDGE_ANSWER, "TXT": (300, ('"x"',))}
        assert "site/www.example.org" in items

    def test_an_explicit_site_answers_with_the_edge_without_any_record(self) -> None:
        items = compiled(sites=[site("www.example.org", "203.0.113.1")])
        assert answers(items, "www.example.org") == EDGE_ANSWER

    def test_a_wildcard_site_is_a_wildcard_name(self) -> None:
        items = compiled(sites=[site("*.example.org", "203.0.113.1")])
        assert answers(items, "*.example.org") == EDGE_ANSWER
        assert servers(items, "*.example.org") == [("203.0.113.1", 8080, "off", None)]

    def test_a_paused_zone_answers_with_the_origins_and_keeps_its_sites(self) -> None:
        items = compiled(record("A", "www", "203.0.113.1", proxied=True), zone=zone(paused=True))
        assert answers(items, "www.example.org") == {"A": (300, ("203.0.113.1",))}
        assert servers(items, "www.example.org") == [("203.0.113.1", 80, "off", None)]

    def test_a_paused_zone_keeps_names_at_the_edge_that_have_no_record_of_their_own(self) -> None:
        items = compiled(zone=zone(paused=True), sites=[site("www.example.org", "203.0.113.1")])
        assert answers(items, "www.example.org") == EDGE_ANSWER


class TestFlattening:
    def test_a_cname_at_the_apex_is_always_flattened(self) -> None:
        found = resolved(cdn_example_net=["198.51.100.1", "2001:db8:2::1"])
        items = compiled(
            record("CNAME", "@", "cdn.example.net", ttl=120),
            record("MX", "@", "m.example.org", priority=1),
            resolutions=found,
        )
        apex = answers(items, "example.org")
        assert apex.keys() == {"NS", "MX", "A", "AAAA"}
        assert apex["A"] == (60, ("198.51.100.1",)), "the smaller of both TTLs"
        assert apex["AAAA"] == (60, ("2001:db8:2::1",))

    def test_an_apex_without_an_answer_has_no_address(self) -> None:
        items = compiled(record("CNAME", "@", "cdn.example.net"))
        assert answers(items, "example.org").keys() == {"NS"}

    def test_elsewhere_a_cname_serves_until_its_target_was_asked_for(self) -> None:
        flat = record("CNAME", "www", "cdn.example.net", flatten_cname=True)
        assert answers(compiled(flat), "www.example.org").keys() == {"CNAME"}
        denied = compiled(flat, resolutions=resolved(cdn_example_net=[]))
        assert answers(denied, "www.example.org") == {}

    def test_a_target_in_the_zone_needs_no_resolver(self) -> None:
        items = compiled(
            record("CNAME", "one", "two.example.org", flatten_cname=True, ttl=600),
            record("CNAME", "two", "three.example.org", ttl=200),
            record("A", "three", "203.0.113.3", ttl=400),
        )
        assert answers(items, "one.example.org") == {"A": (200, ("203.0.113.3",))}
        assert answers(items, "two.example.org").keys() == {"CNAME"}

    def test_flatten_all_cnames_flattens_the_whole_zone(self) -> None:
        items = compiled(
            record("CNAME", "one", "two.example.org"),
            record("A", "two", "203.0.113.2"),
            zone=zone(flatten_all_cnames=True),
        )
        assert answers(items, "one.example.org") == {"A": (300, ("203.0.113.2",))}

    def test_a_proxied_target_means_the_edge(self) -> None:
        items = compiled(
            record("CNAME", "one", "two.example.org", flatten_cname=True),
            record("A", "two", "203.0.113.2", proxied=True),
        )
        assert answers(items, "one.example.org") == EDGE_ANSWER
        assert "site/one.example.org" not in items

    @pytest.mark.parametrize("target", ["a.example.org", "b.example.org"])
    def test_loops_have_no_address(self, target: str) -> None:
        items = compiled(
            record("CNAME", "@", target),
            record("CNAME", "a", "b.example.org", flatten_cname=True),
            record("CNAME", "b", "a.example.org", flatten_cname=True),
        )
        assert answers(items, "example.org").keys() == {"NS"}
        assert answers(items, "a.example.org") == {}

    def test_a_chain_that_is_too_long_has_no_address(self) -> None:
        links = [record("CNAME", f"n{n}", f"n{n + 1}.example.org") for n in range(20)]
        first = record("CNAME", "@", "n0.example.org")
        items = compiled(first, *links, record("A", "n20", "203.0.113.1"))
        assert answers(items, "example.org").keys() == {"NS"}

    def test_a_wildcard_answers_for_names_that_do_not_exist(self) -> None:
        flat = record("CNAME", "@", "q.b.example.org")
        star = record("A", "*.b", "203.0.113.4")
        assert answers(compiled(flat, star), "example.org")["A"] == (300, ("203.0.113.4",))
        above = record("A", "*", "203.0.113.5")
        assert "A" not in answers(compiled(flat, above, record("TXT", "b", '"x"')), "example.org"), (
            "b.example.org exists, so *.example.org is not for what lies below it"
        )
        assert "A" not in answers(compiled(flat, star, record("TXT", "x.q.b", '"x"')), "example.org"), (
            "q.b.example.org is an empty non-terminal"
        )

    def test_a_delegated_target_is_asked_of_resolvers(self) -> None:
        items = compiled(
            record("CNAME", "@", "www.sub.example.org"),
            record("NS", "sub", "ns.example.net"),
            record("A", "www.sub", "203.0.113.6"),
            resolutions=resolved(www_sub_example_org=["198.51.100.6"]),
        )
        assert answers(items, "example.org")["A"] == (60, ("198.51.100.6",))

    def test_a_target_in_a_child_zone_is_asked_of_resolvers(self) -> None:
        items = compiled(
            record("CNAME", "@", "www.sub.example.org"),
            child_zones=["sub.example.org"],
            resolutions=resolved(www_sub_example_org=["198.51.100.6"]),
        )
        assert answers(items, "example.org")["A"] == (60, ("198.51.100.6",))


class TestSites:
    @pytest.mark.parametrize(
        ("ssl", "server", "redirect"),
        [
            ("off", ("203.0.113.1", 80, "off", None), False),
            ("flexible", ("203.0.113.1", 80, "off", None), True),
            ("full", ("203.0.113.1", 443, "full", "www.example.org"), True),
            ("strict", ("203.0.113.1", 443, "strict", "www.example.org"), True),
        ],
    )
    def test_the_ssl_setting_says_how_proxied_records_are_reached(
        self, ssl: str, server: tuple[str, int, str, str | None], redirect: bool
    ) -> None:
        items = compiled(record("A", "www", "203.0.113.1", proxied=True), zone=zone(ssl=ssl))
        assert servers(items, "www.example.org") == [server]
        assert site_of(items, "www.example.org").https_redirect is redirect

    def test_always_use_https_may_be_switched_off(self) -> None:
        items = compiled(record("A", "www", "203.0.113.1", proxied=True), zone=zone(always_use_https=False))
        assert not site_of(items, "www.example.org").https_redirect

    def test_all_address_records_are_origins(self) -> None:
        items = compiled(
            record("A", "www", "203.0.113.2", proxied=True),
            record("A", "www", "203.0.113.1", proxied=True),
            record("AAAA", "www", "2001:db8:1::1", proxied=True),
        )
        assert [one[0] for one in servers(items, "www.example.org")] == [
            "2001:db8:1::1",
            "203.0.113.1",
            "203.0.113.2",
        ]

    def test_a_proxied_cname_reaches_what_resolvers_say(self) -> None:
        alias = record("CNAME", "www", "app.example.net", proxied=True)
        items = compiled(alias, resolutions=resolved(app_example_net=["198.51.100.1", "198.51.100.2"]))
        assert [one[0] for one in servers(items, "www.example.org")] == ["198.51.100.1", "198.51.100.2"]
        assert servers(compiled(alias), "www.example.org") == [], "not asked yet: 503"

    def test_a_proxied_cname_to_a_proxied_name_reaches_its_origin_not_the_edge(self) -> None:
        items = compiled(
            record("CNAME", "www", "example.org", proxied=True),
            record("A", "@", "203.0.113.1", proxied=True),
        )
        assert servers(items, "www.example.org") == [("203.0.113.1", 80, "off", None)]

    def test_a_proxied_cname_to_a_site_has_that_sites_origins(self) -> None:
        origin = Origin(host="203.0.113.7", port=8443, tls=OriginTls.STRICT, max_connections=7)
        items = compiled(
            record("CNAME", "www", "shop.example.org", proxied=True), sites=[site("shop.example.org", origin)]
        )
        assert servers(items, "www.example.org") == [("203.0.113.7", 8443, "strict", "shop.example.org")]
        assert site_of(items, "www.example.org").origins[0].max_connections == 7

    def test_an_explicit_site_wins_over_the_record(self) -> None:
        items = compiled(
            record("A", "www", "203.0.113.1", proxied=True), sites=[site("www.example.org", "203.0.113.2")]
        )
        assert servers(items, "www.example.org") == [("203.0.113.2", 8080, "off", None)]

    def test_an_origin_named_in_the_zone_is_read_from_its_records(self) -> None:
        items = compiled(
            record("A", "server", "203.0.113.1"),
            sites=[site("www.example.org", "server.example.org")],
        )
        assert servers(items, "www.example.org") == [("203.0.113.1", 8080, "off", None)]

    def test_an_origin_that_is_a_site_itself_means_the_servers_behind(self) -> None:
        items = compiled(
            sites=[site("www.example.org", "shop.example.org"), site("shop.example.org", "203.0.113.1")]
        )
        assert servers(items, "www.example.org") == [("203.0.113.1", 8080, "off", None)]

    def test_origins_in_a_circle_are_none(self) -> None:
        items = compiled(
            sites=[site("a.example.org", "b.example.org"), site("b.example.org", "a.example.org")]
        )
        assert servers(items, "a.example.org") == servers(items, "b.example.org") == []

    def test_an_origin_appears_once_per_address_and_port(self) -> None:
        items = compiled(
            sites=[site("www.example.org", "198.51.100.1", "app.example.net")],
            resolutions=resolved(app_example_net=["198.51.100.1"]),
        )
        assert len(servers(items, "www.example.org")) == 1

    def test_names_may_not_lead_where_the_policy_forbids(self) -> None:
        found = resolved(app_example_net=["127.0.0.1", "169.254.169.254", "224.0.0.1", "10.0.0.1"])
        items = compiled(sites=[site("www.example.org", "app.example.net")], resolutions=found)
        assert [one[0] for one in servers(items, "www.example.org")] == ["10.0.0.1"]

    def test_names_may_not_lead_back_to_the_edge(self) -> None:
        surroundings = EDGE.model_copy(update={"endpoints": (Endpoint(address=None, port=80),)})
        alias = record("CNAME", "www", "app.example.net", proxied=True)
        items = compiled(
            alias,
            surroundings=surroundings,
            resolutions=resolved(app_example_net=["192.0.2.80", "198.51.100.1"]),
        )
        assert [one[0] for one in servers(items, "www.example.org")] == ["198.51.100.1"]

    def test_addresses_of_unproxied_names_in_the_zone_are_held_to_the_policy(self) -> None:
        items = compiled(
            record("CNAME", "www", "inside.example.org", proxied=True), record("A", "inside", "127.0.0.1")
        )
        assert servers(items, "www.example.org") == []

    def test_a_site_in_a_child_zone_is_that_zones(self) -> None:
        items = compiled(record("A", "www.sub", "203.0.113.1", proxied=True), child_zones=["sub.example.org"])
        assert "site/www.sub.example.org" not in items


class TestDependencies:
    def test_a_plain_name_looks_at_nothing_else(self) -> None:
        view = MemoryZone(zone(), [record("A", "www", "203.0.113.1", proxied=True)])
        assert compile_name(view, "www.example.org", EDGE).keys == frozenset()

    def test_what_flattening_looks_at_is_noted(self) -> None:
        view = MemoryZone(
            zone(),
            [
                record("CNAME", "one", "two.example.org", flatten_cname=True),
                record("CNAME", "two", "cdn.example.net"),
            ],
        )
        keys = compile_name(view, "one.example.org", EDGE).keys
        assert {name_key("example.org", "two.example.org"), resolution_key("cdn.example.net")} <= keys

    def test_a_name_that_does_not_exist_is_noted(self) -> None:
        view = MemoryZone(zone(), [record("CNAME", "one", "x.y.example.org", flatten_cname=True)])
        keys = compile_name(view, "one.example.org", EDGE).keys
        assert {existence_key("example.org", f"{name}example.org") for name in ("x.y.", "y.")} <= keys
        assert name_key("example.org", "*.example.org") in keys

    def test_a_name_without_rows_has_no_items(self) -> None:
        assert compile_name(MemoryZone(zone()), "www.example.org", EDGE).items == ()
