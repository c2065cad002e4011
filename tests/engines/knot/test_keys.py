"""DNSSEC keys out of one real knotd and into another: the DS stays the same."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from rempart.engines.knot.pem import readable_pem
from rempart.model.errors import EngineRefused
from rempart.model.zone_keys import ZoneKey, ZoneKeys
from rempart.snapshot.items import KeysItem
from tests.engines.knot.server import Server, eventually, plain_zone, running_server, zone_item
from tests.engines.knot.test_dnssec import keys_of, validate

ZONE = "example.org"


def fresh_key(**fields: object) -> ZoneKey:
    pem = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    given = {"algorithm": 13, "ksk": True, "zsk": True, "private_pem": pem.decode(), **fields}
    return ZoneKey.model_validate(given)


def told(server: Server) -> ZoneKeys:
    held = eventually(server.engine.keys_to_tell, what="keys are told")
    assert held is not None
    return held


def test_a_zone_that_moves_keeps_its_ds_and_validates(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    held = told(server)
    assert held.zone == ZONE
    assert held.ds == server.engine.ds_records(ZONE)
    (key,) = held.keys
    assert (key.ksk, key.zsk) == (True, True)
    assert key.times.publish
    assert not list(server.config.paths.knot.glob("keys-*"))
    with running_server() as second:
        item = KeysItem(held=held)
        report = second.engine.apply(second.view.put(item, *plain_zone(ZONE, dnssec=True)), second.view)
        assert report.refusals == ()
        assert second.engine.ds_records(ZONE) == held.ds
        assert second.rdata(ZONE, "CDS") == list(held.ds)
        keys = keys_of(second, ZONE)
        for name, type_ in ((ZONE, "SOA"), (ZONE, "DNSKEY"), (f"www.{ZONE}", "A")):
            assert validate(second.ask(name, type_, dnssec=True, tcp=True), keys) >= 1
            # What the one signed is good by the other's keys, too.
            assert validate(second.ask(name, type_, dnssec=True, tcp=True), keys_of(server, ZONE)) >= 1
        assert not list(second.config.paths.knot.glob("keys-*"))
        # Who was told needs to hear nothing, neither now nor after a restart of the node.
        assert second.engine.keys_to_tell() is None
        second.engine.reconcile(second.view)
        assert second.engine.keys_to_tell() is None
        assert second.engine.ds_records(ZONE) == held.ds


def test_keys_are_told_until_an_item_of_them_comes(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    held = told(server)
    assert server.engine.keys_to_tell() == held
    server.engine.apply(server.view.put(KeysItem(held=held)), server.view)
    assert server.engine.keys_to_tell() is None
    assert server.engine.ds_records(ZONE) == held.ds


def test_an_unsigned_zone_has_no_keys_to_tell(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    assert server.engine.keys_to_tell() is None
    server.engine.reconcile(server.view)
    assert server.engine.keys_to_tell() is None


def test_a_zone_that_is_signed_already_keeps_its_key_and_tells_it(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    before = server.engine.ds_records(ZONE)
    other = ZoneKeys(zone=ZONE, keys=(fresh_key(),))
    server.engine.apply(server.view.put(KeysItem(held=other)), server.view)
    server.engine.reconcile(server.view)
    assert server.engine.ds_records(ZONE) == before
    assert told(server).ds == before


def test_an_unsigned_zone_becomes_signed_with_the_keys_it_brought(server: Server) -> None:
    held = ZoneKeys(zone=ZONE, keys=(fresh_key(),))
    server.engine.apply(server.view.put(KeysItem(held=held), *plain_zone(ZONE)), server.view)
    server.engine.apply(server.view.put(zone_item(ZONE, dnssec=True)), server.view)
    assert server.engine.ds_records(ZONE) == held.ds
    assert validate(server.ask(f"www.{ZONE}", "A", dnssec=True, tcp=True), keys_of(server, ZONE)) >= 1


def test_a_lost_database_is_signed_with_the_same_key_again(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    held = told(server)
    server.view.put(KeysItem(held=held))
    server.kill()
    server.lose_database()
    server.start()
    server.engine.reconcile(server.view)
    assert server.engine.ds_records(ZONE) == held.ds


def test_keys_for_a_zone_that_is_not_served_are_refused(server: Server) -> None:
    held = ZoneKeys(zone="example.net", keys=(fresh_key(),))
    with pytest.raises(EngineRefused):
        server.engine._signing._exchange.bring(held)
    assert not list(server.config.paths.knot.glob("keys-*"))


@pytest.mark.parametrize(
    "fields",
    [
        {"algorithm": 14},
        {"algorithm": 8},
        {"algorithm": 5},
        {"private_pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
        {"ksk": False, "zsk": False},
    ],
)
def test_a_key_whose_parts_do_not_fit_is_none(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        fresh_key(**fields)


def test_the_public_half_is_what_the_pem_says() -> None:
    key = fresh_key()
    flags, protocol, algorithm, public = key.public.split(" ")
    assert (flags, protocol, algorithm) == ("257", "3", "13")
    assert len(base64.b64decode(public)) == 64
    assert fresh_key(ksk=False).public.startswith("256 ")


KNOTS_OWN = """\
-----BEGIN PRIVATE KEY-----
MIGUAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBHoweAIBAQQhAJ/ODyznDPfLzKhW
iN06T21PStPdMLhKfP3Z31X62HhSoAoGCCqGSM49AwEHoUQDQgAEDVqVvzgji2GS
uSMXf8Q2mkhH9c51N60DKV1iqNYR6GYp9sA1w7/PhMcuvW3kx+PBvztlmi8AHuqu
pwlejSaezw==
-----END PRIVATE KEY-----
"""
"""As Knot 3.2.6 wrote it, with a private value of 33 octets. Its key tag was 41726."""


def test_a_key_with_an_octet_too_many_is_read() -> None:
    with pytest.raises(ValidationError):
        fresh_key(private_pem=KNOTS_OWN)
    assert fresh_key(private_pem=readable_pem(KNOTS_OWN, 13)).tag == 41726
    canonical = fresh_key().private_pem
    assert readable_pem(canonical, 13) == canonical


@pytest.mark.parametrize("cut", [0, 30, 60, 120, 200])
def test_a_key_that_is_cut_off_is_an_error(cut: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        readable_pem(KNOTS_OWN[:cut] + "\n-----END PRIVATE KEY-----\n", 13)
