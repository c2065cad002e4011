"""Sites: added, changed, removed, and the addresses behind their names."""

from __future__ import annotations

import pytest

from rempart.controller.intents import OPERATOR, Actor, ActorKind, Intents
from rempart.controller.store.database import Store
from rempart.model.errors import Conflict, InvalidInput, NeedsConfirmation, NotFound
from rempart.model.records import RecordDraft
from rempart.model.sites import Origin, OriginTls, SiteLimits
from rempart.snapshot.items import SiteItem
from tests.controller.intents.conftest import Clock, dump, published

TOKEN = Actor(kind=ActorKind.TOKEN, id="t", account_id="00000000000000000000000000000001")


def origin(host: str = "203.0.113.1", port: int = 8080, **fields: object) -> Origin:
    return Origin.model_validate({"host": host, "port": port, **fields})


def site_item(intents: Intents, host: str) -> SiteItem:
    item = published(intents)[f"site/{host}"]
    assert isinstance(item, SiteItem)
    return item


def test_a_site_makes_the_zone_of_its_registrable_domain(intents: Intents) -> None:
    written = intents.sites.add(OPERATOR, "Shop.Example.CO.UK", (origin(),))
    assert written.value.host == "shop.example.co.uk"
    assert intents.zones.get("example.co.uk").id == written.value.zone_id
    assert written.revision == 1, "zone and site in one revision"
    assert site_item(intents, "shop.example.co.uk").origins[0].address == "203.0.113.1"


def test_a_site_joins_the_longest_zone_that_encloses_it(intents: Intents) -> None:
    intents.zones.create(OPERATOR, "example.org")
    sub = intents.zones.create(OPERATOR, "sub.example.org").value
    assert intents.sites.add(OPERATOR, "a.sub.example.org", (origin(),)).value.zone_id == sub.id
    assert intents.sites.add(OPERATOR, "*.sub.example.org", (origin(),)).value.zone_id == sub.id


def test_the_zone_may_be_named(intents: Intents) -> None:
    site = intents.sites.add(OPERATOR, "a.b.example.org", (origin(),), zone="b.example.org").value
    assert intents.zones.get("b.example.org").id == site.zone_id
    with pytest.raises(InvalidInput, match="not in the zone"):
        intents.sites.add(OPERATOR, "c.example.org", (origin(),), zone="example.net")
    intents.zones.create(OPERATOR, "example.org")
    with pytest.raises(InvalidInput, match=r"b\.example\.org answers"):
        intents.sites.add(OPERATOR, "d.b.example.org", (origin(),), zone="example.org")


def test_adding_again_is_nothing_new_and_adding_otherwise_a_conflict(
    intents: Intents, store: Store, clock: Clock
) -> None:
    first = intents.sites.add(OPERATOR, "www.example.org", (origin(),))
    before = dump(store)
    clock.forward(5)
    again = intents.sites.add(OPERATOR, "www.example.org", (origin(),))
    assert (again.value, again.revision, bool(again.plan)) == (first.value, first.revision, False)
    with pytest.raises(Conflict):
        intents.sites.add(OPERATOR, "www.example.org", (origin(port=81),))
    assert dump(store) == before


@pytest.mark.parametrize(
    ("host", "origins"),
    [
        ("no host", (origin(),)),
        ("com", (origin(),)),
        ("www.example.org", ()),
        ("www.example.org", (origin("www.example.org"),)),
        ("www.example.org", (origin("bad name"),)),
        ("www.example.org", (origin(), origin())),
        ("www.example.org", (origin("0.0.0.0"),)),
        ("www.example.org", (origin("224.0.0.1"),)),
        ("www.example.org", (origin("127.0.0.1", 80),)),
        ("www.example.org", (origin("192.0.2.80", 443),)),
        ("www.example.org", (origin("169.254.169.254"),)),
    ],
)
def test_what_cannot_be_changes_nothing(
    intents: Intents, store: Store, host: str, origins: tuple[Origin, ...]
) -> None:
    before = dump(store)
    with pytest.raises(InvalidInput):
        intents.sites.add(OPERATOR, host, origins)
    assert dump(store) == before


def test_the_operator_may_name_loopback_and_others_may_not(intents: Intents) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        with pytest.raises(InvalidInput, match="loopback"):
            intents.sites.add(TOKEN, "www.example.org", (origin(host),))
    site = intents.sites.add(OPERATOR, "www.example.org", (origin("localhost"), origin("[::1]"))).value
    assert [one.host for one in site.origins] == ["127.0.0.1", "::1"]
    assert [one.address for one in site_item(intents, "www.example.org").origins] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(("kind", "content"), [("CNAME", "example.net"), ("A", "192.0.2.80")])
def test_the_address_that_a_name_had_becomes_proxied(intents: Intents, kind: str, content: str) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    draft = RecordDraft.model_validate({"type": kind, "name": "www", "content": content, "ttl": 3600})
    record = intents.records.create(OPERATOR, zone.id, draft).value
    intents.sites.add(OPERATOR, "www.example.org", (origin(),))
    after = intents.records.get(zone.id, record.id)
    assert (after.proxied, after.ttl, after.content) == (True, 1, content)
    assert site_item(intents, "www.example.org").origins[0].address == origin().host


def test_a_zone_file_from_elsewhere_names_the_sites_old_address(intents: Intents) -> None:
    site = intents.sites.add(OPERATOR, "www.example.org", (origin(),)).value
    draft = RecordDraft.model_validate({"type": "A", "name": "www", "content": "192.0.2.80"})
    written = intents.records.import_drafts(OPERATOR, site.zone_id, [draft])
    assert written.value.added == 1
    assert [one.proxied for one in intents.records.export(site.zone_id)] == [True]
    assert site_item(intents, "www.example.org").origins[0].address == origin().host


def test_changing_changes_what_is_given(intents: Intents, clock: Clock) -> None:
    site = intents.sites.add(OPERATOR, "www.example.org", (origin(),)).value
    clock.forward(5)
    written = intents.sites.change(OPERATOR, site.id, limits=SiteLimits(requests_per_client=7))
    assert written.value.origins == site.origins
    assert written.value.modified_on == clock.now
    assert [step.key for step in written.plan.steps] == ["site/www.example.org"]
    assert site_item(intents, "www.example.org").limits.requests_per_client == 7
    same = intents.sites.change(OPERATOR, "WWW.example.org", limits=SiteLimits(requests_per_client=7))
    assert not same.plan
    assert same.value == written.value
    with pytest.raises(NotFound):
        intents.sites.change(OPERATOR, "other.example.org", https_redirect=False)


def test_somebody_must_be_given_the_visitors(intents: Intents) -> None:
    idle = (origin(weight=0), origin("192.0.2.2", weight=0, backup=True))
    with pytest.raises(InvalidInput, match="weight 0") as caught:
        intents.sites.add(OPERATOR, "www.example.org", idle)
    assert caught.value.field == "origins"
    assert intents.sites.list().total == 0
    intents.sites.add(OPERATOR, "www.example.org", (*idle, origin("192.0.2.3")))
    with pytest.raises(InvalidInput, match="weight 0"):
        intents.sites.change(OPERATOR, "www.example.org", origins=idle[:1])


def test_removing_takes_its_addresses_with_it(intents: Intents) -> None:
    site = intents.sites.add(OPERATOR, "www.example.org", (origin(),)).value
    assert intents.sites.remove(OPERATOR, "www.example.org").value == site
    assert not [key for key in published(intents) if "www" in key]
    with pytest.raises(NotFound):
        intents.sites.get("www.example.org")


def test_removing_many_sites_with_their_zone_needs_confirmation(intents: Intents) -> None:
    for number in range(10):
        intents.sites.add(OPERATOR, f"w{number}.example.org", (origin(),))
    zone = intents.zones.get("example.org")
    with pytest.raises(NeedsConfirmation) as caught:
        intents.zones.delete(OPERATOR, zone.id)
    assert caught.value.reasons == ("deletes the zone example.org with 10 sites",)
    assert intents.sites.list(zone_id=zone.id).total == 10


def test_names_of_origins_wait_for_their_addresses(intents: Intents, clock: Clock) -> None:
    intents.sites.add(OPERATOR, "www.example.org", (origin("app.example.net", tls=OriginTls.STRICT),))
    assert site_item(intents, "www.example.org").origins == ()
    assert intents.resolutions.names_to_resolve(clock.now) == ("app.example.net",)
    written = intents.resolutions.record_resolution("app.example.net", ("198.51.100.1",), 60, clock.now)
    assert written.value == ("app.example.net",)
    (server,) = site_item(intents, "www.example.org").origins
    assert (server.address, server.sni) == ("198.51.100.1", "www.example.org")
    assert intents.resolutions.names_to_resolve(clock.now) == ()
    clock.forward(61)
    assert intents.resolutions.names_to_resolve(clock.now) == ("app.example.net",)


def test_the_same_answer_publishes_nothing(intents: Intents, clock: Clock) -> None:
    intents.sites.add(OPERATOR, "www.example.org", (origin("app.example.net"),))
    first = intents.resolutions.record_resolution("app.example.net", ("198.51.100.1",), 300, clock.now)
    for ttl in (250, 40, 300):
        again = intents.resolutions.record_resolution("app.example.net", ("198.51.100.1",), ttl, clock.now)
        assert (again.value, again.revision) == ((), first.revision)


def test_names_that_nobody_needs_are_forgotten(intents: Intents, clock: Clock) -> None:
    intents.sites.add(OPERATOR, "www.example.org", (origin("app.example.net"),))
    intents.resolutions.record_resolution("app.example.net", ("198.51.100.1",), 60, clock.now)
    intents.sites.remove(OPERATOR, "www.example.org")
    clock.forward(61)
    assert intents.resolutions.names_to_resolve(clock.now) == ()
    intents.resolutions.record_answers([], clock.now)
    assert intents.resolutions.get("app.example.net") is None
