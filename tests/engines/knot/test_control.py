"""The engine against a real knotd: zones and records come, change and go."""

from __future__ import annotations

import itertools

import dns.rdata
import pytest

from rempart.engines.knot.control import KnotEngine
from rempart.engines.knot.soa import serial_greater
from rempart.model.errors import EnvironmentLacks, NotFound
from rempart.model.records import RecordType
from rempart.model.sites import SiteLimits
from rempart.snapshot.items import SiteItem
from tests.engines.knot.server import Items, Server, plain_zone, rrset_item, zone_item

ZONE = "example.org"

EVERY_TYPE = {
    "A": ("192.0.2.7",),
    "AAAA": ("2001:db8::7",),
    "CAA": ('0 issue "ca.example.net"', '128 iodef "mailto:sec@example.org"'),
    "CERT": ("PKIX 1 8 MIIBnjCCAQegAwIBAgIB",),
    "CNAME": ("target.example.net.",),
    "DNSKEY": (
        "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==",
    ),
    "DS": ("60485 13 2 d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a",),
    "HTTPS": ('1 . alpn="h2,h3" ipv4hint="192.0.2.1" ipv6hint="2001:db8::1"',),
    "LOC": ("52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m",),
    "MX": ("10 mail.example.org.", "20 mail.example.net."),
    "NAPTR": ('100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.example.org.',),
    "NS": ("ns.sub.example.net.",),
    "OPENPGPKEY": ("mQENBFVHm5sBCACYyp0mBwxWB3DbwqUyDNIwHY0eGqcnPmLCVrYTpvMTvHU4cYp3",),
    "PTR": ("host.example.net.",),
    "SMIMEA": ("3 0 0 308201a2300d06092a864886f70d01010105000382018f00",),
    "SRV": ("10 60 5060 sip.example.net.",),
    "SSHFP": ("4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789",),
    "SVCB": ('16 foo.example.net. alpn="h2" port="8443"',),
    "TLSA": ("3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",),
    "TXT": ('"v=spf1 -all"', '"two" "strings; and \\"quotes\\""'),
    "URI": ('10 1 "https://example.net/a%20b"',),
}


def owner_of(type_: str) -> str:
    return f"_443._tcp.{type_.lower()}.{ZONE}" if type_ in ("TLSA", "SRV") else f"{type_.lower()}.{ZONE}"


def as_read(type_: str, rdata: tuple[str, ...]) -> list[str]:
    """The records in the spelling in which answers are read."""
    return sorted(dns.rdata.from_text("IN", type_, text).to_text() for text in rdata)


def test_every_record_type_is_served_as_given(server: Server) -> None:
    assert set(EVERY_TYPE) == {type_.value for type_ in RecordType}
    items = [
        *plain_zone(ZONE),
        *(rrset_item(ZONE, owner_of(t), t, *rdata) for t, rdata in EVERY_TYPE.items()),
    ]
    report = server.engine.apply(server.view.put(*items), server.view)
    assert report.refusals == ()
    for type_, rdata in EVERY_TYPE.items():
        if type_ != "NS":
            assert server.rdata(owner_of(type_), type_) == as_read(type_, rdata), type_
    delegation = server.ask(f"below.{owner_of('NS')}", "A")
    assert [rdata.to_text() for rrset in delegation.authority for rdata in rrset] == list(EVERY_TYPE["NS"])
    assert server.engine.apply(server.view.put(*items), server.view).commands == 0
    assert server.engine.reconcile(server.view).commands == 0


def test_a_new_zone_comes_in_one_transaction_and_nothing_is_done_twice(server: Server) -> None:
    changes = server.view.put(*plain_zone(ZONE))
    report = server.engine.apply(changes, server.view)
    assert report.refusals == ()
    assert not report.pending
    assert report.commands == 3  # the local catalog, the zone, the public catalog
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]
    assert server.rdata(ZONE, "NS") == [f"ns1.{ZONE}."]
    assert server.engine.apply(changes, server.view).commands == 0
    assert server.engine.reconcile(server.view).commands == 0


def test_records_change_come_and_go(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    www = f"www.{ZONE}"
    changes = server.view.put(
        rrset_item(ZONE, www, "A", "192.0.2.3", "192.0.2.4"), rrset_item(ZONE, f"new.{ZONE}", "TXT", '"x"')
    )
    assert server.engine.apply(changes, server.view).commands == 1
    assert server.rdata(www, "A") == ["192.0.2.3", "192.0.2.4"]
    assert server.rdata(f"new.{ZONE}", "TXT") == ['"x"']
    server.engine.apply(server.view.put(rrset_item(ZONE, www, "A", "192.0.2.4", ttl=60)), server.view)
    answer = server.ask(www, "A").answer[0]
    assert (answer.ttl, [rdata.to_text() for rdata in answer]) == (60, ["192.0.2.4"])
    server.engine.apply(server.view.drop(f"rrset/{ZONE}/{www}/A"), server.view)
    assert server.rcode(www, "A") == "NXDOMAIN"
    assert server.engine.reconcile(server.view).commands == 0


def test_address_becomes_alias_and_back(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    www = f"www.{ZONE}"
    alias = server.view.put(rrset_item(ZONE, www, "CNAME", f"ns1.{ZONE}.")) + server.view.drop(
        f"rrset/{ZONE}/{www}/A"
    )
    assert server.engine.apply(alias, server.view).refusals == ()
    assert server.rdata(www, "CNAME") == [f"ns1.{ZONE}."]
    back = server.view.put(rrset_item(ZONE, www, "A", "192.0.2.9")) + server.view.drop(
        f"rrset/{ZONE}/{www}/CNAME"
    )
    assert server.engine.apply(back, server.view).refusals == ()
    assert server.rdata(www, "A") == ["192.0.2.9"]


def test_the_serial_grows_with_every_commit(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    serials = [server.engine.zone_serial(ZONE)]
    for number in range(5):
        change = server.view.put(rrset_item(ZONE, f"www.{ZONE}", "A", f"192.0.2.{number + 10}"))
        server.engine.apply(change, server.view)
        serials.append(server.engine.zone_serial(ZONE))
    server.engine.apply(server.view.put(zone_item(ZONE, contact="abuse")), server.view)
    serials.append(server.engine.zone_serial(ZONE))
    known = [serial for serial in serials if serial is not None]
    assert len(known) == 7
    assert all(serial_greater(later, earlier) for earlier, later in itertools.pairwise(known))
    assert server.rdata(ZONE, "SOA") == [f"ns1.{ZONE}. abuse.{ZONE}. {known[-1]} 10000 2400 604800 1800"]


def test_a_removed_zone_is_refused_and_leaves_nothing(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE), *plain_zone("example.net")), server.view)
    gone = server.view.drop_zone(ZONE)
    before = server.engine.zone_serial("example.net")
    assert server.engine.apply(gone, server.view).commands == 2
    assert server.rcode(ZONE) == "REFUSED"
    assert server.rdata("www.example.net", "A") == ["192.0.2.2", "192.0.2.3"]
    assert server.engine.zone_serial("example.net") == before
    with pytest.raises(NotFound):
        server.engine.zone_serial(ZONE)
    assert server.engine.apply(gone, server.view).commands == 0
    assert server.engine.reconcile(server.view).commands == 0


def test_a_zone_that_comes_back_at_once_has_a_greater_serial(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    for number in range(8):
        server.engine.apply(
            server.view.put(rrset_item(ZONE, f"www.{ZONE}", "A", f"192.0.2.{number}")), server.view
        )
    before = server.engine.zone_serial(ZONE)
    server.engine.apply(server.view.drop_zone(ZONE), server.view)
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    after = server.engine.zone_serial(ZONE)
    assert before is not None
    assert after is not None
    assert serial_greater(after, before)
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]


def test_bad_items_are_refused_alone(server: Server) -> None:
    bad = [
        rrset_item(ZONE, f"a.{ZONE}", "A", "not-an-address"),
        rrset_item(ZONE, "www.example.net", "A", "192.0.2.1"),
        rrset_item(ZONE, ZONE, "SOA", "a. b. 1 2 3 4 5"),
        rrset_item(ZONE, f"relative.{ZONE}", "CNAME", "target"),
        rrset_item(ZONE, f"two.{ZONE}", "CNAME", "a.example.net.", "b.example.net."),
    ]
    other = plain_zone("example.net")
    report = server.engine.apply(server.view.put(*plain_zone(ZONE), *bad, *other), server.view)
    assert {refusal.key for refusal in report.refusals} == {item.key for item in bad}
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]
    assert server.rdata("www.example.net", "A") == ["192.0.2.2", "192.0.2.3"]
    again = server.engine.reconcile(server.view)
    assert {refusal.key for refusal in again.refusals} == {item.key for item in bad}
    assert again.commands == 0


def test_an_alias_beside_an_address_is_refused_and_the_rest_goes_live(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    clash = rrset_item(ZONE, f"www.{ZONE}", "CNAME", "elsewhere.example.net.")
    good = [rrset_item(ZONE, f"h{number}.{ZONE}", "A", f"192.0.2.{number}") for number in range(20)]
    report = server.engine.apply(server.view.put(*good[:10], clash, *good[10:]), server.view)
    assert [refusal.key for refusal in report.refusals] == [clash.key]
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]
    for number in range(20):
        assert server.rdata(f"h{number}.{ZONE}", "A") == [f"192.0.2.{number}"]


def test_rrsets_that_arrive_before_their_zone_wait_for_it(server: Server) -> None:
    zone, *rrsets = plain_zone(ZONE)
    early = server.engine.apply(server.view.put(*rrsets), server.view)
    assert (early.commands, early.refusals) == (0, ())
    server.engine.apply(server.view.put(zone), server.view)
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]


def test_names_with_escapes_wildcards_and_underscores(server: Server) -> None:
    names = [f"*.{ZONE}", f"_dmarc.{ZONE}", f"a\\.b.{ZONE}", f"sp\\032ace.{ZONE}", f"*.deep.{ZONE}"]
    items = [*plain_zone(ZONE), *(rrset_item(ZONE, name, "TXT", '"here"') for name in names)]
    assert server.engine.apply(server.view.put(*items), server.view).refusals == ()
    for name in names:
        assert server.rdata(name, "TXT") == ['"here"'], name
    assert server.rdata(f"anything.{ZONE}", "TXT") == ['"here"']
    assert server.engine.reconcile(server.view).commands == 0


def test_nothing_can_be_done_while_knotd_is_down(server: Server) -> None:
    server.stop()
    assert not server.engine.alive()
    with pytest.raises(EnvironmentLacks):
        server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    with pytest.raises(EnvironmentLacks):
        server.engine.reconcile(server.view)


def test_the_view_of_another_engine_is_left_alone(server: Server) -> None:
    site = SiteItem(host="www.example.org", origins=(), https_redirect=True, limits=SiteLimits())
    view = Items([site])
    assert server.engine.apply(view.put(site), view).commands == 0


def test_impossible_names_and_types_are_refused_alone_in_a_running_zone(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
    bad = [
        rrset_item(ZONE, f"{'a' * 64}.{ZONE}", "A", "192.0.2.1"),
        rrset_item(ZONE, f"two..dots.{ZONE}", "A", "192.0.2.1"),
        rrset_item(ZONE, f"www.{ZONE}", "AXFR", "192.0.2.1"),
        rrset_item(ZONE, f"line.{ZONE}", "TXT", '"a"\nevil 300 A 192.0.2.66'),
    ]
    good = rrset_item(ZONE, f"good.{ZONE}", "A", "192.0.2.8")
    report = server.engine.apply(server.view.put(*bad, good), server.view)
    assert {refusal.key for refusal in report.refusals} == {item.key for item in bad}
    assert server.rdata(f"good.{ZONE}", "A") == ["192.0.2.8"]
    gone = server.view.drop(*(item.key for item in bad))
    assert server.engine.apply(gone, server.view).refusals == ()
    assert server.engine.reconcile(server.view).commands == 0


def test_a_zone_under_a_catalogs_name_is_refused_alone(server: Server) -> None:
    bad = [zone_item("catalog.rempart"), zone_item("local.catalog.rempart"), zone_item("Upper.example")]
    report = server.engine.apply(server.view.put(*bad, *plain_zone(ZONE)), server.view)
    assert {refusal.key for refusal in report.refusals} == {item.key for item in bad}
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]


def test_a_zone_and_its_child_are_both_served(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE), *plain_zone(f"child.{ZONE}")), server.view)
    assert server.rdata(f"www.child.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]
    server.engine.apply(server.view.drop_zone(f"child.{ZONE}"), server.view)
    assert server.rcode(f"www.child.{ZONE}", "A") == "NXDOMAIN"
    assert server.rdata(f"www.{ZONE}", "A") == ["192.0.2.2", "192.0.2.3"]


def test_a_server_started_from_another_configuration_is_named_as_such(server: Server) -> None:
    dns = server.config.dns.model_copy(update={"catalog": "another.catalog"})
    stranger = KnotEngine(server.config.model_copy(update={"dns": dns}))
    with pytest.raises(EnvironmentLacks, match="another configuration"):
        stranger.apply(server.view.put(*plain_zone(ZONE)), server.view)
