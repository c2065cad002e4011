"""From items to state, from states to commands, from state to files: pure, so tried without HAProxy."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.engines.haproxy import boot, observe, receipts
from rempart.engines.haproxy.changes import Phase, diff
from rempart.engines.haproxy.compile import certificate_flaw, compile_server, compile_site, valid_host
from rempart.engines.haproxy.names import Places, backend_name, server_name
from rempart.engines.haproxy.pages import PAGES, render
from rempart.engines.haproxy.pool import BackendPool, assign, pool_size
from rempart.engines.haproxy.state import (
    EdgeCertificate,
    EdgeState,
    Route,
    Server,
    format_route,
    parse_route,
)
from rempart.model.configuration import Configuration
from rempart.model.errors import EngineRefused, InvalidInput
from rempart.model.sites import OriginTls, SiteLimits
from tests.engines.haproxy.edge import issue, origin, site

PLACES = Places.of(Configuration.model_validate({"state": "/s"}).paths)


# --- sites and origins ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "contains", "lacks"),
    [
        ({}, ["127.0.0.1:80 check"], ["ssl", "backup", "sni"]),
        ({"address": "2001:db8::1"}, ["[2001:db8::1]:80"], []),
        ({"backup": True}, ["backup"], []),
        ({"tls": OriginTls.FULL}, ["ssl verify none check-ssl"], ["sni", "ca-file"]),
        ({"tls": OriginTls.FULL, "sni": "a.test"}, ["sni str(a.test) check-sni a.test"], ["verifyhost"]),
        (
            {"tls": OriginTls.STRICT, "sni": "a.test"},
            ["verify required ca-file @system-ca verifyhost a.test", "sni str(a.test)"],
            ["verify none"],
        ),
        ({"tls": OriginTls.OFF, "sni": "a.test"}, [], ["sni", "ssl"]),
    ],
)
def test_servers(fields: dict[str, Any], contains: list[str], lacks: list[str]) -> None:
    words = compile_server(origin(80, **fields), "@system-ca", "site/a.test").arguments or ""
    assert all(part in words for part in contains)
    assert not any(part in words for part in lacks)


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "a.test"},
        {"address": "127.0.0.1 ssl"},
        {"address": "fe80::1%eth0"},
        {"tls": OriginTls.STRICT},
        {"tls": OriginTls.FULL, "sni": "a.test) verify none"},
        {"tls": OriginTls.FULL, "sni": "a.test\nshutdown frontend edge"},
    ],
)
def test_origins_that_cannot_be_expressed(fields: dict[str, Any]) -> None:
    with pytest.raises(EngineRefused) as refused:
        compile_server(origin(80, **fields), "@system-ca", "site/a.test")
    assert refused.value.field == "site/a.test"


def test_a_server_s_name_changes_with_its_identity_only() -> None:
    base = origin(80, tls=OriginTls.FULL, sni="a.test")
    same = {
        server_name(base.model_copy(update=change)) for change in ({}, {"weight": 1}, {"max_connections": 7})
    }
    assert len(same) == 1
    changes: list[dict[str, Any]] = [
        {"address": "127.0.0.2"},
        {"port": 81},
        {"tls": OriginTls.STRICT},
        {"sni": "b.test"},
        {"sni": None},
        {"backup": True},
    ]
    names = {server_name(base.model_copy(update=change)) for change in changes}
    assert len(names) == len(changes)
    assert not names & same


def test_an_origin_named_twice_is_one_server() -> None:
    _, servers = compile_site(site("a.test", origin(80), origin(80, weight=5)), "be_0001", "@system-ca")
    assert [server.weight for server in servers.values()] == [100]


@given(st.text(max_size=300))
def test_hosts_hold_nothing_that_means_something_to_haproxy(text: str) -> None:
    if valid_host(text):
        assert text == text.lower()
        assert not set(text) - set("abcdefghijklmnopqrstuvwxyz0123456789-_.*")
        assert "*" not in text.removeprefix("*.")


@given(
    st.integers(1, 10**6),
    st.booleans(),
    st.integers(0, 10**6),
    st.integers(0, 10**8),
    st.integers(0, 10**5),
)
def test_routes_come_back(number: int, redirect: bool, client: int, whole: int, at_once: int) -> None:
    limits = SiteLimits(requests_per_client=client, requests_per_site=whole, connections_per_client=at_once)
    route = Route(backend=backend_name(number), https_redirect=redirect, limits=limits)
    assert parse_route(format_route("a.test", route)) == route


# --- certificates ---------------------------------------------------------------------------------


def test_certificates_are_looked_at_before_haproxy_sees_them() -> None:
    one, two = issue("a.test"), issue("b.test")
    assert certificate_flaw(one.chain_pem, one.key_pem) is None
    assert certificate_flaw(one.chain_pem + two.chain_pem, one.key_pem) is None
    for chain, key, words in (
        (one.chain_pem, two.key_pem, "does not belong"),
        (two.chain_pem + one.chain_pem, one.key_pem, "does not belong"),
        ("", one.key_pem, "PEM"),
        (one.chain_pem, "", "PEM"),
        (one.chain_pem[:200], one.key_pem, "PEM"),
    ):
        flaw = certificate_flaw(chain, key)
        assert flaw is not None
        assert words in flaw
        assert "BEGIN" not in flaw


def test_small_rsa_keys_are_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(65537, 1024)  # noqa: S505
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert "1024 bits" in (certificate_flaw(issue("a.test").chain_pem, pem) or "")


# --- the pool -------------------------------------------------------------------------------------


def test_pool_sizes_double() -> None:
    assert [pool_size(8, needed) for needed in (0, 8, 9, 16, 17, 100)] == [8, 8, 16, 16, 32, 128]


@given(st.integers(8, 40), st.lists(st.integers(0, 30), max_size=60), st.randoms(use_true_random=False))
def test_no_backend_is_given_twice(size: int, moves: list[int], chance: random.Random) -> None:
    pool = BackendPool(size)
    held: list[str] = []
    for move in moves:
        if held and move % 3 == 0:
            pool.give_back(held.pop(chance.randrange(len(held))))
        else:
            backend = pool.take()
            assert (backend is None) == (len(held) == size)
            if backend is not None:
                assert backend not in held
                held.append(backend)
    assert len(pool) == size - len(held)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 20)), st.sets(st.sampled_from("abcdefghijkl"))
)
def test_assignments_are_stable_and_never_shared(current: dict[str, int], hosts: set[str]) -> None:
    before = {host: backend_name(number) for host, number in current.items()}
    assigned, size = assign(sorted(hosts), before, 8)
    assert assigned.keys() == hosts
    assert len(set(assigned.values())) == len(hosts)
    assert size >= len(hosts)
    unshared = {h for h in hosts & before.keys() if list(before.values()).count(before[h]) == 1}
    assert all(assigned[host] == before[host] for host in unshared)
    assert assign(sorted(hosts), assigned, 8) == (assigned, size)


# --- differences ----------------------------------------------------------------------------------

HOSTS = ("a.test", "b.test", "*.a.test")
FILES = tuple(f"/s/haproxy/certificates/{name}.0.pem" for name in ("c1", "c2"))
LIMITS = SiteLimits()


@st.composite
def states(draw: st.DrawFn) -> EdgeState:
    routes, servers = {}, {}
    numbers = draw(st.permutations(range(1, 4)))
    for host, number in zip(HOSTS, numbers, strict=True):
        if draw(st.booleans()):
            routes[host] = Route(backend_name(number), draw(st.booleans()), LIMITS)
            servers[backend_name(number)] = {
                name: Server(name, draw(st.integers(0, 2)), draw(st.integers(1, 2)), "127.0.0.1:1")
                for name in draw(st.sets(st.sampled_from(["s1", "s2", "s3"])))
            }
    certificates = {
        file: EdgeCertificate(file, tuple(sorted(draw(st.sets(st.sampled_from(HOSTS), min_size=1)))), "pem")
        for file in draw(st.sets(st.sampled_from(FILES)))
    }
    secured = frozenset(itertools.chain.from_iterable(held.hosts for held in certificates.values()))
    return EdgeState(routes, servers, certificates, secured)


class Double:
    """HAProxy's runtime API as the manual describes it, as far as our commands go. Bad orders raise."""

    def __init__(self, state: EdgeState) -> None:
        self.maps = {
            PLACES.sites: {host: format_route(host, route) for host, route in state.routes.items()},
            PLACES.secured: dict.fromkeys(state.secured, "1"),
        }
        self.servers = {
            (backend, name): [server.weight, server.max_connections, True]
            for backend, held in state.servers.items()
            for name, server in held.items()
        }
        self.listed = {file: set(held.hosts) for file, held in state.certificates.items()}
        self.stored = set(self.listed)

    def run(self, line: str) -> None:
        first, _, payload = line.partition("\n")
        match first.removesuffix(" <<").split():
            case ["add", "map", file, host, value]:
                assert host not in self.maps[file]
                self.maps[file][host] = value
            case ["set", "map", file, host, value]:
                assert host in self.maps[file]
                self.maps[file][host] = value
            case ["del", "map", file, host]:
                del self.maps[file][host]
            case ["add", "server", where, *words]:
                place = self.place(where)
                assert place not in self.servers
                size = dict(zip(words[-4::2], words[-3::2], strict=True))
                self.servers[place] = [int(size["weight"]), int(size["maxconn"]), False]
            case ["enable", "server", where]:
                self.servers[self.place(where)][2] = True
            case ["disable", "server", where]:
                backend, _ = place = self.place(where)
                self.servers[place][2] = False
                routed = {value.split("|")[0] for value in self.maps[PLACES.sites].values()}
                ready = any(up for (b, _), (_, _, up) in self.servers.items() if b == backend)
                self.outage = getattr(self, "outage", False) or (backend in routed and not ready)
            case ["enable", "health", where]:
                assert self.place(where) in self.servers
            case ["set", "server", where, "weight", weight]:
                self.servers[self.place(where)][0] = int(weight)
            case ["set", "maxconn", "server", where, number]:
                self.servers[self.place(where)][1] = int(number)
            case ["del", "server", where]:
                assert not self.servers.pop(self.place(where))[2]
            case ["new", "ssl", "cert", file]:
                assert file not in self.stored
                self.stored.add(file)
            case ["set" | "commit" | "abort", "ssl", "cert", file]:
                assert file in self.stored
            case ["add", "ssl", "crt-list", _]:
                file, *hosts = payload.split()
                assert file in self.stored - self.listed.keys()
                self.listed[file] = set(hosts)
            case ["del", "ssl", "crt-list", _, file]:
                del self.listed[file]
            case ["del", "ssl", "cert", file]:
                assert file not in self.listed
                self.stored.remove(file)
            case _:
                raise AssertionError(line)

    @staticmethod
    def place(where: str) -> tuple[str, str]:
        backend, _, name = where.partition("/")
        return backend, name


@given(states(), states())
def test_commands_lead_from_any_state_to_any_other(before: EdgeState, after: EdgeState) -> None:
    engine = Double(before)
    commands = diff(after, before, PLACES)
    assert [command.phase for command in commands] == sorted(command.phase for command in commands)
    for command in commands:
        assert command.line.endswith("\n")
        engine.run(command.line)
    wanted = Double(after)
    assert engine.maps == wanted.maps
    assert engine.servers == wanted.servers
    assert engine.listed == wanted.listed
    assert engine.stored == wanted.stored
    assert diff(after, after, PLACES) == ()


def test_new_before_old() -> None:
    """A site whose only origin changes is never without one."""
    server = {name: Server(name, 1, 1, "x:1") for name in ("old", "new")}
    route = {"a.test": Route("be_0001", False, LIMITS)}
    before = EdgeState(route, {"be_0001": {"old": server["old"]}})
    after = EdgeState(route, {"be_0001": {"new": server["new"]}})
    engine = Double(before)
    commands = diff(after, before, PLACES)
    for command in commands:
        engine.run(command.line)
    assert not engine.outage
    assert [command.phase for command in commands][-2:] == [Phase.RETIRE, Phase.SWEEP]


def test_keys_do_not_show() -> None:
    file = "/s/haproxy/certificates/x.0.pem"
    state = EdgeState(certificates={file: EdgeCertificate(file, ("a.test",), "the secret")})
    commands = diff(state, EdgeState(), PLACES)
    assert "the secret" not in repr(commands)
    assert "the secret" not in repr(state)
    assert any("the secret" in command.line for command in commands)


# --- what HAProxy prints --------------------------------------------------------------------------


def test_reading_maps() -> None:
    text = "0x5581 a.test be_0001|rc|500|7|100\n0x5582 *.a.test be_0002|-|1|1|1\n"
    assert [*observe.routes(text, "")] == ["a.test", "*.a.test"]


def test_reading_certificates() -> None:
    text = "# /s/list\n/s/default.pem\n/s/c/x.1.pem a.test *.a.test\n"
    assert observe.certificates(text)["/s/c/x.1.pem"].hosts == ("a.test", "*.a.test")
    assert observe.certificate_files("# transaction\n*/s/c/y.pem\n# filename\n/s/c/x.1.pem\n") == {
        "/s/c/x.1.pem"
    }


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [None, "https://edge.test/receipt/"])
def test_pages_are_small_and_ask_for_nothing_from_elsewhere(url: str | None) -> None:
    for page in PAGES:
        text = render(page, PLACES, url)
        assert len(text) < 4096
        receipt = receipts.first(page.status, PLACES)
        assert text.count(receipt) == 1
        assert text.count("%[unique-id]") == (page.status >= 500)
        rest = text.replace("%[unique-id]", "")
        rest = rest.replace(receipt, "").replace(receipts.again(), "").replace("%%", "")
        assert "%" not in rest, "every other percent sign is doubled"
        assert text.count(f'<a href="{url}{receipts.again()}">') == (url is not None)
        for foreign in ("http:", "https:", "src=", "@import", "url(", "<script"):
            assert foreign not in rest.replace(url or "-", "")
        assert '<html lang="en">' in text
        assert "prefers-color-scheme:dark" in text


@pytest.mark.parametrize("state", ["relative", "/with space", "/with'quote", "/with\nline", "/ü"])
def test_folders_that_cannot_be_named(state: str) -> None:
    with pytest.raises(InvalidInput):
        Places.of(Configuration.model_validate({"state": state}).paths)


def test_as_many_visitors_as_there_are_descriptors_for() -> None:
    assert boot.connections_possible(20_000, 1_000, None) == 20_000
    assert boot.connections_possible(20_000, 1_000, 1_000_000) == 20_000
    assert boot.connections_possible(20_000, 1_000, 20_000) == 9_250
    assert boot.connections_possible(20_000, 1_000, 1_024) == 100
