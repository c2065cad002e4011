"""Standard secondaries follow us by standard means: catalog zones, NOTIFY, IXFR, AXFR, TSIG."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import dns.message
import pytest

from rempart.lab.processes import free_port
from rempart.snapshot.items import SecondaryItem
from tests.engines.knot.server import (
    ADDRESS,
    Server,
    eventually,
    plain_zone,
    rrset_item,
    running_server,
    zone_item,
)
from tests.interop.secondaries import Secondary, running_secondary

pytestmark = pytest.mark.slow

ZONE, SIGNED, LATER = "example.org", "signed.example", "later.example"
HOSTS = 50
"""Enough that a whole zone and an increment cannot be mistaken for each other."""

WITH_CATALOG = ["knot", "bind"]
TSIG_FAILED = {
    "knot": "failed to verify TSIG",
    "bind": "tsig indicates error",
    "nsd": "TSIG error|tsig error|BADSIG|bad signature",
}
ALL = [*WITH_CATALOG, "nsd"]


def secondary_item() -> SecondaryItem:
    return SecondaryItem(
        id="interop",
        address=ADDRESS,
        port=free_port(),
        tsig_name="interop.rempart",
        tsig_algorithm="hmac-sha256",
        tsig_secret=base64.b64encode(b"0123456789abcdef0123456789abcdef").decode(),
    )


@pytest.fixture
def item() -> SecondaryItem:
    return secondary_item()


@pytest.fixture
def server(item: SecondaryItem) -> Iterator[Server]:
    """A primary with a plain and a signed zone that knows the secondary."""
    with running_server() as started:
        hosts = [rrset_item(ZONE, f"h{number}.{ZONE}", "A", f"192.0.2.{number}") for number in range(HOSTS)]
        items = [*plain_zone(ZONE), *hosts, *plain_zone(SIGNED, dnssec=True), item]
        assert started.engine.apply(started.view.put(*items), started.view).refusals == ()
        yield started


@pytest.fixture(params=ALL)
def secondary(request: pytest.FixtureRequest, server: Server, item: SecondaryItem) -> Iterator[Secondary]:
    with running_secondary(request.param, server, item, zones=[ZONE, SIGNED, LATER]) as started:
        yield started


def has_zones(secondary: Secondary) -> None:
    secondary.has(f"www.{ZONE}", "A", "192.0.2.2", "192.0.2.3")
    secondary.has(f"www.{SIGNED}", "A", "192.0.2.2", "192.0.2.3")


def operations(server: Server, name: str) -> int:
    return dict(server.engine.statistics().operations).get(name, 0)


def test_a_record_change_arrives_by_notify_and_ixfr(server: Server, secondary: Secondary) -> None:
    has_zones(secondary)
    before, asked = operations(server, "ixfr"), len(secondary.log())
    change = server.view.put(rrset_item(ZONE, f"www.{ZONE}", "A", "192.0.2.200"))
    server.engine.apply(change, server.view)
    secondary.has(f"www.{ZONE}", "A", "192.0.2.200")
    assert operations(server, "ixfr") > before
    eventually(lambda: arrived_as_increment(secondary, secondary.log()[asked:]), what="an IXFR in the log")
    secondary.has_the_same(ZONE, "SOA")


def arrived_as_increment(secondary: Secondary, log: str) -> bool:
    """The secondary's own words for an incremental transfer, or its size: records (BIND) or octets (NSD)."""
    if secondary.kind == "knot":
        return bool(re.search(rf"\[{ZONE}\.\] IXFR, incoming, .*finished", log))
    if secondary.kind == "bind":
        found = re.search(rf"transfer of '{ZONE}/IN'.*Transfer completed: \d+ messages, (\d+) records", log)
        return found is not None and int(found[1]) < HOSTS
    found = re.search(rf"zone {ZONE}\. received update .* of (\d+) bytes", log)
    return found is not None and int(found[1]) < HOSTS * 16


def test_a_signed_zone_arrives_intact(server: Server, secondary: Secondary) -> None:
    has_zones(secondary)
    change = server.view.put(rrset_item(SIGNED, f"new.{SIGNED}", "TXT", '"signed"'))
    server.engine.apply(change, server.view)
    secondary.has(f"new.{SIGNED}", "TXT", '"signed"')
    for name, type_ in (
        (SIGNED, "SOA"),
        (SIGNED, "DNSKEY"),
        (SIGNED, "CDS"),
        (SIGNED, "NSEC3PARAM"),
        (f"www.{SIGNED}", "A"),
        (f"new.{SIGNED}", "TXT"),
        (f"missing.{SIGNED}", "A"),
    ):
        ours = server.ask(name, type_, dnssec=True, tcp=True)
        theirs = secondary.ask(name, type_, dnssec=True)
        assert theirs.rcode() == ours.rcode(), (name, type_)
        assert sections(theirs) == sections(ours), (name, type_)


def sections(message: dns.message.Message) -> set[str]:
    """Answers, and proofs of absence; servers differ in what else they add."""
    parts = message.answer or list(message.authority)
    return {line for rrset in parts for line in rrset.to_text().lower().splitlines()}


@pytest.mark.parametrize("kind", WITH_CATALOG)
def test_zones_come_and_go_through_the_catalog(server: Server, item: SecondaryItem, kind: str) -> None:
    with running_secondary(kind, server, item, zones=[]) as secondary:
        has_zones(secondary)
        server.engine.apply(server.view.put(*plain_zone(LATER, dnssec=True)), server.view)
        secondary.has(f"www.{LATER}", "A", "192.0.2.2", "192.0.2.3")
        server.engine.apply(server.view.drop_zone(ZONE), server.view)
        eventually(lambda: not secondary.rdata(ZONE, "SOA"), what=f"{kind} drops {ZONE}")
        secondary.has(f"www.{SIGNED}", "A", "192.0.2.2", "192.0.2.3")


def test_signing_on_and_off_reaches_secondaries(server: Server, secondary: Secondary) -> None:
    has_zones(secondary)
    server.engine.apply(server.view.put(zone_item(ZONE, dnssec=True)), server.view)
    secondary.has_the_same(ZONE, "DNSKEY")
    server.engine.apply(server.view.put(zone_item(ZONE, dnssec=False)), server.view)
    secondary.has(ZONE, "DNSKEY")
    secondary.has_the_same(ZONE, "SOA")
    assert secondary.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]


@pytest.mark.parametrize("kind", ALL)
def test_a_secondary_with_the_wrong_secret_gets_nothing(
    server: Server, item: SecondaryItem, kind: str
) -> None:
    wrong = base64.b64encode(b"not the secret that was agreed on").decode()
    with running_secondary(kind, server, item, zones=[ZONE], secret=wrong) as impostor:
        eventually(
            lambda: re.search(TSIG_FAILED[kind], impostor.log()),
            what="the impostor is told",
        )
        assert impostor.rdata(f"www.{ZONE}", "A") == []
        assert impostor.rdata(ZONE, "SOA") == []


def test_a_secondary_that_was_away_catches_up(server: Server, item: SecondaryItem) -> None:
    """The primary's database is lost while the secondary keeps what it has: the serial still carries on."""
    with running_secondary("knot", server, item, zones=[]) as secondary:
        has_zones(secondary)
        server.stop()
        server.lose_database()
        server.start()
        assert server.engine.reconcile(server.view).refusals == ()
        server.engine.apply(server.view.put(rrset_item(ZONE, f"www.{ZONE}", "A", "192.0.2.201")), server.view)
        secondary.has(f"www.{ZONE}", "A", "192.0.2.201")
        secondary.has(f"www.{SIGNED}", "A", "192.0.2.2", "192.0.2.3")
