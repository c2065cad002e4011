"""Remedies on URLs and for territories, by a real HAProxy: found in every spelling, put in force and lifted
without a reload, costing other sites nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rempart.engines.haproxy.remedies import identity
from rempart.model.cases_remedies import Notice, Remedy
from rempart.model.configuration import TerritorySection
from rempart.model.gate import READ_COOKIE, READ_PATH
from rempart.model.urls import visited
from rempart.snapshot.items import EdgeRemedy, SiteItem
from tests.engines.haproxy.edge import Edge, Origin, new_edge, origin, site
from tests.model.test_urls import SAME

HOST = "forum.example.org"
ORDER = Notice(
    ordered=True,
    authority="Court of Somewhere",
    reference="4 O 12/26",
    basis="Act <1>",
    explanation="It says so.\nAll.",
)
DECISION = Notice(ordered=False, basis="Violence", explanation="Menaces de mort & « plus ».")
LINK = "https://operator.example/register/2026-abc"


def remedy(kind: Remedy = Remedy.BLOCK_URL, path: str | None = "/a/b", **fields: Any) -> EdgeRemedy:
    made = {
        "remedy": kind, "case": "2026-abc", "since": datetime(2026, 5, 1, tzinfo=UTC), "path": path,
        "notice": None if kind is Remedy.CHALLENGE else DECISION, "link": LINK,
    }  # fmt: skip
    return EdgeRemedy.model_validate({**made, **fields})


WARNING = remedy(Remedy.INTERSTITIAL)


def with_remedies(port: int, *remedies: EdgeRemedy, host: str = HOST) -> SiteItem:
    return site(host, origin(port)).model_copy(update={"remedies": remedies})


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Edge, Origin]]:
    """One HAProxy and one origin for all that changes nothing for others."""
    with Origin("one") as one, new_edge() as edge:
        edge.start()
        yield edge, one


@pytest.mark.parametrize("path", [*SAME, "/a/b/c", "/a/b?x=1", "/a/b/../c", "/a/b.php/../../a/b"])
def test_no_spelling_leads_around_a_block(shared: tuple[Edge, Origin], path: str) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy()))
    # HAProxy itself understands no fragment.
    assert edge.get(HOST, path).status == (400 if "#" in path else 403)


@pytest.mark.parametrize("path", ["/", "/a", "/a/bb", "/A/b", "/a/b.html", "/c/a/b", "/?/a/b", "/a/%2562"])
def test_every_other_page_is_served(shared: tuple[Edge, Origin], path: str) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy()))
    answer = edge.get(HOST, path)
    assert answer.status == 200
    assert answer.json["path"] == path, "the origin is asked in the visitor's own words"


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}.", f"{HOST}:8080"])
def test_no_spelling_of_the_host_leads_around_a_block(shared: tuple[Edge, Origin], host: str) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy()))
    assert edge.get(host, "/a/b").status == 403
    assert edge.get(host, f"http://{host}/%61/b").status == 403


def test_on_one_connection_each_request_is_looked_at(shared: tuple[Edge, Origin]) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy()))
    asked = "".join(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n" for path in ("/", "/a/b", "/c", "//a/%62"))
    end = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    answers = re.findall(rb"HTTP/1.1 ([0-9]+)", edge.raw((asked + end).encode()))
    assert answers == [b"200", b"403", b"200", b"403", b"200"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            [
                "/",
                "//",
                "a",
                "b",
                "%61",
                ".",
                "..",
                "%2e",
                "%2F",
                ";x",
                "%5c",
                "%00",
                "c",
                "%",
                "%6",
                "é",
                "#",
            ]
        ),
        max_size=12,
    )
)
def test_the_edge_and_the_model_agree(shared: tuple[Edge, Origin], parts: list[str]) -> None:
    """Blocked is exactly what comes through the blocked place."""
    edge, one = shared
    if (item := edge.items.get(f"site/{HOST}")) is None or item != with_remedies(one.port, remedy()):
        edge.put(with_remedies(one.port, remedy()))
    path = "/" + quote("".join(parts).replace("#", ""), safe="/%;.")
    expected = any(place == "/a/b" or place.startswith("/a/b/") for place in visited(path))
    assert (edge.get(HOST, path).status == 403) is expected


def test_an_endless_path_is_refused_where_urls_are_restricted(shared: tuple[Edge, Origin]) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy()))
    assert edge.get(HOST, "/x/.." * 200 + "/a/b").status == 400


def test_the_front_page_alone(shared: tuple[Edge, Origin]) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy(path="/")))
    assert [edge.get(HOST, path).status for path in ("/", "//", "/x/..", "/?a", "/x")] == [
        403,
        403,
        403,
        403,
        200,
    ]


def test_a_query_that_is_meant(shared: tuple[Edge, Origin]) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy(path="/v.php", query=("t=5",))))
    blocked = ("/v.php?t=5", "/v.php?u=1&t=5", "/v.php?%74=%35", "/x/../v.php?t=6;t=5", "/v.php/?t=5")
    served = ("/v.php", "/v.php?t=55", "/v.php?t=", "/v.php?x=t=5", "/w.php?t=5")
    assert [edge.get(HOST, path).status for path in (*blocked, *served)] == [403] * 5 + [200] * 5


def test_an_order_is_answered_as_rfc_7725_says(shared: tuple[Edge, Origin]) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy(notice=ORDER)))
    answer = edge.get(HOST, "/a/b")
    assert answer.status == 451
    assert answer.headers["link"] == f'<{LINK}>; rel="blocked-by"'
    assert answer.headers["rempart-case"] == "2026-abc"
    assert answer.headers["cache-control"] == "no-store"
    text = answer.body.decode()
    for said in (
        "Court of Somewhere",
        "4 O 12/26",
        "Act &lt;1&gt;",
        "It says so.<br>All.",
        f'href="{LINK}"',
        "2026-05-01",
    ):
        assert said in text, said
    assert 'lang="en"' in text


def test_a_decision_is_no_451_and_says_why_in_french(shared: tuple[Edge, Origin]) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, remedy(link=None)))
    answer = edge.get(HOST, "/a/b", headers={"Accept-Language": "fr-CA, en;q=0.5"})
    text = answer.body.decode()
    assert answer.status == 403
    assert "link" not in answer.headers
    assert 'lang="fr"' in text
    assert "Motif" in text
    assert "Menaces de mort &amp; « plus »." in text
    assert "href" not in text
    assert answer.headers["content-language"] == "fr"


def test_a_block_is_before_a_warning_and_an_order_before_a_decision(shared: tuple[Edge, Origin]) -> None:
    edge, one = shared
    order = remedy(notice=ORDER, case="2026-order")
    edge.put(with_remedies(one.port, remedy(Remedy.INTERSTITIAL, "/a"), remedy(), order))
    answer = edge.get(HOST, "/a/b")
    assert answer.status == 451
    assert answer.headers["rempart-case"] == "2026-order, 2026-abc"
    assert b"read" not in answer.body
    assert b"<form" in edge.get(HOST, "/a").body


def form_of(page: bytes) -> str:
    found = re.search(r'action="([^"]+)"', page.decode())
    assert found is not None
    return unescape(found[1])


def test_who_has_read_the_warning_goes_on(shared: tuple[Edge, Origin]) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, WARNING))
    first = edge.get(HOST, "/a/b/c?x=%20y&z=1")
    assert first.status == 403
    assert b"Before you go on" in first.body
    before = len(one.requests)
    sent = edge.get(HOST, form_of(first.body), method="POST", headers={"Origin": f"http://{HOST}"})
    assert (sent.status, sent.headers["location"]) == (303, "/a/b/c?x=%20y&z=1")
    assert len(one.requests) == before, "the origin hears of none of it"
    cookie = sent.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith(f"{READ_COOKIE}{identity(WARNING)}=")
    assert edge.get(HOST, "/a/b/c?x=%20y&z=1", headers={"Cookie": f"k=v; {cookie}"}).status == 200
    # Of another warning, host, or hand it opens nothing.
    name, _, value = cookie.partition("=")
    until, _, mac = value.partition(".")
    for false in (
        f"{name}={int(until) + 9}.{mac}",
        f"{name}={until}.{mac[::-1]}",
        f"{name}={until}.",
        f"{name}=1.{mac}",
    ):
        assert edge.get(HOST, "/a/b", headers={"Cookie": false}).status == 403
    edge.put(with_remedies(one.port, WARNING, host="other.example.org"))
    assert edge.get("other.example.org", "/a/b", headers={"Cookie": cookie}).status == 403
    edge.put(with_remedies(one.port, WARNING, remedy(Remedy.INTERSTITIAL, "/a", case="2026-two")))
    assert edge.get(HOST, "/a/b", headers={"Cookie": cookie}).status == 403, "one of two was read"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_nobody_else_can_read_it_for_a_visitor(shared: tuple[Edge, Origin], headers: dict[str, str]) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, WARNING))
    sent = edge.get(HOST, f"{READ_PATH}?for={identity(WARNING)}&to=%2Fa%2Fb", method="POST", headers=headers)
    assert (sent.status, sent.headers["location"]) == (303, "/a/b")
    assert "set-cookie" not in sent.headers


@pytest.mark.parametrize(
    "to",
    ["//evil.example/", "/%5Cevil.example", "https://evil.example/", "/%0d%0aSet-Cookie:%20a=b", "", "/%20"],
)
def test_the_way_on_leads_nowhere_else(shared: tuple[Edge, Origin], to: str) -> None:
    edge, one = shared
    edge.put(with_remedies(one.port, WARNING))
    sent = edge.get(HOST, f"{READ_PATH}?for={identity(WARNING)}&to={quote(to, safe='%')}", method="POST")
    assert (sent.status, sent.headers["location"]) == (303, "/")
    assert "a=b" not in sent.headers.get("set-cookie", "")
    injected = edge.get(HOST, f"{READ_PATH}?for=ab%0d%0aX:y&to=%2F", method="POST")
    assert injected.status == 303
    assert {"set-cookie", "x"}.isdisjoint(injected.headers)


def test_put_in_force_changed_and_lifted_without_a_reload(edge: Edge, one: Origin) -> None:
    pid = edge.engine.worker_pid()
    edge.put(with_remedies(one.port), with_remedies(one.port, host="other.example.org"))
    assert edge.get(HOST, "/a/b").status == 200
    edge.put(with_remedies(one.port, remedy()))
    assert edge.get(HOST, "/a/b").status == 403
    assert edge.get("other.example.org", "/a/b").status == 200
    edge.put(with_remedies(one.port, remedy(notice=ORDER)))
    assert edge.get(HOST, "/a/b").status == 451
    assert edge.engine.reconcile(edge.view).commands == 0, "nothing is left to do"
    edge.put(with_remedies(one.port, remedy(path="/c")))
    assert [edge.get(HOST, path).status for path in ("/a/b", "/c")] == [200, 403]
    edge.put(with_remedies(one.port))
    assert [edge.get(HOST, path).status for path in ("/a/b", "/c")] == [200, 200]
    assert edge.engine._runtime.ask(f"show map {edge.engine._places.remedies}").strip() == ""
    edge.put(with_remedies(one.port, remedy()))
    edge.drop(f"site/{HOST}")
    assert edge.engine._runtime.ask(f"show map {edge.engine._places.remedies}").strip() == ""
    assert edge.engine.worker_pid() == pid


def test_it_is_in_force_from_the_first_moment_after_a_start(one: Origin) -> None:
    with new_edge() as edge:
        item = with_remedies(one.port, remedy(), WARNING)
        edge.items[item.key] = item
        edge.start()
        assert edge.get(HOST, "/%61/b").status == 403
        assert edge.engine.reconcile(edge.view).commands == 0


def test_territory(one: Origin, tmp_path: Path) -> None:
    table = tmp_path / "networks.csv"
    table.write_text("network,country\n127.0.0.0/8,DE\n127.0.0.64/26,FR\n2001:db8::/32,FR\n127.0.0.3/32,\n")
    with new_edge(territory=TerritorySection(networks=table)) as edge:
        edge.start()
        edge.put(with_remedies(one.port, remedy(territory=("FR", "LU"))))
        sources = ("127.0.0.70", "127.0.0.1")
        assert [edge.get(HOST, "/a/b", source=one).status for one in sources] == [403, 200]
        assert "FR, LU" in edge.get(HOST, "/a/b", source=sources[0]).body.decode()
        edge.put(
            with_remedies(one.port, remedy(Remedy.INTERSTITIAL, territory=("DE",)), remedy(territory=("FR",)))
        )
        assert [b"<form" in edge.get(HOST, "/a/b", source=one).body for one in sources] == [False, True]


def test_a_site_without_remedies_is_not_asked_for_any(shared: tuple[Edge, Origin]) -> None:
    """Its route has no such letter, and the connection's next request passes over all rules as before."""
    edge, one = shared
    edge.put(with_remedies(one.port, host="plain.example.org"))
    route = edge.engine._contact().routes["plain.example.org"]
    assert route.remedies == frozenset()
    listed = edge.engine._runtime.ask(f"show map {edge.engine._places.sites}")
    entry = next(line for line in listed.splitlines() if "plain.example.org" in line)
    assert "u" not in entry.split("|")[1]
