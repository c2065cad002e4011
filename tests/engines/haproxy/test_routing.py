"""Which site a visitor reaches, what the origin is told about the visitor, and what is shown otherwise."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.engines.haproxy.edge import (
    NO_LIMITS,
    Edge,
    Origin,
    certificate,
    eventually,
    new_edge,
    origin,
    site,
)

SPOOFED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "Forwarded": "for=6.6.6.6",
    "X-Real-IP": "6.6.6.6",
    "CF-Connecting-IP": "6.6.6.6",
    "True-Client-IP": "6.6.6.6",
    "x-cluster-client-ip": "6.6.6.6",
    "CF-Visitor": "6.6.6.6",
    "X-Request-ID": "spoofed",
    "Proxy": "http://6.6.6.6",
}


@pytest.fixture
def sites(edge: Edge, one: Origin, two: Origin) -> Edge:
    edge.put(site("a.test", origin(one.port)), site("*.a.test", origin(two.port)))
    return edge


@pytest.mark.parametrize(
    ("host", "who"),
    [
        ("a.test", "one"),
        ("A.TeSt", "one"),
        ("a.test.", "one"),
        ("a.test:8080", "one"),
        ("x.a.test", "two"),
        ("x.a.test:1", "two"),
    ],
)
def test_names_reach_their_site(sites: Edge, host: str, who: str) -> None:
    answer = sites.get(host)
    assert answer.json["origin"] == who
    assert answer.seen["host"] == host, "the origin sees the Host that the visitor sent"


@pytest.mark.parametrize("host", ["b.test", "x.y.a.test", "xa.test", "test", "", "127.0.0.1", "*.a.test|x"])
@pytest.mark.parametrize("tls", [False, True])
def test_unknown_names_are_misdirected(sites: Edge, host: str, tls: bool) -> None:
    answer = sites.get(host, tls=tls)
    assert answer.status == 421
    assert "Receipt: <code>" in answer.body.decode()


@pytest.mark.parametrize(
    "host",
    ['a.test:80";for=6.6.6.6', "a.test:80, b", "a.test:x", "*.a.test", "x" * 249 + ".a.test.evil.example"],
)
def test_a_host_that_hides_something_is_refused(sites: Edge, one: Origin, host: str) -> None:
    assert sites.get(host).status in (400, 421)
    assert not one.requests


@pytest.mark.parametrize("tls", [False, True])
def test_the_origin_learns_the_visitor_from_us_only(sites: Edge, tls: bool) -> None:
    answer = sites.get("a.test", headers=SPOOFED, source="127.0.0.7", tls=tls)
    seen = answer.json["headers"]
    scheme = "https" if tls else "http"
    ours = {
        "x-forwarded-for": "127.0.0.7",
        "x-forwarded-proto": scheme,
        "forwarded": f"for=127.0.0.7;proto={scheme}",
        "cf-connecting-ip": "127.0.0.7",
        "x-request-id": next(value for name, value in seen if name == "x-request-id"),
    }
    assert re.fullmatch(r"\d+-\d+", ours["x-request-id"])
    assert "x-request-id" not in answer.headers  # only when something is wrong
    about = [(name, value) for name, value in seen if name in {spoofed.lower() for spoofed in SPOOFED}]
    assert sorted(about) == sorted(ours.items())
    assert "6.6.6.6" not in str(seen)


@pytest.mark.parametrize(
    ("name", "passed"),
    [
        ("x-client-ip", False),
        ("true-client-ip", False),
        ("x-client-ip-too", True),
        ("x_forwarded_for", False),
        ("proxy", False),
        ("cf-ray", False),
        ("x-real-ip", False),
        ("x-real-ip-2", True),
        ("forwarded-by", True),
        ("a-forwarded", True),
        ("keep-alive", False),
        ("dnt", True),
    ],
)
@pytest.mark.parametrize("place", ["first", "last"])
def test_which_headers_of_visitors_pass(sites: Edge, name: str, passed: bool, place: str) -> None:
    more = {"accept": "*/*", "x-more": "1"}
    headers = {name: "6.6.6.6", **more} if place == "first" else {**more, name: "6.6.6.6"}
    seen = sites.get("a.test", headers=headers).json["headers"]
    assert ([name, "6.6.6.6"] in [list(pair) for pair in seen]) is passed


def test_forwarded_brackets_and_quotes_ipv6(one: Origin) -> None:
    """RFC 7239 section 6."""
    with new_edge(site("a.test", origin(one.port)), listen=("127.0.0.1", "::1")) as edge:
        edge.start()
        done = subprocess.run(
            ["curl", "-sg", "-H", "Host: a.test", f"http://[::1]:{edge.http}/"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert r"for=\"[::1]\";proto=http" in done.stdout
        assert '["x-forwarded-for", "::1"]' in done.stdout


def test_names_with_underscores_do_not_pass_as_ours(sites: Edge) -> None:
    """CGI turns X_Forwarded_For and X-Forwarded-For into the same variable."""
    seen = sites.get("a.test", headers={"X_Forwarded_For": "6.6.6.6", "X-Harmless": "1"}).seen
    assert "x_forwarded_for" not in seen
    assert seen["x-harmless"] == "1"


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308), ("DELETE", 308)]
)
def test_redirect_to_https(edge: Edge, one: Origin, method: str, status: int) -> None:
    edge.put(site("a.test", origin(one.port), https_redirect=True), certificate("a.test"))
    answer = edge.get("a.test", "/p/q?x=1&y=%20", method=method)
    assert (answer.status, answer.headers["location"]) == (
        status,
        f"https://a.test:{edge.https}/p/q?x=1&y=%20",
    )
    assert not one.requests
    assert edge.get("a.test", "/.well-known/acme-challenge/token").json["origin"] == "one"
    assert edge.get("a.test", "/p", tls=True).json["path"] == "/p"


def test_no_redirect_before_there_is_a_certificate(edge: Edge, one: Origin) -> None:
    """A visitor sent to https without a certificate would be at a dead end."""
    edge.put(site("a.test", origin(one.port), https_redirect=True))
    assert edge.get("a.test").status == 200
    first, second = certificate("*.test"), certificate("a.test")
    edge.put(first, second)
    assert edge.get("a.test").status == 301
    edge.drop(first.key)
    assert edge.get("a.test").status == 301, "the other certificate still covers the name"
    edge.drop(second.key)
    assert edge.get("a.test").status == 200
    assert edge.engine.reconcile(edge.view).commands == 0


def test_the_standard_port_is_not_named_in_redirects() -> None:
    from rempart.engines.haproxy import boot
    from rempart.engines.haproxy.names import Places
    from rempart.engines.haproxy.state import EdgeState
    from rempart.model.configuration import EdgeSection, StatePaths

    places = Places.of(StatePaths.model_validate({"root": "/x"}))
    text = boot.configuration(EdgeSection(), places, EdgeState(), 1, authorities="@system-ca")
    assert "location https://%[var(sess.redirect)]%[pathq] code 301" in text


def test_hsts_only_when_asked_for(one: Origin, edge: Edge) -> None:
    edge.put(site("a.test", origin(one.port)))
    assert "strict-transport-security" not in edge.get("a.test", tls=True).headers
    with new_edge(site("a.test", origin(one.port)), hsts=True) as strict:
        strict.start()
        assert strict.get("a.test", tls=True).headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in strict.get("a.test").headers


def test_the_origin_s_own_answers_pass(sites: Edge) -> None:
    for status in (404, 429, 500, 503):
        answer = sites.get("a.test", f"/status/{status}")
        assert (answer.status, answer.body) == (status, b"the origin's own words")
        assert answer.headers["x-request-id"]
        assert answer.headers["server"].startswith("BaseHTTP")


def test_methods_that_no_site_needs(sites: Edge, one: Origin) -> None:
    for method in ("TRACE",):
        assert sites.get("a.test", method=method).status == 405
    answer = sites.raw(b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")
    assert not one.requests


def test_an_origin_is_not_talked_into_http2_in_the_clear(sites: Edge) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQ"}
    seen = sites.get("a.test", headers=headers).seen
    assert not {"upgrade", "http2-settings", "connection"} & seen.keys()


def test_connection_cannot_name_our_headers(sites: Edge) -> None:
    """An origin that is a proxy itself would remove what Connection names."""
    seen = sites.get("a.test", headers={"Connection": "close, X-Forwarded-For, CF-Connecting-IP"}).seen
    assert "x-forwarded-for" not in seen.get("connection", "").lower()
    assert seen["x-forwarded-for"] == "127.0.0.1"


def test_http2(sites: Edge) -> None:
    done = subprocess.run(
        [
            "curl", "-sk", "--http2", "-w", "\n%{http_version}",
            "--resolve", f"a.test:{sites.https}:127.0.0.1", "-H", "X-Forwarded-For: 6.6.6.6", f"https://a.test:{sites.https}/h2",
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    body, _, version = done.stdout.rpartition("\n")
    assert version == "2"
    assert '"path": "/h2"' in body
    assert "6.6.6.6" not in body


def test_old_tls_is_refused(sites: Edge) -> None:
    def handshake(*options: str) -> bool:
        done = subprocess.run(
            [
                "openssl",
                "s_client",
                "-connect",
                f"127.0.0.1:{sites.https}",
                "-servername",
                "a.test",
                *options,
            ],
            input=b"",
            capture_output=True,
            check=False,
        )
        return b"Cipher is (NONE)" not in done.stdout and done.returncode == 0

    assert handshake("-tls1_2")
    assert handshake("-tls1_3")
    assert not handshake("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert not handshake("-tls1_2", "-cipher", "AES128-SHA")


def test_pages_for_an_origin_that_fails(edge: Edge, one: Origin) -> None:
    edge.put(site("a.test", origin(one.port)), site("empty.test"))
    answer = edge.get("empty.test")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["x-request-id"] in answer.body.decode()
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.body) < 4096
    one.stop()
    answer = edge.get("a.test")
    assert answer.status == 503
    assert answer.headers["x-request-id"] in answer.body.decode()


def test_the_page_for_nonsense_from_the_origin(edge: Edge) -> None:
    from tests.engines.haproxy.edge import RawOrigin

    with RawOrigin(b"this is not HTTP\r\n\r\n") as nonsense:
        edge.put(site("a.test", origin(nonsense.port)))
        answer = edge.get("a.test")
        assert answer.status == 502
        assert answer.headers["x-request-id"] in answer.body.decode()


@pytest.mark.slow
def test_the_page_for_an_origin_that_never_answers(edge: Edge) -> None:
    from tests.engines.haproxy.edge import RawOrigin

    with RawOrigin(b"") as silent:
        edge.put(site("a.test", origin(silent.port)))
        answer = edge.get("a.test", timeout=90)
        assert answer.status == 504
        assert answer.headers["x-request-id"] in answer.body.decode()


def test_log_of_refusals_only(edge: Edge, one: Origin) -> None:
    """One JSON line for each refusal or failure; nothing for what went well; the address shortened."""
    import json
    import socket

    path = edge.config.paths.run / "node" / "haproxy-log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(path))
        log.settimeout(10)
        edge.put(site("a.test", origin(one.port)), site("empty.test", limits=NO_LIMITS))
        assert edge.get("a.test").status == 200
        refused = edge.get('"\\x', source="127.0.0.9")
        failed = edge.get("empty.test")
        lines: list[dict[str, Any]] = []
        while len(lines) < 2:
            line = log.recv(65536)
            if line.startswith(b"{"):  # the others say what became of origins
                lines.append(json.loads(line))
    assert [line["id"] for line in lines] == [refused.headers["x-request-id"], failed.headers["x-request-id"]]
    assert [line["status"] for line in lines] == [421, 503]
    assert [line["host"] for line in lines] == ['"\\x', "empty.test"]
    assert {line["client"] for line in lines} == {"127.0.0.0"}
    assert lines[1]["backend"].startswith("be_")
    eventually(edge.engine.alive)
