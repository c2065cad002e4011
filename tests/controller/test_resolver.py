"""Look-ups over real packets, and the pure decision of what to serve after them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rempart.controller import resolver as room
from rempart.controller.resolver import (
    Answer,
    Held,
    Outcome,
    Resolver,
    addresses_in_hosts_file,
    held_after,
    name_server,
)
from rempart.model.errors import InvalidInput
from tests.controller.dns_double import DnsServer

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


def looked_up(server: DnsServer, host: str) -> Answer:
    return asyncio.run(Resolver((server.resolver,)).resolve(host))


def test_both_families_sorted_with_the_shortest_ttl(server: DnsServer) -> None:
    server.records["o.example.net", "A"] = (600, ["192.0.2.9", "192.0.2.1"])
    server.records["o.example.net", "AAAA"] = (120, ["2001:db8::1"])
    answer = looked_up(server, "o.example.net")
    assert answer == Answer("o.example.net", Outcome.FOUND, ("192.0.2.1", "192.0.2.9", "2001:db8::1"), 120)


@pytest.mark.parametrize(("ttl", "bounded"), [(0, 30), (5, 30), (31, 31), (86_400, 3600)])
def test_ttl_is_bounded(server: DnsServer, ttl: int, bounded: int) -> None:
    server.records["o.example.net", "A"] = (ttl, ["192.0.2.1"])
    assert looked_up(server, "o.example.net").ttl == bounded


def test_cname_chain_counts_with_its_shortest_ttl(server: DnsServer) -> None:
    server.records["www.example.net", "CNAME"] = (60, ["o.example.net."])
    server.records["o.example.net", "A"] = (600, ["192.0.2.1"])
    answer = looked_up(server, "www.example.net")
    assert (answer.addresses, answer.ttl) == (("192.0.2.1",), 60)


def test_no_such_name_and_no_address_are_denials(server: DnsServer) -> None:
    server.records["mail.example.net", "TXT"] = (60, ['"x"'])
    assert looked_up(server, "nothing.example.net").outcome is Outcome.DENIED
    assert looked_up(server, "mail.example.net").outcome is Outcome.DENIED


def test_servfail_is_a_failure(server: DnsServer) -> None:
    server.broken.add("o.example.net")
    answer = looked_up(server, "o.example.net")
    assert answer.outcome is Outcome.FAILED
    assert answer.problem


def test_silence_is_a_failure(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LIFETIME_S", 0.6)
    server.silent.add("o.example.net")
    assert looked_up(server, "o.example.net").outcome is Outcome.FAILED


def test_many_at_once(server: DnsServer) -> None:
    for number in range(100):
        server.records[f"h{number}.example.net", "A"] = (60, [f"192.0.2.{number}"])
    hosts = {f"h{number}.example.net" for number in range(100)}
    answers = asyncio.run(Resolver((server.resolver,)).resolve_all(hosts))
    assert {answer.host for answer in answers} == hosts
    assert all(answer.outcome is Outcome.FOUND for answer in answers)


def test_hosts_file_goes_first_with_the_system_resolver(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# none\n192.0.2.7  Backend backend.internal # ours\nnot-an-address backend\n")
    answer = asyncio.run(Resolver(hosts_file=hosts).resolve("backend"))
    assert answer.addresses == ("192.0.2.7",)


def test_localhost_never_leaves_the_machine(server: DnsServer) -> None:
    assert looked_up(server, "localhost").addresses == ("127.0.0.1", "::1")
    assert server.asked == []


def test_hosts_file_table() -> None:
    text = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n192.0.2.1\n"
    assert addresses_in_hosts_file(text, "localhost") == ("127.0.0.1", "::1")
    assert addresses_in_hosts_file(text, "192.0.2.1") == ()


@pytest.mark.parametrize("text", ["", "ns.example.org", "192.0.2.1@", "192.0.2.1@0", "192.0.2.1@x"])
def test_resolver_written_wrongly(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"dns\.resolvers"):
        name_server(text)


FOUND = Answer("h", Outcome.FOUND, ("192.0.2.1",), 60)
DENIED = Answer("h", Outcome.DENIED, problem="no such name")
FAILED = Answer("h", Outcome.FAILED, problem="timeout")


def test_an_answer_replaces_what_was_held() -> None:
    before = Held("h", ("192.0.2.9",), NOW - timedelta(hours=1), NOW, "timeout")
    assert held_after(before, FOUND, NOW) == Held("h", ("192.0.2.1",), NOW, NOW + timedelta(seconds=60), "")


@pytest.mark.parametrize(
    ("answer", "age", "kept"),
    [
        (FAILED, timedelta(days=2, hours=23), True),
        (FAILED, timedelta(days=3, hours=1), False),
        (DENIED, timedelta(minutes=59), True),
        (DENIED, timedelta(minutes=61), False),
    ],
)
def test_last_good_answer_serves_for_a_while(answer: Answer, age: timedelta, *, kept: bool) -> None:
    before = Held("h", ("192.0.2.9",), NOW - age, NOW)
    after = held_after(before, answer, NOW)
    assert after.addresses == (("192.0.2.9",) if kept else ())
    assert after.answered_at == NOW - age
    assert after.problem == answer.problem
    assert after.refresh_at == NOW + timedelta(seconds=30)


def test_a_name_never_answered_has_no_addresses() -> None:
    assert held_after(Held("h"), FAILED, NOW).addresses == ()
