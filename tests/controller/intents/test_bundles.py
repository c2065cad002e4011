"""Exit kits: what goes out comes in the same, at an operator who has nothing of it yet; or nothing does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rempart.controller.bundles.archive import read_archive, write_archive
from rempart.controller.bundles.contents import belongings_of, files_of
from rempart.controller.certificates import check_upload
from rempart.controller.intents import OPERATOR, Actor, ActorKind, Intents
from rempart.controller.intents.certificates import CertificateUpload
from rempart.controller.local_ca import LocalCa
from rempart.controller.store.database import Store
from rempart.model.bundle import Belongings, BundledCertificate
from rempart.model.challenges import Exemptions, SecurityLevel
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, InvalidInput, NotFound, RempartError
from rempart.model.records import RecordDraft, RecordType
from rempart.model.sites import Origin, OriginTls, SiteLimits
from rempart.model.zone_keys import ZoneKeys
from rempart.model.zones import SslMode, ZoneSettings
from rempart.snapshot.items import CertificateItem, KeysItem
from tests.controller.intents.conftest import NOW, Clock, dump, published
from tests.engines.knot.test_keys import fresh_key
from tests.model.record_cases import drafts as any_drafts

ZONE = "example.org"
MEMORY = Path("/dev/shm")
KEYS = ZoneKeys(zone=ZONE, keys=(fresh_key(),))
HOSTS = (ZONE, f"www.{ZONE}", f"shop.{ZONE}", f"*.{ZONE}", f"a.b.{ZONE}")


@contextmanager
def operator() -> Iterator[tuple[Intents, Store]]:
    """An operator with nothing yet."""
    with tempfile.TemporaryDirectory(prefix="rp-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        configuration = Configuration.model_validate(
            {"state": Path(folder), "edge": {"addresses": ["192.0.2.80", "2001:db8::80"]}}
        )
        with Store.open(configuration) as store:
            intents = Intents(store, configuration, clock=Clock())
            intents.apply_configuration()
            yield intents, store


def carried(belongings: Belongings) -> Belongings:
    """Through the archive."""
    octets = write_archive(belongings.zone.name, NOW, "a test", files_of(belongings))
    assert octets == write_archive(belongings.zone.name, NOW, "a test", files_of(belongings))
    return belongings_of(read_archive(octets))


@st.composite
def plain_drafts(draw: st.DrawFn) -> RecordDraft:
    type_ = draw(st.sampled_from(("A", "AAAA", "CNAME")))
    content = {"A": "203.0.113.7", "AAAA": "2001:db8::7", "CNAME": f"www.{ZONE}"}[type_]
    return RecordDraft(
        type=RecordType(type_),
        name=draw(st.sampled_from(("@", "www", "shop", "*", "a.b", "other"))),
        content=content,
        proxied=draw(st.booleans()),
        flatten_cname=draw(st.booleans()) and type_ == "CNAME",
        ttl=draw(st.sampled_from((1, 60, 86_400))),
        comment=draw(st.sampled_from((None, "said by the owner; with = and ,"))),
        tags=draw(st.sampled_from(((), ("team:a",)))),
    )


origins = st.builds(
    Origin,
    host=st.sampled_from(("203.0.113.9", "2001:db8::9", "127.0.0.1", "origin.example.net")),
    port=st.sampled_from((80, 8443)),
    tls=st.sampled_from(OriginTls),
    weight=st.integers(1, 256),
    backup=st.booleans(),
    max_connections=st.integers(1, 1000),
)
some_origins = st.lists(origins, min_size=1, max_size=2, unique_by=lambda one: (one.host, one.port))
zone_settings = st.builds(
    ZoneSettings,
    dnssec=st.booleans(),
    ssl=st.sampled_from(SslMode),
    always_use_https=st.booleans(),
    flatten_all_cnames=st.booleans(),
    security_level=st.sampled_from(SecurityLevel),
)


@st.composite
def sites(draw: st.DrawFn) -> dict[str, object]:
    return {
        "host": draw(st.sampled_from(HOSTS)),
        "origins": tuple(
            draw(st.lists(origins, min_size=1, max_size=2, unique_by=lambda one: (one.host, one.port)))
        ),
        "https_redirect": draw(st.booleans()),
        "limits": SiteLimits(requests_per_client=draw(st.integers(0, 1000))),
        "security_level": draw(st.sampled_from((None, *SecurityLevel))),
        "exemptions": Exemptions(paths=draw(st.sampled_from(((), ("/feed",)))), networks=("192.0.2.0/24",)),
    }


def attempted(write: object, *arguments: object, **named: object) -> None:
    """What is refused does not become part of the zone."""
    try:
        write(*arguments, **named)  # type: ignore[operator]
    except RempartError:
        return


@pytest.fixture(scope="module")
def operators() -> Iterator[tuple[Intents, Intents]]:
    """Two; each example leaves them as empty as they were."""
    with operator() as (first, _), operator() as (second, _):
        yield first, second


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    zone_settings,
    st.booleans(),
    st.lists(st.one_of(plain_drafts(), any_drafts()), max_size=12),
    st.lists(sites(), max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_what_goes_out_comes_in_the_same(
    operators: tuple[Intents, Intents],
    chosen: ZoneSettings,
    paused: bool,
    drafts: list[RecordDraft],
    wanted_sites: list[dict[str, object]],
    with_keys: bool,
    sites_first: bool,
) -> None:
    first, second = operators
    for one in operators:
        for left in one.zones.list().items:  # of an example that failed
            one.zones.delete(OPERATOR, left.id, ask=False)
        assert published(one) == {}
    zone = first.zones.create(OPERATOR, ZONE, settings=chosen).value
    first.zones.edit(OPERATOR, zone.id, paused=paused)

    def add_sites() -> None:
        for site in wanted_sites:
            attempted(first.sites.add, OPERATOR, **site)

    if sites_first:
        add_sites()
    for draft in drafts:
        attempted(first.records.create, OPERATOR, zone.id, draft)
    if not sites_first:
        add_sites()
    if with_keys:
        first.zone_keys.keep(OPERATOR, KEYS)
    gathered = first.bundles.gather(OPERATOR, zone.id).belongings
    taken = carried(gathered)
    assert taken == gathered
    brought = second.bundles.bring(OPERATOR, taken)
    assert brought.value.created
    assert published(second) == published(first)
    there = second.zones.get(ZONE)
    assert second.bundles.gather(OPERATOR, there.id).belongings == gathered
    # And back again: nothing is left to do.
    again = second.bundles.bring(OPERATOR, taken)
    assert (again.value.created, bool(again.plan)) == (False, False)
    for one in operators:
        one.zones.delete(OPERATOR, one.zones.get(ZONE).id, ask=False)


# --- certificates ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalCa:
    return LocalCa.open(tmp_path_factory.mktemp("ca"), NOW)


def upload(authority: LocalCa, *hosts: str) -> CertificateUpload:
    certificate, key_pem = authority.issue(hosts, NOW)
    return CertificateUpload(*check_upload(certificate.chain_pem, key_pem, now=NOW))


def test_certificates_and_keys_go_along_and_those_of_other_zones_stay(
    intents: Intents, authority: LocalCa
) -> None:
    zone = intents.zones.create(OPERATOR, ZONE).value
    own = upload(authority, f"www.{ZONE}", f"*.{ZONE}")
    shared = upload(authority, ZONE, "example.net")
    foreign = upload(authority, "example.net")
    local = authority.issue((f"shop.{ZONE}",), NOW)
    for one in (own, shared, foreign, CertificateUpload(*local)):
        intents.certificates.put(OPERATOR, one)
    gathered = intents.bundles.gather(OPERATOR, zone.id)
    assert [one.id for one in gathered.belongings.certificates] == [own.certificate.id]
    assert [one.hosts for one in gathered.left] == [(ZONE, "example.net")]
    assert shared.key_pem not in gathered.model_dump_json()
    with operator() as (second, _):
        written = second.bundles.bring(OPERATOR, carried(gathered.belongings))
        assert written.value.certificates == 1
        item = published(second)[f"certificate/{own.certificate.id}"]
        assert isinstance(item, CertificateItem)
        assert item.key_pem == own.key_pem
        assert second.certificates.list() == (own.certificate,)


def test_a_certificate_that_is_over_stays_out(intents: Intents, authority: LocalCa, clock: Clock) -> None:
    zone = intents.zones.create(OPERATOR, ZONE).value
    intents.certificates.put(OPERATOR, upload(authority, ZONE))
    belongings = intents.bundles.gather(OPERATOR, zone.id).belongings
    intents.zones.delete(OPERATOR, zone.id)
    clock.now += timedelta(days=365)
    written = intents.bundles.bring(OPERATOR, belongings)
    assert written.value.certificates == 0
    assert "expired on" in written.value.notes[0]
    assert not intents.bundles.bring(OPERATOR, belongings).value.created


# --- keys --------------------------------------------------------------------------------------------


def test_keys_are_published_and_stored_sealed_and_go_with_the_zone(intents: Intents, store: Store) -> None:
    zone = intents.zones.create(OPERATOR, ZONE).value
    assert intents.zone_keys.keep(OPERATOR, KEYS).plan
    assert not intents.zone_keys.keep(OPERATOR, KEYS).plan
    assert published(intents)[f"keys/{ZONE}"] == KeysItem(held=KEYS)
    secret = "".join(KEYS.keys[0].private_pem.splitlines()[1:3])
    assert secret not in repr(dump(store)).replace("\\n", "")
    assert intents.zone_keys.get(zone) == KEYS
    intents.zones.delete(OPERATOR, zone.id)
    assert published(intents) == {}
    with pytest.raises(NotFound):
        intents.zone_keys.keep(OPERATOR, KEYS)


# --- all or nothing ----------------------------------------------------------------------------------


def belongings(intents: Intents) -> Belongings:
    """Of a small zone, which is gone again."""
    zone = intents.zones.create(OPERATOR, ZONE).value
    intents.sites.add(OPERATOR, f"www.{ZONE}", (Origin(host="203.0.113.7", port=80),))
    intents.records.create(
        OPERATOR, zone.id, RecordDraft(type=RecordType.MX, name="@", content="mail.example.net", priority=1)
    )
    made = intents.bundles.gather(OPERATOR, zone.id).belongings
    intents.zones.delete(OPERATOR, zone.id, ask=False)
    return made


def refused(intents: Intents, store: Store, wanted: Belongings, actor: Actor = OPERATOR) -> RempartError:
    before = dump(store)
    with pytest.raises(RempartError) as caught:
        intents.bundles.bring(actor, wanted)
    assert dump(store) == before
    return caught.value


def test_a_zone_that_is_here_and_another_one_is_not_touched(intents: Intents, store: Store) -> None:
    wanted = belongings(intents)
    intents.zones.create(OPERATOR, ZONE)
    error = refused(intents, store, wanted)
    assert isinstance(error, Conflict)
    assert f"rempart zone remove {ZONE}" in str(error)


def test_a_site_that_another_zone_answers_for_is_refused(intents: Intents, store: Store) -> None:
    wanted = belongings(intents)
    intents.zones.create(OPERATOR, f"www.{ZONE}")
    assert isinstance(refused(intents, store, wanted), Conflict)


def test_a_faulty_record_brings_nothing(intents: Intents, store: Store) -> None:
    wanted = belongings(intents)
    (good,) = wanted.records
    for bad in (
        {"content": "not a name!"},
        {"name": "www.example.net"},
        {"ttl": -5},
        {"type": RecordType.LOC},
    ):
        error = refused(intents, store, wanted.model_copy(update={"records": (good.model_copy(update=bad),)}))
        assert isinstance(error, InvalidInput)
        assert str(error.field).startswith("records[0].")
    # What the record says of its rdata is not believed.
    lying = good.model_copy(update={"rdata": "10 elsewhere.example.net."})
    intents.bundles.bring(OPERATOR, wanted.model_copy(update={"records": (lying,)}))
    item = published(intents)[f"rrset/{ZONE}/{ZONE}/MX"]
    assert "1 mail.example.net." in item.model_dump_json()


def test_a_certificate_for_somebody_elses_name_is_refused(
    intents: Intents, store: Store, authority: LocalCa
) -> None:
    wanted = belongings(intents)
    for hosts in (("bank.example.net",), (f"www.{ZONE}", "bank.example.net"), ("*.org",)):
        bad = upload(authority, *hosts)
        one = BundledCertificate(
            id=bad.certificate.id, chain_pem=bad.certificate.chain_pem, key_pem=bad.key_pem
        )
        error = refused(intents, store, wanted.model_copy(update={"certificates": (one,)}))
        assert isinstance(error, InvalidInput)
    good, other = upload(authority, ZONE), upload(authority, ZONE)
    for id_, key in ((other.certificate.id, good.key_pem), (good.certificate.id, other.key_pem)):
        one = BundledCertificate(id=id_, chain_pem=good.certificate.chain_pem, key_pem=key)
        assert isinstance(
            refused(intents, store, wanted.model_copy(update={"certificates": (one,)})), InvalidInput
        )


def test_an_origin_that_is_the_edge_itself_is_refused(intents: Intents, store: Store) -> None:
    wanted = belongings(intents)
    (site,) = wanted.sites
    itself = site.model_copy(update={"origins": (Origin(host=site.host, port=80),)})
    error = refused(intents, store, wanted.model_copy(update={"sites": (itself,)}))
    assert str(error.field).startswith("sites[0].")


def test_whoever_may_not_see_the_zone_does_not_gather_it(intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, ZONE).value
    stranger = Actor(kind=ActorKind.TOKEN, id="t", account_id="another")
    with pytest.raises(NotFound):
        intents.bundles.gather(stranger, zone.id)


def test_handing_out_is_recorded(intents: Intents) -> None:
    zone = intents.zones.create(OPERATOR, ZONE).value
    intents.bundles.gather(OPERATOR, zone.id)
    (entry, *_) = intents.audit.list().items
    assert (entry.action, entry.zone) == ("bundle.export", ZONE)
