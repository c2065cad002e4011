"""Records: created, replaced, patched, deleted, listed, in batches and imports."""

from __future__ import annotations

import pytest

from rempart.controller.intents import OPERATOR, Actor, ActorKind, Intents
from rempart.controller.intents.record_values import RecordBatch, RecordFilter, RecordPatch
from rempart.controller.store.database import Store
from rempart.model.errors import Conflict, InvalidInput, NeedsConfirmation, NotFound, RempartError
from rempart.model.records import RecordDraft, RecordType
from rempart.model.sites import Origin
from rempart.model.zones import Zone
from tests.controller.intents.conftest import Clock, dump, published

TOKEN = Actor(kind=ActorKind.TOKEN, id="t", account_id="00000000000000000000000000000001")


@pytest.fixture
def zone(intents: Intents) -> Zone:
    return intents.zones.create(OPERATOR, "example.org").value


def draft(type_: str, name: str, content: str, **fields: object) -> RecordDraft:
    return RecordDraft.model_validate({"type": type_, "name": name, "content": content, **fields})


def a(name: str, content: str = "203.0.113.1", **fields: object) -> RecordDraft:
    return draft("A", name, content, **fields)


def names(intents: Intents, zone: Zone, **wanted: object) -> list[str]:
    page = intents.records.list(zone.id, RecordFilter.model_validate(wanted))
    return [record.name.removesuffix(".example.org") for record in page.items]


def test_a_created_record_is_published_at_the_next_revision(intents: Intents, zone: Zone) -> None:
    written = intents.records.create(OPERATOR, zone.id, a("WWW"))
    assert written.revision == 2
    assert [step.key for step in written.plan.steps] == ["rrset/example.org/www.example.org/A"]
    assert intents.records.get(zone.id, written.value.id) == written.value
    assert intents.records.export(zone.id) == (written.value,)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (a("www"), 81058),
        (a("www", ttl=600), 81057),
        (draft("CNAME", "www", "example.net"), 81053),
        (draft("A", "alias", "203.0.113.1"), 81054),
    ],
)
def test_contradictions_are_conflicts_and_change_nothing(
    intents: Intents, store: Store, zone: Zone, new: RecordDraft, code: int
) -> None:
    intents.records.create(OPERATOR, zone.id, a("www"))
    intents.records.create(OPERATOR, zone.id, draft("CNAME", "alias", "example.net"))
    before = dump(store)
    with pytest.raises(Conflict) as caught:
        intents.records.create(OPERATOR, zone.id, new)
    assert caught.value.code == code
    assert dump(store) == before


def test_replacing_keeps_identity_and_moves_the_name(intents: Intents, zone: Zone, clock: Clock) -> None:
    old = intents.records.create(OPERATOR, zone.id, a("old", comment="c")).value
    clock.forward(5)
    written = intents.records.replace(OPERATOR, zone.id, old.id, a("new", "203.0.113.2"))
    assert (written.value.id, written.value.created_on) == (old.id, old.created_on)
    assert written.value.modified_on == clock.now
    assert written.value.comment is None
    assert {step.key for step in written.plan.steps} == {
        "rrset/example.org/old.example.org/A",
        "rrset/example.org/new.example.org/A",
    }


def test_a_patch_changes_what_it_gives(intents: Intents, zone: Zone) -> None:
    old = intents.records.create(OPERATOR, zone.id, a("www", comment="kept", ttl=600)).value
    new = intents.records.patch(OPERATOR, zone.id, old.id, RecordPatch(content="203.0.113.9")).value
    assert (new.content, new.comment, new.ttl) == ("203.0.113.9", "kept", 600)
    assert intents.records.patch(OPERATOR, zone.id, old.id, RecordPatch(comment=None)).value.comment is None


def test_a_patch_of_structured_data_replaces_the_content(intents: Intents, zone: Zone) -> None:
    srv = {"priority": 1, "weight": 2, "port": 5060, "target": "sip.example.org"}
    old = intents.records.create(
        OPERATOR, zone.id, RecordDraft(type=RecordType.SRV, name="_sip._tcp", data=srv)
    ).value
    new = intents.records.patch(OPERATOR, zone.id, old.id, RecordPatch(data={**srv, "port": 5061})).value
    assert "5061" in new.content
    text = intents.records.patch(OPERATOR, zone.id, old.id, RecordPatch(content=old.content)).value
    assert text.rdata == old.rdata
    same = intents.records.patch(OPERATOR, zone.id, old.id, RecordPatch(ttl=old.ttl))
    assert not same.plan
    assert same.value == text


def test_writing_the_same_again_changes_nothing(
    intents: Intents, store: Store, zone: Zone, clock: Clock
) -> None:
    record = intents.records.create(OPERATOR, zone.id, a("www", comment="c")).value
    before = dump(store)
    clock.forward(5)
    assert intents.records.replace(OPERATOR, zone.id, record.id, a("www", comment="c")).value == record
    assert intents.records.patch(OPERATOR, zone.id, record.id, RecordPatch(comment="c")).value == record
    intents.records.import_drafts(OPERATOR, zone.id, [a("www", comment="c")], replace=True)
    assert dump(store) == before


def test_a_comment_is_recorded_but_published_nowhere(intents: Intents, zone: Zone) -> None:
    record = intents.records.create(OPERATOR, zone.id, a("www"))
    commented = intents.records.patch(OPERATOR, zone.id, record.value.id, RecordPatch(comment="new"))
    assert commented.revision == record.revision
    assert intents.audit.list().items[0].action == "record.patch"


def test_deleting_the_last_record_of_a_small_zone_needs_no_confirmation(intents: Intents, zone: Zone) -> None:
    record = intents.records.create(OPERATOR, zone.id, a("www")).value
    assert intents.records.delete(OPERATOR, zone.id, record.id).value == record
    with pytest.raises(NotFound):
        intents.records.delete(OPERATOR, zone.id, record.id)
    with pytest.raises(NotFound):
        intents.records.get(zone.id, record.id)


def test_a_record_of_another_zone_is_not_found(intents: Intents, zone: Zone) -> None:
    other = intents.zones.create(OPERATOR, "example.net").value
    record = intents.records.create(OPERATOR, zone.id, a("www")).value
    for call in (
        lambda: intents.records.get(other.id, record.id),
        lambda: intents.records.delete(OPERATOR, other.id, record.id),
        lambda: intents.records.patch(OPERATOR, other.id, record.id, RecordPatch(ttl=60)),
    ):
        with pytest.raises(NotFound):
            call()


class TestListing:
    @pytest.fixture(autouse=True)
    def _records(self, intents: Intents, zone: Zone) -> None:
        drafts = [
            a("b", "203.0.113.2", proxied=True),
            a("a", "203.0.113.1", comment="Main_server"),
            draft("TXT", "a", "hello"),
            draft("MX", "c", "mail.example.org", priority=10),
        ]
        intents.records.import_drafts(OPERATOR, zone.id, drafts)

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, ["a", "a", "b", "c"]),
            ({"descending": True}, ["c", "b", "a", "a"]),
            ({"order": "content"}, ["a", "a", "b", "c"]),
            ({"type": "A"}, ["a", "b"]),
            ({"type": "A", "name": "a.example.org"}, ["a"]),
            ({"type": "MX", "name": "a.example.org", "match": "any"}, ["a", "a", "c"]),
            ({"proxied": True}, ["b"]),
            ({"content": "203.0.113.1"}, ["a"]),
            ({"content_contains": "113"}, ["a", "b"]),
            ({"content_startswith": "MAIL"}, ["c"]),
            ({"content_endswith": ".2"}, ["b"]),
            ({"name_startswith": "b."}, ["b"]),
            ({"comment_contains": "main_"}, ["a"]),
            ({"comment_contains": "mainX"}, []),
            ({"search": "SERVER"}, ["a"]),
        ],
    )
    def test_filters(self, intents: Intents, zone: Zone, wanted: dict[str, object], found: list[str]) -> None:
        assert names(intents, zone, **wanted) == found

    def test_pages(self, intents: Intents, zone: Zone) -> None:
        page = intents.records.list(zone.id, page=2, per_page=3)
        assert (len(page.items), page.total, page.page, page.per_page) == (1, 4, 2, 3)
        with pytest.raises(NotFound):
            intents.records.list("none")


class TestBatch:
    def test_all_kinds_in_one_revision(self, intents: Intents, zone: Zone) -> None:
        gone, patched, put = (intents.records.create(OPERATOR, zone.id, a(name)).value for name in "abc")
        revision = intents.published.revision()
        written = intents.records.batch(
            OPERATOR,
            zone.id,
            RecordBatch(
                deletes=(gone.id,),
                patches=((patched.id, RecordPatch(content="203.0.113.5")),),
                puts=((put.id, a("d", "203.0.113.6")),),
                posts=(a("a", "203.0.113.7"), a("e")),
            ),
        )
        assert written.revision == revision + 1
        assert written.value.deletes == (gone,)
        assert [record.content for record in written.value.posts] == ["203.0.113.7", "203.0.113.1"]
        held = {record.name: record.content for record in intents.records.export(zone.id)}
        assert held == {
            "a.example.org": "203.0.113.7",
            "b.example.org": "203.0.113.5",
            "d.example.org": "203.0.113.6",
            "e.example.org": "203.0.113.1",
        }

    def test_a_patch_after_a_patch_of_the_same_record(self, intents: Intents, zone: Zone) -> None:
        record = intents.records.create(OPERATOR, zone.id, a("a")).value
        batch = RecordBatch(
            patches=((record.id, RecordPatch(name="b")), (record.id, RecordPatch(content="203.0.113.5")))
        )
        intents.records.batch(OPERATOR, zone.id, batch)
        (held,) = intents.records.export(zone.id)
        assert (held.name, held.content) == ("b.example.org", "203.0.113.5")

    @pytest.mark.parametrize(
        "batch",
        [
            RecordBatch(posts=(a("x"), a("x"))),
            RecordBatch(posts=(a("x"), a("y", "nonsense"))),
            RecordBatch(deletes=("none",), posts=(a("x"),)),
            RecordBatch(posts=(a("x"), draft("CNAME", "x", "example.net"))),
        ],
    )
    def test_one_error_undoes_all(
        self, intents: Intents, store: Store, zone: Zone, batch: RecordBatch
    ) -> None:
        before = dump(store)
        with pytest.raises(RempartError):
            intents.records.batch(OPERATOR, zone.id, batch)
        assert dump(store) == before

    def test_deleting_the_same_twice_is_not_found(self, intents: Intents, zone: Zone) -> None:
        record = intents.records.create(OPERATOR, zone.id, a("a")).value
        with pytest.raises(NotFound):
            intents.records.batch(OPERATOR, zone.id, RecordBatch(deletes=(record.id, record.id)))


class TestImport:
    def test_adding_keeps_what_is_there(self, intents: Intents, zone: Zone) -> None:
        intents.records.create(OPERATOR, zone.id, a("a", proxied=True))
        imported = intents.records.import_drafts(OPERATOR, zone.id, [a("a"), a("b")]).value
        assert (imported.added, imported.unchanged) == (1, 1)
        assert [record.proxied for record in intents.records.export(zone.id)] == [True, False]
        assert intents.records.import_drafts(OPERATOR, zone.id, [a("a"), a("b")]).value.added == 0

    def test_replacing_makes_it_exactly_so(self, intents: Intents, zone: Zone) -> None:
        kept = intents.records.create(OPERATOR, zone.id, a("a")).value
        intents.records.create(OPERATOR, zone.id, a("b"))
        intents.records.create(OPERATOR, zone.id, a("c"))
        drafts = [a("a"), draft("CNAME", "b", "a.example.org"), a("c", ttl=600)]
        with pytest.raises(NeedsConfirmation) as caught:
            intents.records.import_drafts(OPERATOR, zone.id, drafts, replace=True)
        written = intents.records.import_drafts(
            OPERATOR, zone.id, drafts, replace=True, confirm=caught.value.digest
        )
        imported = written.value
        assert (imported.added, imported.changed, imported.unchanged, imported.removed) == (1, 1, 1, 1)
        assert intents.records.export(zone.id)[0] == kept

    def test_an_empty_replacement_needs_confirmation(
        self, intents: Intents, store: Store, zone: Zone
    ) -> None:
        intents.records.create(OPERATOR, zone.id, a("a"))
        before = dump(store)
        with pytest.raises(NeedsConfirmation) as caught:
            intents.records.import_drafts(OPERATOR, zone.id, [], replace=True)
        assert dump(store) == before
        intents.records.import_drafts(OPERATOR, zone.id, [], replace=True, confirm=caught.value.digest)
        assert intents.records.export(zone.id) == ()

    def test_a_replacement_that_removes_anything_needs_confirmation(
        self, intents: Intents, zone: Zone
    ) -> None:
        intents.records.import_drafts(OPERATOR, zone.id, [a("a"), a("b"), a("c")])
        intents.records.import_drafts(OPERATOR, zone.id, [a("a"), a("b"), a("c"), a("d")], replace=True)
        with pytest.raises(NeedsConfirmation) as caught:
            intents.records.import_drafts(OPERATOR, zone.id, [a("a"), a("b"), a("c")], replace=True)
        assert caught.value.reasons == ("removes 1 of 4 records from example.org",)

    def test_a_zone_comes_with_its_import_in_one_write(self, intents: Intents, store: Store) -> None:
        before = dump(store)
        with pytest.raises(Conflict):
            intents.records.import_zone(
                OPERATOR,
                "new.example",
                [a("a"), RecordDraft(type=RecordType.CNAME, name="a", content="x.net")],
            )
        assert dump(store) == before
        revision = intents.published.revision()
        done = intents.records.import_zone(OPERATOR, "new.example", [a("a")])
        assert (done.value.created, done.value.records.added, done.revision) == (True, 1, revision + 1)
        assert intents.audit.list().items[0].subject == "1 records, a new zone"
        again = intents.records.import_zone(OPERATOR, "new.example", [a("a")])
        assert (again.value.created, again.value.records.unchanged) == (False, 1)

    def test_errors_say_which_record(self, intents: Intents, store: Store, zone: Zone) -> None:
        before = dump(store)
        with pytest.raises(InvalidInput) as caught:
            intents.records.import_drafts(OPERATOR, zone.id, [a("a"), a("b", "nonsense")])
        assert caught.value.field == "records[2].content"
        assert dump(store) == before


class TestSafety:
    def test_a_large_share_needs_the_digest(self, intents: Intents, zone: Zone) -> None:
        drafts = [a(f"n{number}") for number in range(20)]
        intents.records.import_drafts(OPERATOR, zone.id, drafts)
        ids = tuple(record.id for record in intents.records.export(zone.id))
        intents.records.batch(OPERATOR, zone.id, RecordBatch(deletes=ids[:6]))
        with pytest.raises(NeedsConfirmation) as caught:
            intents.records.batch(OPERATOR, zone.id, RecordBatch(deletes=ids[6:12]))
        assert caught.value.reasons == ("deletes 6 of 14 RRsets of example.org, more than 30%",)
        intents.records.batch(OPERATOR, zone.id, RecordBatch(deletes=ids[6:12]), confirm=caught.value.digest)
        assert intents.records.list(zone.id).total == 8

    @pytest.mark.parametrize("content", ["127.0.0.1", "169.254.169.254", "0.0.0.0", "192.0.2.80"])
    def test_owners_may_not_proxy_to_forbidden_addresses(
        self, intents: Intents, store: Store, zone: Zone, content: str
    ) -> None:
        plain = intents.records.create(TOKEN, zone.id, a("plain", content)).value
        before = dump(store)
        with pytest.raises(InvalidInput):
            intents.records.create(TOKEN, zone.id, a("www", content, proxied=True))
        with pytest.raises(InvalidInput):
            intents.records.patch(TOKEN, zone.id, plain.id, RecordPatch(proxied=True))
        assert dump(store) == before

    def test_the_operator_may_proxy_to_loopback_but_not_to_the_edge(
        self, intents: Intents, zone: Zone
    ) -> None:
        with pytest.raises(InvalidInput, match="the edge itself"):
            intents.records.create(OPERATOR, zone.id, a("www", "127.0.0.1", proxied=True))
        with pytest.raises(InvalidInput, match="link-local"):
            intents.records.create(OPERATOR, zone.id, a("www", "169.254.169.254", proxied=True))

    def test_an_owner_may_edit_what_the_operator_named(self, intents: Intents) -> None:
        site = intents.sites.add(OPERATOR, "www.example.net", (Origin(host="127.0.0.1", port=8080),)).value
        assert intents.sites.change(TOKEN, site.host, https_redirect=False).value.origins == site.origins

    def test_a_sites_name_takes_no_unproxied_address(self, intents: Intents, zone: Zone) -> None:
        intents.sites.add(OPERATOR, "www.example.org", (Origin(host="203.0.113.1", port=80),))
        with pytest.raises(Conflict, match="is a site"):
            intents.records.create(OPERATOR, zone.id, a("www"))
        intents.records.create(OPERATOR, zone.id, a("www", proxied=True))
        intents.records.create(OPERATOR, zone.id, draft("TXT", "www", "x"))

    def test_a_name_holds_so_many_records(
        self, intents: Intents, zone: Zone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rempart.controller.intents.record_rows.RECORDS_PER_NAME_MAX", 3)
        many = [a("www", f"203.0.113.{number}") for number in range(1, 5)]
        with pytest.raises(InvalidInput, match="3 are allowed"):
            intents.records.import_drafts(OPERATOR, zone.id, many)


def test_flattening_follows_a_change_of_its_target(intents: Intents, zone: Zone) -> None:
    intents.records.create(OPERATOR, zone.id, draft("CNAME", "@", "server.example.org"))
    server = intents.records.create(OPERATOR, zone.id, a("server")).value
    written = intents.records.patch(OPERATOR, zone.id, server.id, RecordPatch(content="203.0.113.8"))
    assert {step.key for step in written.plan.steps} == {
        "rrset/example.org/example.org/A",
        "rrset/example.org/server.example.org/A",
    }
    assert "rrset/example.org/ns1.example.org/A" in published(intents)
