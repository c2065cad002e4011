"""knotd alone: what it keeps through kill -9, and what becomes of it when its database is lost."""

from __future__ import annotations

import shutil
import time

import pytest

from rempart.engines.knot.session import ControlSession
from rempart.engines.knot.soa import serial_greater
from tests.engines.knot.server import Server, plain_zone, rrset_item

ZONE, SIGNED = "example.org", "signed.example"


def fill(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE), *plain_zone(SIGNED, dnssec=True)), server.view)


def test_kill_and_restart_keep_everything_to_the_last_commit(server: Server) -> None:
    fill(server)
    change = server.view.put(
        rrset_item(ZONE, f"www.{ZONE}", "A", "192.0.2.99"),
        rrset_item(SIGNED, f"www.{SIGNED}", "A", "192.0.2.98"),
    )
    server.engine.apply(change, server.view)
    before = {zone: (server.contents(zone), server.engine.zone_serial(zone)) for zone in (ZONE, SIGNED)}
    server.kill()
    server.start()
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.99"]
    assert server.rdata(f"www.{SIGNED}", "A") == ["192.0.2.98"]
    assert {
        zone: (server.contents(zone), server.engine.zone_serial(zone)) for zone in (ZONE, SIGNED)
    } == before
    assert server.engine.reconcile(server.view).commands == 0


def test_a_removed_zone_stays_removed(server: Server) -> None:
    fill(server)
    server.engine.apply(server.view.drop_zone(ZONE), server.view)
    server.kill()
    server.start()
    assert server.rcode(ZONE) == "REFUSED"
    assert server.rcode(SIGNED) == "NOERROR"


def test_a_lost_database_is_rebuilt_with_greater_serials(server: Server) -> None:
    fill(server)
    before = {zone: server.engine.zone_serial(zone) for zone in (ZONE, SIGNED)}
    server.stop()
    server.lose_database()
    time.sleep(1.1)  # serials start from the Unix time, so a loss within the second of birth is not one
    server.start()
    assert server.rcode(ZONE) == "REFUSED"
    assert server.engine.reconcile(server.view).refusals == ()
    for zone, serial in before.items():
        assert server.rdata(f"www.{zone}", "A") == ["192.0.2.2", "192.0.2.3"]
        after = server.engine.zone_serial(zone)
        assert after is not None
        assert serial is not None
        assert serial_greater(after, serial)
    assert server.engine.reconcile(server.view).commands == 0


@pytest.mark.parametrize("part", ["journal", "catalog", "keys", "timers"])
def test_a_database_lost_in_part_is_mended(server: Server, part: str) -> None:
    fill(server)
    gone = server.view.drop_zone(ZONE)
    assert gone
    server.stop()
    shutil.rmtree(server.config.paths.knot_db / part, ignore_errors=True)
    server.start()
    assert server.engine.reconcile(server.view).refusals == ()
    assert server.rdata(f"www.{SIGNED}", "A") == ["192.0.2.2", "192.0.2.3"]
    assert len(server.engine.ds_records(SIGNED)) == 1
    assert server.rcode(ZONE) == "REFUSED"
    assert server.engine.reconcile(server.view).commands == 0


def test_a_change_to_a_zone_that_was_lost_brings_it_back(server: Server) -> None:
    fill(server)
    server.stop()
    server.lose_database()
    server.start()
    change = server.view.put(rrset_item(ZONE, f"new.{ZONE}", "A", "192.0.2.50"))
    assert server.engine.apply(change, server.view).refusals == ()
    assert server.rdata(f"new.{ZONE}", "A") == ["192.0.2.50"]
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]


def test_reconcile_finds_any_difference(server: Server) -> None:
    """Behind our back: one added, one changed, one gone, a wrong TTL, an alien zone, one missing."""
    fill(server)
    server.engine.apply(server.view.put(*plain_zone("third.example")), server.view)
    wanted = {zone: server.contents(zone) for zone in (ZONE, SIGNED)}
    with ControlSession(server.config.paths.knot_socket, 30) as session:
        for zone in (ZONE, SIGNED):
            session.begin(f"{zone}.")
            session.execute("zone-set", zone=f"{zone}.", owner="alien", ttl=300, type="A", data="192.0.2.66")
            session.execute("zone-unset", zone=f"{zone}.", owner="www", type="A", data="192.0.2.2")
            session.execute("zone-unset", zone=f"{zone}.", owner="ns1", type="A")
            session.execute("zone-unset", zone=f"{zone}.", owner="@", type="NS")
            session.execute("zone-set", zone=f"{zone}.", owner="@", ttl=77, type="NS", data=f"ns1.{zone}.")
            session.execute("zone-commit", zone=f"{zone}.")
    server.view.drop_zone("third.example")
    server.view.put(*plain_zone("fourth.example"))
    report = server.engine.reconcile(server.view)
    assert (report.commands, report.refusals) == (
        6,
        (),
    )  # a withdrawal, the catalog, two repairs, one new zone, its announcement
    assert server.contents(ZONE) == wanted[ZONE]
    unsigned = {line for line in server.contents(SIGNED) if " RRSIG " not in line}
    assert unsigned == {line for line in wanted[SIGNED] if " RRSIG " not in line}
    assert server.rcode("third.example") == "REFUSED"
    assert server.rdata("www.fourth.example", "A") == ["192.0.2.2", "192.0.2.3"]
    assert server.engine.reconcile(server.view).commands == 0


def test_a_transaction_left_open_does_not_stand_in_the_way(server: Server) -> None:
    fill(server)
    with ControlSession(server.config.paths.knot_socket, 30) as session:
        session.execute("zone-begin", zone=f"{ZONE}.")
        session.execute("zone-set", zone=f"{ZONE}.", owner="half", ttl=300, type="A", data="192.0.2.66")
    change = server.view.put(rrset_item(ZONE, f"new.{ZONE}", "A", "192.0.2.50"))
    assert server.engine.apply(change, server.view).refusals == ()
    assert server.rdata(f"new.{ZONE}", "A") == ["192.0.2.50"]
    assert server.rcode(f"half.{ZONE}", "A") == "NXDOMAIN"


@pytest.mark.slow
def test_a_thousand_zones_come_in_one_go_and_survive(server: Server) -> None:
    names = [f"z{number}.example" for number in range(1000)]
    report = server.engine.apply(
        server.view.put(*(item for name in names for item in plain_zone(name))), server.view
    )
    assert (report.commands, report.refusals, report.pending) == (1002, (), False)
    server.kill()
    server.start()
    for name in names[::97]:
        assert server.rdata(f"www.{name}", "A") == ["192.0.2.2", "192.0.2.3"]
    assert server.engine.statistics().zones == 1002
    assert server.engine.reconcile(server.view).commands == 0
    gone = [change for name in names[:500] for change in server.view.drop_zone(name)]
    assert server.engine.apply(gone, server.view).commands == 2
    assert server.engine.statistics().zones == 502
