"""Certificates stored, and the one that serves a host chosen. Secondaries and their keys."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest

from rempart.controller.intents import OPERATOR, Actor, ActorKind, Intents
from rempart.controller.intents.certificates import CertificateUpload
from rempart.controller.store.database import Store
from rempart.model.certificates import Certificate, CertificateSource
from rempart.model.errors import Conflict, InvalidInput, NeedsConfirmation, NotFound
from rempart.model.sites import Origin
from rempart.snapshot.items import CertificateItem
from tests.controller.intents.conftest import NOW, dump, published


def upload(
    id_: str, *hosts: str, days: int = 90, source: CertificateSource = CertificateSource.UPLOADED
) -> CertificateUpload:
    certificate = Certificate(
        id=id_,
        hosts=hosts,
        chain_pem=f"chain of {id_}",
        source=source,
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=days),
    )
    return CertificateUpload(certificate, f"key of {id_}")


def test_a_certificate_is_published_with_its_key_and_stored_without(intents: Intents, store: Store) -> None:
    one = upload("one", "www.example.org", "*.example.org")
    assert intents.certificates.put(OPERATOR, one).value == one.certificate
    item = published(intents)["certificate/one"]
    assert isinstance(item, CertificateItem)
    assert item.key_pem == "key of one"
    assert "key of one" not in repr(dump(store))
    assert intents.certificates.list() == (one.certificate,)
    assert intents.certificates.get("one") == one.certificate


def test_the_same_again_changes_nothing(intents: Intents, store: Store) -> None:
    intents.certificates.put(OPERATOR, upload("one", "www.example.org"))
    before = dump(store)
    assert not intents.certificates.put(OPERATOR, upload("one", "www.example.org")).plan
    assert dump(store) == before
    longer = CertificateUpload(
        upload("one", "www.example.org").certificate.model_copy(update={"chain_pem": "longer"}), "key of one"
    )
    assert intents.certificates.put(OPERATOR, longer).plan


def test_removed_certificates_are_gone(intents: Intents) -> None:
    intents.certificates.put(OPERATOR, upload("one", "www.example.org"))
    intents.certificates.remove(OPERATOR, "one")
    assert published(intents) == {}
    assert intents.certificates.serving("www.example.org", NOW) is None
    for call in (intents.certificates.get, lambda id_: intents.certificates.remove(OPERATOR, id_)):
        with pytest.raises(NotFound):
            call("one")


@pytest.mark.parametrize(
    ("host", "serving"),
    [
        ("www.example.org", "exact"),
        ("shop.example.org", "wildcard"),
        ("*.example.org", "wildcard"),
        ("example.org", None),
        ("a.b.example.org", None),
        ("local.example.org", "wildcard"),
        ("long.example.org", "long"),
    ],
)
def test_which_certificate_serves_a_host(intents: Intents, host: str, serving: str | None) -> None:
    for one in (
        upload("exact", "www.example.org", days=10),
        upload("wildcard", "*.example.org", days=90),
        upload("local", "local.example.org", source=CertificateSource.LOCAL_CA),
        upload("short", "long.example.org", days=20),
        upload("long", "long.example.org", days=30),
        upload("expired", "shop.example.org", days=0),
    ):
        intents.certificates.put(OPERATOR, one)
    found = intents.certificates.serving(host, NOW)
    assert (found.id if found else None) == serving


def test_sites_without_a_certificate(intents: Intents) -> None:
    for host in ("www.example.org", "*.example.org", "a.b.example.org", "example.org"):
        intents.sites.add(OPERATOR, host, (Origin(host="203.0.113.1", port=80),))
    assert len(intents.certificates.uncovered(NOW)) == 4
    intents.certificates.put(OPERATOR, upload("wildcard", "*.example.org"))
    assert intents.certificates.uncovered(NOW) == ("a.b.example.org", "example.org")
    assert len(intents.certificates.uncovered(NOW + timedelta(days=91))) == 4


def test_owners_bring_certificates_for_their_own_names_only(intents: Intents, store: Store) -> None:
    account = intents.accounts.create(OPERATOR, "one").value
    owner = Actor(kind=ActorKind.TOKEN, id="t", account_id=account.id)
    intents.zones.create(OPERATOR, "example.org")
    intents.zones.create(owner, "example.net")
    intents.certificates.put(owner, upload("own", "www.example.net"))
    intents.certificates.put(OPERATOR, upload("theirs", "www.example.org"))
    before = dump(store)
    with pytest.raises(NotFound):
        intents.certificates.put(owner, upload("bad", "www.example.net", "www.example.org"))
    with pytest.raises(InvalidInput):
        intents.certificates.put(owner, upload("bad", "www.example.com"))
    with pytest.raises(NotFound):
        intents.certificates.remove(owner, "theirs")
    assert dump(store) == before


class TestSecondaries:
    def test_each_has_a_key_of_its_own(self, intents: Intents) -> None:
        one = intents.secondaries.add(OPERATOR, "198.51.100.53").value
        other = intents.secondaries.add(OPERATOR, "2001:0db8::53", port=5353).value
        assert len(base64.b64decode(one.tsig_secret)) == 32
        assert one.tsig_secret != other.tsig_secret
        assert one.secondary.tsig_name != other.secondary.tsig_name
        assert [each.address for each in intents.secondaries.list()] == ["198.51.100.53", "2001:db8::53"]
        assert intents.secondaries.key(one.secondary.id) == one
        assert one.tsig_secret not in repr(one)

    def test_naming_one_changes_every_apex_and_needs_confirmation(self, intents: Intents) -> None:
        intents.zones.create(OPERATOR, "example.org")
        with pytest.raises(NeedsConfirmation) as caught:
            intents.secondaries.add(OPERATOR, "198.51.100.53", ns_name="ns.example.net")
        assert caught.value.reasons == ("changes the apex NS RRset of example.org",)
        planned = re.findall(r"[0-9a-f]{8}\.secondary\.rempart", caught.value.summary)
        added = intents.secondaries.add(
            OPERATOR, "198.51.100.53", ns_name="ns.example.net", confirm=caught.value.digest
        ).value
        assert planned == [added.secondary.tsig_name]
        ns = published(intents)["rrset/example.org/example.org/NS"]
        assert "ns.example.net." in ns.model_dump_json()
        later = intents.zones.create(OPERATOR, "example.com")
        assert "ns.example.net." in later.plan.summary()
        with pytest.raises(NeedsConfirmation) as caught:
            intents.secondaries.remove(OPERATOR, added.secondary.id)
        intents.secondaries.remove(OPERATOR, added.secondary.id, confirm=caught.value.digest)
        assert "ns.example.net." not in repr(published(intents))

    @pytest.mark.parametrize(
        ("address", "port", "ns_name"),
        [("host.example", 53, None), ("198.51.100.54", 0, None), ("198.51.100.54", 53, "bad name")],
    )
    def test_what_cannot_be_changes_nothing(
        self, intents: Intents, store: Store, address: str, port: int, ns_name: str | None
    ) -> None:
        intents.secondaries.add(OPERATOR, "198.51.100.53")
        before = dump(store)
        with pytest.raises(InvalidInput):
            intents.secondaries.add(OPERATOR, address, port=port, ns_name=ns_name)
        with pytest.raises(Conflict):
            intents.secondaries.add(OPERATOR, "198.51.100.53")
        with pytest.raises(NotFound):
            intents.secondaries.remove(OPERATOR, "none")
        assert dump(store) == before
