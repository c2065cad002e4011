"""What strangers meet: the rate limit, cookies, small answers to ANY, no transfers, no updates, no names."""

from __future__ import annotations

import socket
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.update
import dns.xfr
import pytest

from rempart.engines.shield.model.dns import cookie_holds
from rempart.model.dns_cookies import key_text
from tests.engines.knot.server import ADDRESS, Server, plain_zone, rrset_item, running_server

ZONE = "example.org"
CLIENT_COOKIE = bytes(range(8))


@pytest.fixture(autouse=True)
def _zone(server: Server) -> None:
    server.engine.apply(server.view.put(*plain_zone(ZONE, dnssec=True)), server.view)


def with_cookie(cookie: bytes) -> dns.message.Message:
    option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie)
    return dns.message.make_query(f"www.{ZONE}", "A", use_edns=0, payload=1232, options=[option])


def cookie_in(answer: dns.message.Message) -> bytes:
    (option,) = [option for option in answer.options if option.otype == dns.edns.OptionType.COOKIE]
    return option.to_wire() or b""


def test_above_the_rate_limit_every_second_answer_is_truncated_and_the_rest_dropped() -> None:
    with running_server(rate_limit=10) as server:
        server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
        query = dns.message.make_query(f"www.{ZONE}", "A").to_wire()
        whole = truncated = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1.0)
            for number in range(400):
                client.sendto(query, (ADDRESS, server.port))
                if number % 10 == 0:
                    time.sleep(0.01)  # so that no queue but the limiter's loses any
            while True:
                try:
                    answer = dns.message.from_wire(client.recv(4096))
                except TimeoutError:
                    break
                truncated += bool(answer.flags & dns.flags.TC)
                whole += not answer.flags & dns.flags.TC
        statistics = server.engine.statistics()
        assert statistics.rrl_slipped == truncated
        assert whole < 150
        assert truncated > 50
        assert statistics.rrl_dropped > 50
        assert server.rdata(f"www.{ZONE}", "A", tcp=True) == ["192.0.2.2", "192.0.2.3"]


def test_a_client_with_a_valid_cookie_is_not_limited() -> None:
    with running_server(rate_limit=5) as server:
        server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
        first = dns.query.udp(with_cookie(CLIENT_COOKIE), ADDRESS, port=server.port, timeout=5)
        assert first.rcode() == dns.rcode.BADCOOKIE
        cookie = cookie_in(first)
        assert len(cookie) in range(16, 41)
        assert cookie.startswith(CLIENT_COOKIE)
        for _ in range(100):
            answer = dns.query.udp(with_cookie(cookie), ADDRESS, port=server.port, timeout=5)
            assert answer.rcode() == dns.rcode.NOERROR
            assert not answer.flags & dns.flags.TC
        assert server.engine.statistics().cookies_present == 101


def test_cookies_are_made_with_the_key_that_the_packet_shield_checks_them_with() -> None:
    keys = [bytes(range(16)), bytes(range(16, 32))]
    with running_server(rate_limit=5) as server:
        server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
        cookies: list[bytes] = []
        for key in keys:
            give(server, key)
            # An older cookie is like none: the answer brings a new one, and nobody is kept from asking.
            sent = cookies[-1] if cookies else CLIENT_COOKIE
            first = dns.query.udp(with_cookie(sent), ADDRESS, port=server.port, timeout=5)
            assert first.rcode() == dns.rcode.BADCOOKIE
            cookie = cookie_in(first)
            source, wall = socket.inet_aton(ADDRESS), int(time.time())
            assert [cookie_holds(cookie, source, one, wall) for one in keys] == [one == key for one in keys]
            answer = dns.query.udp(with_cookie(cookie), ADDRESS, port=server.port, timeout=5)
            assert answer.rcode() == dns.rcode.NOERROR
            cookies.append(cookie)
        # Twice the same is no reload, and the key is in no log.
        before = server.log.read_bytes()
        assert server.engine.reconcile(server.view).commands == 0
        assert server.log.read_bytes() == before
        assert not any(key.hex().encode() in before.lower() for key in keys)


def test_a_key_that_came_while_the_server_was_starting_is_given_to_it(server: Server) -> None:
    key = bytes(range(16))
    server.config.paths.dns_cookie_key.parent.mkdir(exist_ok=True)
    server.config.paths.dns_cookie_key.write_bytes(key_text(key))
    server.engine.write_boot_files(server.view)  # knotd runs from the file of before
    server.engine.reconcile(server.view)
    first = dns.query.udp(with_cookie(CLIENT_COOKIE), ADDRESS, port=server.port, timeout=5)
    assert cookie_holds(cookie_in(first), socket.inet_aton(ADDRESS), key, int(time.time()))


def give(server: Server, key: bytes) -> None:
    """As ``rempart up`` and the node do it."""
    server.config.paths.dns_cookie_key.parent.mkdir(exist_ok=True)
    server.config.paths.dns_cookie_key.write_bytes(key_text(key))
    assert not server.engine.reconcile(server.view).refusals


@pytest.mark.parametrize("tcp", [False, True])
def test_any_is_answered_with_one_rrset(server: Server, tcp: bool) -> None:
    server.engine.apply(server.view.put(rrset_item(ZONE, ZONE, "TXT", '"big"')), server.view)
    answer = server.ask(ZONE, "ANY", tcp=tcp)
    assert answer.rcode() == dns.rcode.NOERROR
    assert len([rrset for rrset in answer.answer if rrset.rdtype != dns.rdatatype.RRSIG]) == 1


@pytest.mark.parametrize("name", ["version.bind", "version.server", "hostname.bind", "id.server"])
def test_identity_and_version_are_not_told(server: Server, name: str) -> None:
    query = dns.message.make_query(
        name,
        "TXT",
        rdclass=dns.rdataclass.CH,
        use_edns=0,
        options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")],
    )
    answer = dns.query.udp(query, ADDRESS, port=server.port, timeout=5)
    assert answer.rcode() == dns.rcode.REFUSED
    assert not answer.answer
    assert b"".join(option.to_wire() or b"" for option in answer.options) == b""


def test_large_answers_over_udp_are_cut_at_1232_octets(server: Server) -> None:
    texts = [f'"{chr(97 + number) * 250}"' for number in range(10)]
    server.engine.apply(server.view.put(rrset_item(ZONE, f"large.{ZONE}", "TXT", *texts)), server.view)
    query = dns.message.make_query(f"large.{ZONE}", "TXT", payload=4096)
    answer = dns.query.udp(query, ADDRESS, port=server.port, timeout=5)
    assert answer.flags & dns.flags.TC
    assert len(answer.to_wire()) <= 1232
    assert answer.payload == 1232
    assert len(server.rdata(f"large.{ZONE}", "TXT")) == 10


@pytest.mark.parametrize("zone", [ZONE, "catalog.rempart"])
@pytest.mark.parametrize("type_", ["AXFR", "IXFR"])
def test_strangers_get_no_transfer(server: Server, zone: str, type_: str) -> None:
    query, _ = dns.xfr.make_query(dns.zone.Zone(zone), serial=None if type_ == "AXFR" else 1)
    answer = dns.query.tcp(query, ADDRESS, port=server.port, timeout=5)
    assert answer.rcode() == dns.rcode.NOTAUTH
    assert not answer.answer


def test_the_catalog_is_not_told_to_strangers(server: Server) -> None:
    for catalog in ("catalog.rempart", "local.catalog.rempart"):
        query = dns.message.make_query(f"version.{catalog}", "TXT")
        for ask in (dns.query.udp, dns.query.tcp):
            answer = ask(query, ADDRESS, port=server.port, source="127.0.0.2", timeout=5)
            assert answer.rcode() in (dns.rcode.NOTAUTH, dns.rcode.REFUSED)
            assert not answer.answer


def test_nobody_updates_a_zone_from_outside(server: Server) -> None:
    before = server.contents(ZONE)
    update = dns.update.UpdateMessage(ZONE)
    update.add("evil", 300, "A", "192.0.2.66")
    answer = dns.query.tcp(update, ADDRESS, port=server.port, timeout=5)
    assert answer.rcode() in (dns.rcode.NOTAUTH, dns.rcode.REFUSED)
    assert server.contents(ZONE) == before


def test_a_strangers_notify_is_refused(server: Server) -> None:
    notify = dns.message.make_query(ZONE, "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    assert dns.query.udp(notify, ADDRESS, port=server.port, timeout=5).rcode() == dns.rcode.NOTAUTH


def test_counters_count(server: Server) -> None:
    before = server.engine.statistics()
    server.ask(f"www.{ZONE}", "A")
    server.ask(f"missing.{ZONE}", "A", tcp=True)
    after = server.engine.statistics()
    assert dict(after.requests)["udp4"] == dict(before.requests).get("udp4", 0) + 1
    assert dict(after.requests)["tcp4"] == dict(before.requests).get("tcp4", 0) + 1
    assert dict(after.responses)["NXDOMAIN"] == 1
    assert dict(after.operations)["query"] == dict(before.operations).get("query", 0) + 2
    assert after.zones == 3  # and two catalogs
    assert after.response_bytes > before.response_bytes


def test_every_address_of_the_machine_is_answered_when_so_told() -> None:
    with running_server(listen=("0.0.0.0", "::")) as server:
        server.engine.apply(server.view.put(*plain_zone(ZONE)), server.view)
        for address in ("127.0.0.1", "127.0.0.9", "::1"):
            for tcp in (False, True):
                assert len(server.ask(f"www.{ZONE}", "A", tcp=tcp, address=address).answer) == 1
