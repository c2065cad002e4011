"""Receipts as HAProxy makes them and the gate reads them; the operator's own host, with a real gate."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest

from rempart.engines.haproxy import verdicts
from rempart.engines.haproxy.defending import EdgeDefence
from rempart.engines.haproxy.gate_keys import read_keys
from rempart.gate.receipts.files import read_messages
from rempart.model.receipts import Refusal, read
from rempart.model.sites import SiteLimits
from rempart.node.settings import Resolved
from rempart.snapshot.items import SiteItem
from tests.engines.haproxy.edge import NO_LIMITS, Answer, Edge, Origin, certificate, eventually, new_edge
from tests.engines.haproxy.edge import origin as served_by
from tests.engines.haproxy.guarded import _GATE

OPERATOR = "edge.test"
LIMITED = SiteLimits(requests_per_client=5, requests_per_site=0, connections_per_client=0)


@contextlib.contextmanager
def operated(*sites: SiteItem) -> Iterator[Edge]:
    """An edge with an operator's host, and the gate's real process behind it."""
    with new_edge(*sites) as edge:
        edge.config = edge.config.model_copy(update={"operator_host": OPERATOR})
        edge.engine = type(edge.engine)(edge.config)
        paths = edge.config.paths
        (paths.run / "gate").mkdir()
        paths.receipts.mkdir()
        edge.engine.write_boot_files(edge.view)
        resolved = paths.root / "resolved.json"
        resolved.write_text(Resolved(configuration=edge.config).model_dump_json())
        with (paths.root / "gate.log").open("ab") as log:
            command = [sys.executable, "-c", _GATE, str(resolved), "0"]
            gate = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(paths.receipts_socket.exists, 60)
            yield edge.start()
        finally:
            gate.terminate()
            gate.wait(10)


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    with Origin("one") as one:
        limited = SiteItem(
            host="limited.test", origins=(served_by(one.port),), https_redirect=False, limits=LIMITED
        )
        attacked = SiteItem(
            host="attacked.test",
            origins=(served_by(one.port),),
            https_redirect=False,
            limits=NO_LIMITS,
            challenge=True,
        )
        with operated(limited, attacked) as it:
            yield it


def receipt_in(answer: Answer) -> str:
    found = re.search(r"<code>([^<]+)</code>", answer.body.decode())
    assert found is not None
    return found[1]


def refusal(edge: Edge, answer: Answer) -> Refusal:
    keys = read_keys(edge.config.paths.gate_keys)
    assert keys is not None
    text = receipt_in(answer)
    # The page links to where it can be looked at, with the very same text.
    assert f'href="{edge.config.receipt_url}{text}"' in answer.body.decode()
    return read(text, keys.receipt_key)


def refused_by_limit(edge: Edge, source: str) -> Answer:
    answers = [edge.get("limited.test", source=source) for _ in range(7)]
    assert [one.status for one in answers[:5]] == [200] * 5
    return answers[-1]


def test_what_the_edge_writes_the_gate_reads(edge: Edge) -> None:
    began = int(time.time())
    limit = refusal(edge, refused_by_limit(edge, "127.0.1.7"))
    assert (limit.host, limit.status, limit.why, limit.by) == ("limited.test", 429, "client-rate", None)
    assert limit.network == "127.0.1.0/24"
    assert began <= limit.at <= time.time() + 1
    for code in ("en", "fr", "ar"):
        asked = refusal(edge, edge.get("Attacked.Test:80", headers={"Accept-Language": code}))
        assert (asked.host, asked.status, asked.why, asked.by) == ("attacked.test", 503, "challenge", None)
    nobody = refusal(edge, edge.get("no-such.test"))
    assert (nobody.host, nobody.status, nobody.why) == ("no-such.test", 421, "")


def test_a_mitigation_is_named(edge: Edge) -> None:
    defence = EdgeDefence(edge.config.paths)
    for letter, status, why in (
        ("d.17", 403, "defence"),
        ("l.18.0", 429, "defence"),
        ("c.19", 503, "challenge"),
    ):
        defence.look(65_536, 0)
        defence.enforce([(verdicts.key(None, ()), letter)])
        defence.hold_until(int(time.time()) + 60)
        try:
            found = refusal(edge, edge.get("limited.test", source="127.0.2.7"))
            assert (found.status, found.why, found.by) == (status, why, int(letter.split(".")[1]))
        finally:
            defence.enforce(())
            defence.look(0, 0)


def test_a_forged_host_is_written_harmlessly(edge: Edge) -> None:
    answer = edge.raw(b"GET / HTTP/1.0\r\n\r\n", seconds=5)
    assert answer.startswith((b"HTTP/1.0 421", b"HTTP/1.1 421"))
    strange = edge.raw(b"GET / HTTP/1.1\r\nHost: \"'x&y\r\nConnection: close\r\n\r\n", seconds=5)
    assert b"\"'x&y" not in strange


def test_the_operators_host_is_never_refused_anything(edge: Edge) -> None:
    receipt = receipt_in(refused_by_limit(edge, "127.0.3.7"))
    for _ in range(30):
        page = edge.get(OPERATOR, f"/receipt/{receipt}", source="127.0.3.7")
        assert page.status == 200
    text = page.body.decode()
    for words in ("limited.test", "127.0.3", "More requests came from you", receipt):
        assert (words in text) is (words != "127.0.3")
    # Its name in every spelling, its certificate like any site's, and the redirect that follows from it.
    assert edge.get("Edge.Test.:80", "/receipt/").status == 200
    edge.put(certificate(OPERATOR))
    try:
        assert edge.served_certificate(OPERATOR).subject.rfc4514_string() == f"CN={OPERATOR}"
        assert edge.get(OPERATOR, f"/receipt/{receipt}").status == 301
        assert edge.get(OPERATOR, f"/receipt/{receipt}", tls=True).status == 200
    finally:
        edge.drop(next(key for key in edge.items if key.startswith("certificate/")))


def test_it_stays_when_everything_is_compared_anew_and_no_site_can_take_its_name(edge: Edge) -> None:
    edge.engine.reconcile(edge.view)
    assert edge.get(OPERATOR, "/receipt/").status == 200
    mine = SiteItem(host=OPERATOR, origins=(), https_redirect=False, limits=NO_LIMITS)
    report = edge.put(mine)
    assert [one.reason for one in report.refusals] == ["this is the operator's own host"]
    assert edge.get(OPERATOR, "/receipt/").status == 200
    del edge.items[mine.key]


def test_a_visitor_says_that_it_is_a_mistake(edge: Edge) -> None:
    receipt = receipt_in(refused_by_limit(edge, "127.0.4.7"))
    form = edge.get(OPERATOR, f"/receipt/{receipt}?lang=fr", source="127.0.4.7").body.decode()
    token = re.search(r'name="token" value="([0-9a-f]+)"', form)
    assert token is not None
    fields = {"text": "<script>alert(1)</script> é", "contact": "me@x.test", "lang": "fr"}

    def send(source: str = "127.0.4.7", **more: str) -> Answer:
        return edge.get(
            OPERATOR,
            f"/receipt/{receipt}",
            method="POST",
            source=source,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode({**fields, **more}).encode(),
        )

    refused = send(token="0" * 32)
    assert refused.status == 403
    assert "&lt;script&gt;alert(1)&lt;/script&gt; é" in refused.body.decode(), "nothing written is lost"
    assert send(token=token[1], source="127.0.4.8").status == 403, "another visitor's token"
    assert send(token=token[1], text="x" * 20_000).status == 413
    assert send(token=token[1], text="x" * 1_001).status == 400
    assert read_messages(edge.config.paths.receipts) == ()
    taken = send(token=token[1])
    assert taken.status == 303
    thanks = edge.get(OPERATOR, urlsplit(taken.headers["location"])._replace(fragment="").geturl())
    assert "Merci" in thanks.body.decode()
    (message,) = read_messages(edge.config.paths.receipts)
    assert (message.receipt, message.text) == (receipt, fields["text"])
    assert (message.address, message.network) == ("127.0.4.7", "127.0.4.0/24")


def test_whom_a_person_releases_passes_limit_and_challenge(edge: Edge) -> None:
    assert refused_by_limit(edge, "127.0.5.7").status == 429
    assert edge.get("attacked.test", source="127.0.5.7").status == 503
    hosts = {host: backend for backend, host in edge.engine.assignment().items()}
    keys = [key for host in hosts for key in verdicts.release_keys(hosts[host], "127.0.5.7")]
    EdgeDefence(edge.config.paths).release(keys)
    try:
        assert {edge.get("limited.test", source="127.0.5.7").status for _ in range(10)} == {200}
        assert edge.get("attacked.test", source="127.0.5.7").status == 200
        # And nobody else, not even one whose address begins with the same digits.
        assert edge.get("attacked.test", source="127.0.5.77").status == 503
        assert refused_by_limit(edge, "127.0.5.77").status == 429
    finally:
        EdgeDefence(edge.config.paths).release(())
    assert edge.get("attacked.test", source="127.0.5.7").status == 503
