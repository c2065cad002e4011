"""Signing on request: a chain that validators accept, off and on again without a trace."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dns.dnssec
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import pytest

from rempart.engines.knot.soa import serial_greater
from rempart.engines.knot.transactions import Tally
from tests.engines.knot.server import ADDRESS, Server, plain_zone, rrset_item, zone_item

ZONE = "example.org"


Keys = dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset]


def keys_of(server: Server, zone: str) -> Keys:
    answer = server.ask(zone, "DNSKEY", dnssec=True, tcp=True)
    apex = dns.name.from_text(zone)
    keys = answer.get_rrset(dns.message.ANSWER, apex, dns.rdataclass.IN, dns.rdatatype.DNSKEY)
    assert keys is not None
    return {apex: keys}


def validate(message: dns.message.Message, keys: Keys) -> int:
    """Check every signed RRset of the answer and authority sections; how many there were."""
    checked = 0
    for section in (message.answer, message.authority):
        for rrset in section:
            if rrset.rdtype != dns.rdatatype.RRSIG:
                signatures = message.get_rrset(
                    section, rrset.name, rrset.rdclass, dns.rdatatype.RRSIG, rrset.rdtype
                )
                assert signatures is not None, f"{rrset.name} {rrset.rdtype} is not signed"
                dns.dnssec.validate(rrset, signatures, keys)
                checked += 1
    return checked


def test_a_signed_zone_validates_from_its_ds_record(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    keys = keys_of(server, ZONE)
    (key_set,) = keys.values()
    assert isinstance(key_set, dns.rdataset.Rdataset)
    (ds,) = server.engine.ds_records(ZONE)
    made = [dns.dnssec.make_ds(dns.name.from_text(ZONE), key, "SHA256").to_text() for key in key_set]
    assert made == [ds]
    assert [dns.rdata.from_text("IN", "DNSKEY", text) for text in server.engine.dnskey_records(ZONE)] == [
        *key_set
    ]
    assert key_set[0].algorithm == dns.dnssec.ECDSAP256SHA256
    for name, type_ in ((ZONE, "SOA"), (ZONE, "DNSKEY"), (ZONE, "NS"), (f"www.{ZONE}", "A"), (ZONE, "CDS")):
        assert validate(server.ask(name, type_, dnssec=True, tcp=True), keys) >= 1
    assert server.rdata(ZONE, "CDS") == [ds]
    assert len(server.rdata(ZONE, "CDNSKEY")) == 1
    missing = server.ask(f"missing.{ZONE}", "A", dnssec=True, tcp=True)
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert validate(missing, keys) >= 3
    assert server.rdata(ZONE, "NSEC3PARAM") == ["1 0 0 -"]


@pytest.mark.slow
def test_delv_validates_it(server: Server, tmp_path: Path) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    anchor = tmp_path / "anchor.conf"
    tag, algorithm, digest_type, digest = server.engine.ds_records(ZONE)[0].split()
    anchor.write_text(f'trust-anchors {{ {ZONE}. static-ds {tag} {algorithm} {digest_type} "{digest}"; }};\n')
    command = [
        "delv",
        "-a",
        str(anchor),
        f"+root={ZONE}",
        f"@{ADDRESS}",
        "-p",
        str(server.port),
        f"www.{ZONE}",
        "A",
    ]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "; fully validated" in outcome.stdout, outcome.stdout + outcome.stderr


def test_changes_in_a_signed_zone_are_signed(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    keys = keys_of(server, ZONE)
    before = server.engine.zone_serial(ZONE)
    change = server.view.put(
        rrset_item(ZONE, f"www.{ZONE}", "A", "192.0.2.77"), rrset_item(ZONE, f"new.{ZONE}", "TXT", '"signed"')
    )
    assert server.engine.apply(change, server.view).commands == 1
    for name, type_ in ((f"www.{ZONE}", "A"), (f"new.{ZONE}", "TXT"), (ZONE, "SOA")):
        assert validate(server.ask(name, type_, dnssec=True, tcp=True), keys) >= 1
    after = server.engine.zone_serial(ZONE)
    assert before is not None
    assert after is not None
    assert serial_greater(after, before)
    assert server.engine.apply(change, server.view).commands == 0
    assert server.engine.reconcile(server.view).commands == 0


def test_off_leaves_no_trace_and_on_again_keeps_the_key(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    plain = server.contents(ZONE)
    serials = [server.engine.zone_serial(ZONE)]
    anchors = []
    for dnssec in (True, False, True, False):
        report = server.engine.apply(server.view.put(zone_item(ZONE, dnssec=dnssec)), server.view)
        assert report.refusals == ()
        serials.append(server.engine.zone_serial(ZONE))
        if dnssec:
            assert validate(server.ask(f"www.{ZONE}", "A", dnssec=True), keys_of(server, ZONE)) == 1
            anchors.append(server.engine.ds_records(ZONE))
        else:
            assert server.contents(ZONE) == plain
            assert server.engine.ds_records(ZONE) == ()
        assert server.engine.reconcile(server.view).commands == 0
    assert anchors[0] == anchors[1]
    known = [serial for serial in serials if serial is not None]
    assert known == sorted(set(known))
    assert len(known) == 5


def test_switching_on_with_other_changes_at_once(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    changes = server.view.put(
        zone_item(ZONE, dnssec=True, contact="abuse"), rrset_item(ZONE, f"www.{ZONE}", "A", "192.0.2.5")
    )
    assert server.engine.apply(changes, server.view).refusals == ()
    keys = keys_of(server, ZONE)
    assert validate(server.ask(f"www.{ZONE}", "A", dnssec=True), keys) == 1
    assert validate(server.ask(ZONE, "SOA", dnssec=True, tcp=True), keys) >= 1
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.5"]


def test_a_switch_that_was_interrupted_is_finished(server: Server) -> None:
    """The catalog says signed, the zone is not: what a node leaves that dies between the two."""
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    server.engine._membership.follow({ZONE: True}, Tally())
    changes = server.view.put(zone_item(ZONE, dnssec=True)) + server.view.put(
        rrset_item(ZONE, f"www.{ZONE}", "A", "192.0.2.5")
    )
    assert server.engine.apply(changes[1:], server.view).refusals == ()
    assert validate(server.ask(f"www.{ZONE}", "A", dnssec=True), keys_of(server, ZONE)) == 1


def test_an_owner_cannot_bring_the_signers_records(server: Server) -> None:
    key = "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="
    mine = rrset_item(ZONE, ZONE, "DNSKEY", key)
    report = server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True), mine), server.view)
    assert [refusal.key for refusal in report.refusals] == [mine.key]
    assert key not in server.engine.dnskey_records(ZONE)
    server.engine.apply(server.view.put(zone_item(ZONE, dnssec=False)), server.view)
    assert server.engine.dnskey_records(ZONE) == (key,)
    report = server.engine.apply(server.view.put(zone_item(ZONE, dnssec=True)), server.view)
    assert [refusal.key for refusal in report.refusals] == [mine.key]
    assert validate(server.ask(f"www.{ZONE}", "A", dnssec=True), keys_of(server, ZONE)) == 1
    assert key not in server.engine.dnskey_records(ZONE)


@pytest.mark.slow
def test_a_large_zone_becomes_signed_and_knotd_survives_it(server: Server) -> None:
    """Knot 3.2.6 dies of signing 5,000 unsigned names in the background; that path must not be taken."""
    hosts = [rrset_item(ZONE, f"h{number}.{ZONE}", "A", "192.0.2.9") for number in range(8000)]
    server.engine.apply(server.view.put(*plain_zone(ZONE), *hosts), server.view)
    pid, before = server.pid, server.engine.zone_serial(ZONE)
    assert server.engine.apply(server.view.put(zone_item(ZONE, dnssec=True)), server.view).refusals == ()
    assert server.engine.alive()
    after = server.engine.zone_serial(ZONE)
    assert before is not None
    assert after is not None
    assert serial_greater(after, before)
    keys = keys_of(server, ZONE)
    for number in (0, 4321, 7999):
        assert validate(server.ask(f"h{number}.{ZONE}", "A", dnssec=True), keys) == 1
    server.kill()
    server.start()
    assert validate(server.ask(f"h4321.{ZONE}", "A", dnssec=True), keys) == 1
    assert server.engine.reconcile(server.view).commands == 0
    assert server.pid != pid


def test_a_removed_zones_key_is_not_used_again(server: Server) -> None:
    """Who wants to keep the key takes it before the zone is removed."""
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    before = server.engine.ds_records(ZONE)
    server.engine.apply(server.view.drop_zone(ZONE), server.view)
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)
    after = server.engine.ds_records(ZONE)
    assert len(before) == len(after) == 1
    assert before != after
