"""Attacks on the gate, at a real HAProxy and the gate's real process: floods, clocks, what is sent twice."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import re
import selectors
import socket
import threading
import time
from collections import Counter

import psutil
import pytest

from rempart.gate import challenge
from rempart.model.challenges import Exemptions
from rempart.model.gate import CHALLENGE_LIFETIME_S, COOKIE, GATE_PATH, GateKey, Rung
from rempart.model.sites import SiteLimits
from tests.engines.haproxy.edge import Origin, eventually, origin
from tests.engines.haproxy.guarded import HOST, Guarded, besieged, clearance_in, proof_for, shop

PER_MINUTE = 100_000
GATE_GROWTH_MAX = 32 * 2**20


def test_answers_that_are_not_the_gate_s_own_words_are_refused(guarded: Guarded) -> None:
    now, key = int(time.time()), guarded.key()

    def waited(host: str = HOST, issued: int = now - 6, key: GateKey = key) -> str:
        return challenge.sign(challenge.issue(host, Rung.WAIT, 5, f"{issued}-{host}-1"[:9], issued), key)

    assert guarded.post("pass", f"c={waited(issued=now)}").status == 425
    for what, text, status in (
        ("forged", waited(key=GateKey(kid=key.kid, secret="ab" * 32, created=0)), 403),
        ("forged", waited(key=GateKey(kid="unknown", secret=key.secret, created=0)), 403),
        ("other site", waited("other.test"), 403),
        ("expired", waited(issued=now - CHALLENGE_LIFETIME_S - 1), 410),
        ("clock skew", waited(issued=now + 60), 403),
        ("malformed", waited()[:-1], 403),
    ):
        answer = guarded.post("pass", f"c={text}")
        assert answer.status == status, what
        assert answer.body.decode() == what
        assert "set-cookie" not in answer.headers


def test_one_answer_sent_many_times_at_once_earns_one_clearance(guarded: Guarded) -> None:
    form = proof_for(guarded.get())
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(guarded.post("pass", form).status)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(statuses) == {204: 1, 409: 19}


def test_the_algorithm_is_never_the_token_s_choice(guarded: Guarded) -> None:
    """Not even under our own key."""

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    key = guarded.key()
    claims = guarded.token().split(".")[1]
    for alg, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        header = part(json.dumps({"alg": alg, "kid": key.kid, "typ": "JWT"}, separators=(",", ":")).encode())
        mac = part(hmac.digest(key.token_key.encode(), f"{header}.{claims}".encode(), digest))
        assert guarded.get(f"{header}.{claims}.{mac}").status == (200 if alg == "HS256" else 503)


@pytest.mark.parametrize(
    ("apart", "status"),
    [
        (-3, 204),  # the edge ahead, as far as challenge.SKEW_S
        (-60, 403),
        (CHALLENGE_LIFETIME_S + 60, 410),
    ],
)
def test_clocks_apart(one: Origin, apart: int, status: int) -> None:
    """They are one machine's, unless somebody sets it. Never does a clearance come of it that should not."""
    with besieged(one, apart=apart) as guarded:
        passed = guarded.post("pass", proof_for(guarded.get()))
        assert passed.status == status
        assert ("set-cookie" in passed.headers) == (status == 204)
        if status == 204:
            assert guarded.get(clearance_in(passed)).status == 200


def test_giant_cookies_and_bodies_reach_nobody(guarded: Guarded) -> None:
    token = guarded.token()
    many = "; ".join(f"{COOKIE}={token}x" for _ in range(20))
    assert guarded.edge.get(HOST, headers={"Cookie": many}).status == 503
    assert guarded.edge.get(HOST, headers={"Cookie": f"a={'b' * 9_000}"}).status == 503
    assert guarded.edge.get(HOST, headers={"Cookie": "a=b; " * 4_000}).status == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for size in (2_049, 100_000):
        page = guarded.edge.get(HOST, "/order", method="POST", headers=form, body=b"a" * size)
        assert page.status == 503
        assert 'data-form=""' in page.body.decode()
    assert guarded.origin.requests == []
    assert guarded.get(token).status == 200


@pytest.mark.slow
def test_a_clearance_that_10_000_addresses_share_runs_dry(guarded: Guarded) -> None:
    limits = SiteLimits(requests_per_client=30, requests_per_site=0, connections_per_client=0)
    guarded.edge.put(shop(guarded.origin, limits))
    shared, address = guarded.token(n=1), ("127.0.0.1", guarded.edge.http)

    def status(token: str, source: str) -> int:
        request = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: {COOKIE}={token}\r\nConnection: close\r\n\r\n"
        with socket.create_connection(address, timeout=20, source_address=(source, 0)) as connection:
            connection.sendall(request.encode())
            return int(connection.recv(65_536).split()[1])

    seen: Counter[int] = Counter()
    for n in range(10_000):
        source = f"127.{1 + n // 2_500}.{n // 250 % 10}.{1 + n % 250}"
        seen[status(shared, source)] += 1
        if n % 100 == 50:
            # Others are unharmed, from the very same addresses.
            assert status(guarded.token(n=n), source) == 200
    assert seen == {200: 30, 429: 9_970}


@pytest.mark.slow
def test_bogus_answers_by_the_hundred_thousand_harm_nobody(guarded: Guarded) -> None:
    """100,000 a minute, from so many addresses that none of them meets its own limit."""
    stranger = guarded.key().model_copy(update={"secret": "cd" * 32})
    forged = challenge.sign(
        challenge.issue(HOST, Rung.WAIT, 5, "1234567890-12345", int(time.time())), stranger
    )
    process = psutil.Process(guarded.gate.pid)
    for _ in range(50):
        guarded.post("pass", f"c={forged}")
    before, answers = process.memory_info().rss, Flood(guarded, f"c={forged}", addresses=400)
    answers.start()
    token, good = guarded.token(), proof_for(guarded.get())
    while answers.is_alive():
        assert guarded.get(token, source="127.9.0.1").status == 200
        if good:
            assert guarded.edge.get(
                HOST, f"{GATE_PATH}pass", method="POST", source="127.9.0.2", body=good.encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            ).status == 204  # fmt: skip
            good = ""
        time.sleep(0.02)
    answers.join()
    assert answers.statuses == {403: answers.total}
    assert process.memory_info().rss - before < GATE_GROWTH_MAX


class Flood(threading.Thread):
    """Sends ``body`` to the gate at PER_MINUTE for six seconds, over a kept connection for each address."""

    def __init__(self, guarded: Guarded, body: str, addresses: int) -> None:
        super().__init__(daemon=True)
        self.statuses: Counter[int] = Counter()
        self.total = PER_MINUTE // 10
        self._request = (
            f"POST {GATE_PATH}pass HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}"
        ).encode()
        address = ("127.0.0.1", guarded.edge.http)
        sources = (f"127.8.{n // 250}.{1 + n % 250}" for n in range(addresses))
        self._connections = [
            socket.create_connection(address, timeout=60, source_address=(source, 0)) for source in sources
        ]

    def run(self) -> None:
        selector = selectors.DefaultSelector()
        for connection in self._connections:
            selector.register(connection, selectors.EVENT_READ)
        turn = itertools.cycle(self._connections)
        begun, sent, deadline = time.monotonic(), 0, time.monotonic() + 60
        while self.statuses.total() < self.total and time.monotonic() < deadline:
            due = min(self.total, int((time.monotonic() - begun) * PER_MINUTE / 60))
            while sent < due:
                next(turn).sendall(self._request)
                sent += 1
            for key, _ in selector.select(0.01):
                received = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                self.statuses.update(int(code) for code in re.findall(rb"HTTP/1.1 (\d+) ", received))
        selector.close()
        for connection in self._connections:
            connection.close()


def test_cleared_visitors_go_first_in_the_origin_s_queue(guarded: Guarded) -> None:
    item = shop(guarded.origin).model_copy(
        update={
            "origins": (origin(guarded.origin.port, max_connections=1),),
            "exemptions": Exemptions(paths=("/hook",)),
        }
    )
    guarded.edge.put(item)
    eventually(lambda: guarded.get(path="/hook/ready").status == 200)
    token, answers = guarded.token(), list[int]()

    def ask(path: str, who: str = "") -> threading.Thread:
        thread = threading.Thread(target=lambda: answers.append(guarded.get(who, path).status))
        thread.start()
        return thread

    def waiting(number: int) -> None:
        eventually(lambda: guarded.edge.engine.statistics().sites[0].queued == number)

    threads = [ask("/sleep/3", token)]
    eventually(lambda: guarded.origin.now == 1)
    for n in range(3):
        threads.append(ask(f"/hook/{n}"))
        waiting(n + 1)
    threads.append(ask("/visitor", token))
    waiting(4)
    for thread in threads:
        thread.join()
    assert answers == [200] * 5
    order = [request.split()[1] for request in guarded.origin.requests]
    assert order[order.index("/sleep/3") :] == ["/sleep/3", "/visitor", "/hook/0", "/hook/1", "/hook/2"]
