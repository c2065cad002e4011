"""Zones: created, edited, deleted, found."""

from __future__ import annotations

import pytest

from rempart.controller.intents import OPERATOR, Actor, ActorKind, Intents
from rempart.controller.store.database import Store
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, InvalidInput, NeedsConfirmation, NotFound
from rempart.model.records import RecordDraft
from rempart.model.sites import Origin
from rempart.model.zones import SslMode, ZoneSettings, ZoneStatus
from tests.controller.intents.conftest import Clock, dump, published


def a(name: str, content: str = "203.0.113.1", **fields: object) -> RecordDraft:
    return RecordDraft.model_validate({"type": "A", "name": name, "content": content, **fields})


def owner_of(intents: Intents, name: str) -> Actor:
    account = intents.accounts.create(OPERATOR, name).value
    return Actor(kind=ActorKind.TOKEN, id="t", account_id=account.id)


def test_a_zone_is_created_pending_and_published_at_once(intents: Intents) -> None:
    written = intents.zones.create(OPERATOR, "Bücher.Example.")
    assert written.value.name == "xn--bcher-kva.example"
    assert written.value.status is ZoneStatus.PENDING
    assert written.value.account_id == intents.accounts.default().id
    assert written.revision == 1
    assert "zone/xn--bcher-kva.example" in published(intents)
    assert intents.zones.get(written.value.id) == intents.zones.get(written.value.name) == written.value


@pytest.mark.parametrize("name", ["", "com", "exa mple.org", "x..org", "1.2.3.4", "x" * 64 + ".org"])
def test_what_is_no_zone_changes_nothing(intents: Intents, store: Store, name: str) -> None:
    before = dump(store)
    with pytest.raises(InvalidInput):
        intents.zones.create(OPERATOR, name)
    assert dump(store) == before


def test_a_second_zone_of_the_name_is_a_conflict_1061(intents: Intents, store: Store) -> None:
    intents.zones.create(OPERATOR, "example.org")
    before = dump(store)
    with pytest.raises(Conflict) as caught:
        intents.zones.create(OPERATOR, "EXAMPLE.org.")
    assert caught.value.code == 1061
    assert dump(store) == before


def test_listing_pages_and_filters(intents: Intents) -> None:
    for name in ("c.example", "a.example", "b.example", "a.test"):
        intents.zones.create(OPERATOR, name)
    first = intents.zones.list(page=1, per_page=3)
    assert [zone.name for zone in first.items] == ["a.example", "a.test", "b.example"]
    assert first.total == 4
    assert [zone.name for zone in intents.zones.list(page=2, per_page=3).items] == ["c.example"]
    assert intents.zones.list(name="b.example").total == 1
    assert intents.zones.list(name_contains="%").total == 0
    assert intents.zones.list(name_contains=".test").total == 1
    assert intents.zones.list(account_id="none").total == 0
    for page, per_page in ((0, 10), (1, 0), (1, 10_000)):
        with pytest.raises(InvalidInput):
            intents.zones.list(page=page, per_page=per_page)


def test_editing_changes_what_is_given_and_nothing_twice(intents: Intents, clock: Clock) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    intents.records.create(OPERATOR, zone.id, a("www", proxied=True))
    clock.forward(10)
    full = intents.zones.change_settings(OPERATOR, zone.id, ssl=SslMode.FULL)
    assert full.value.settings == ZoneSettings(ssl=SslMode.FULL)
    assert full.value.modified_on == clock.now
    assert [step.key for step in full.plan.steps] == ["site/www.example.org"]
    clock.forward(10)
    again = intents.zones.change_settings(OPERATOR, zone.id, ssl=SslMode.FULL)
    assert again.value == full.value
    assert (again.revision, bool(again.plan)) == (full.revision, False)
    signed = intents.zones.set_dnssec(OPERATOR, zone.id, True)
    assert [step.key for step in signed.plan.steps] == ["zone/example.org"]
    assert signed.value.settings.ssl is SslMode.FULL
    paused = intents.zones.edit(OPERATOR, zone.id, paused=True, status=ZoneStatus.ACTIVE)
    assert paused.value.paused
    assert paused.value.status is ZoneStatus.ACTIVE
    assert {step.key for step in paused.plan.steps} == {
        "rrset/example.org/www.example.org/A",
        "rrset/example.org/www.example.org/AAAA",
    }


def test_an_empty_zone_is_deleted_by_its_command(intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    intents.zones.delete(OPERATOR, zone.id)
    assert published(intents) == {}
    with pytest.raises(NotFound):
        intents.zones.get("example.org")
    with pytest.raises(NotFound):
        intents.zones.delete(OPERATOR, zone.id)


def test_whoever_cannot_be_asked_is_taken_at_their_word_and_recorded(intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    intents.records.import_drafts(OPERATOR, zone.id, [a(f"n{number}") for number in range(20)])
    intents.zones.delete(OPERATOR, zone.id, ask=False)
    assert published(intents) == {}
    entry = intents.audit.list().items[0]
    assert (entry.action, entry.subject) == ("zone.delete", "example.org")
    assert "- rrset n7.example.org A" in entry.summary


def test_one_record_or_one_site_is_reason_enough_to_ask(intents: Intents) -> None:
    small = intents.zones.create(OPERATOR, "example.org").value
    intents.records.create(OPERATOR, small.id, a("www"))
    with pytest.raises(NeedsConfirmation) as caught:
        intents.zones.delete(OPERATOR, small.id)
    assert caught.value.reasons == ("deletes the zone example.org with 1 record",)
    intents.sites.add(OPERATOR, "shop.example.net", (Origin(host="192.0.2.1", port=80),))
    with pytest.raises(NeedsConfirmation) as caught:
        intents.zones.delete(OPERATOR, intents.zones.get("example.net").id)
    assert caught.value.reasons == ("deletes the zone example.net with 1 site",)


def test_a_larger_zone_needs_its_plans_digest(intents: Intents, store: Store) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    intents.records.import_drafts(OPERATOR, zone.id, [a(f"n{number}") for number in range(10)])
    before = dump(store)
    with pytest.raises(NeedsConfirmation) as caught:
        intents.zones.delete(OPERATOR, zone.id)
    assert caught.value.reasons == ("deletes the zone example.org with 10 records",)
    assert "- zone example.org" in caught.value.summary
    with pytest.raises(NeedsConfirmation):
        intents.zones.delete(OPERATOR, zone.id, confirm="0123456789abcdef")
    assert dump(store) == before
    intents.zones.delete(OPERATOR, zone.id, confirm=caught.value.digest)
    assert published(intents) == {}


def test_a_digest_confirms_only_what_it_was_made_of(intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    intents.records.import_drafts(OPERATOR, zone.id, [a(f"n{number}") for number in range(10)])
    with pytest.raises(NeedsConfirmation) as caught:
        intents.zones.delete(OPERATOR, zone.id)
    intents.records.create(OPERATOR, zone.id, a("meanwhile"))
    with pytest.raises(NeedsConfirmation):
        intents.zones.delete(OPERATOR, zone.id, confirm=caught.value.digest)


def test_owners_do_not_see_or_cross_each_others_zones(intents: Intents) -> None:
    one, other = owner_of(intents, "one"), owner_of(intents, "other")
    zone = intents.zones.create(one, "example.org").value
    assert zone.account_id == one.account_id
    with pytest.raises(NotFound):
        intents.zones.edit(other, zone.id, paused=True)
    with pytest.raises(NotFound):
        intents.zones.delete(other, zone.id)
    with pytest.raises(NotFound):
        intents.records.create(other, zone.id, a("www"))
    with pytest.raises(NotFound):
        intents.sites.add(other, "www.example.org", (Origin(host="203.0.113.1", port=80),))
    with pytest.raises(Conflict):
        intents.zones.create(other, "sub.example.org")
    with pytest.raises(InvalidInput):
        intents.zones.create(one, "example.net", account_id=other.account_id)
    with pytest.raises(InvalidInput):
        intents.zones.create(one, "co.uk")
    intents.zones.create(one, "deep.sub.example.net")
    with pytest.raises(Conflict):
        intents.zones.create(other, "example.net")
    assert intents.zones.create(OPERATOR, "sub.example.org").value.name == "sub.example.org"


def test_a_child_zone_takes_over_the_sites_below_its_name(intents: Intents) -> None:
    intents.zones.create(OPERATOR, "example.org")
    intents.sites.add(OPERATOR, "www.sub.example.org", (Origin(host="203.0.113.1", port=80),))
    child = intents.zones.create(OPERATOR, "sub.example.org")
    assert "site/www.sub.example.org" not in {step.key for step in child.plan.steps}
    items = published(intents)
    assert "rrset/example.org/www.sub.example.org/A" not in items
    assert "rrset/sub.example.org/www.sub.example.org/A" in items
    intents.sites.remove(OPERATOR, "www.sub.example.org")
    assert not [key for key in published(intents) if "www.sub" in key]
    assert intents.zones.enclosing("a.www.sub.example.org") == child.value
    assert intents.zones.enclosing("example.net") is None


def test_applying_the_configuration_publishes_differences_only(
    intents: Intents, store: Store, configuration: Configuration, clock: Clock
) -> None:
    zone = intents.zones.create(OPERATOR, "example.org").value
    intents.records.create(OPERATOR, zone.id, a("www", proxied=True))
    intents.records.create(OPERATOR, zone.id, a("plain"))
    again = Intents(store, configuration, clock=clock).apply_configuration()
    assert (again.value, bool(again.plan)) == (False, False)
    dns = configuration.dns.model_copy(update={"nameservers": ("ns.operator.example",)})
    other = Intents(store, configuration.model_copy(update={"dns": dns}), clock=clock)
    written = other.apply_configuration()
    assert written.value
    assert {step.key for step in written.plan.steps} == {
        "zone/example.org",
        "rrset/example.org/example.org/NS",
        "rrset/example.org/ns1.example.org/A",
        "rrset/example.org/ns1.example.org/AAAA",
    }
    assert written.revision == again.revision + 1


def test_commits_that_publish_are_announced(store: Store, configuration: Configuration, clock: Clock) -> None:
    rings: list[int] = []
    intents = Intents(store, configuration, clock=clock, on_commit=lambda: rings.append(1))
    zone = intents.zones.create(OPERATOR, "example.org").value
    assert len(rings) == 1
    intents.accounts.create(OPERATOR, "x")
    intents.zones.edit(OPERATOR, zone.id, status=ZoneStatus.ACTIVE)
    with pytest.raises(Conflict):
        intents.zones.create(OPERATOR, "example.org")
    assert len(rings) == 1
