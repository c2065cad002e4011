"""The part that judges requests, against a real HAProxy: an attack unknown to it, and a crowd.

The policy learns faster than the default, so that a test need not wait for a minute; nothing else is other.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from rempart.defence.policy import Policy
from rempart.engines.haproxy.defending import EdgeDefence
from rempart.engines.haproxy.sight import shares, site_number
from rempart.engines.haproxy.state import host_digest
from rempart.model.attacks import Action, Layer
from rempart.model.configuration import Configuration
from rempart.model.receipts import Notices
from rempart.model.sites import SiteLimits
from rempart.node import state_folders
from rempart.node.defending import orders
from rempart.node.defending.entries import Entry
from rempart.node.defending.journal import read_account
from rempart.node.requests.service import Part, stand_aside
from tests.engines.haproxy.edge import Edge, Origin, eventually, new_edge, origin, site

HOST = "shop.test"
QUICK = Policy(known_seconds=2, quarantine=1, admitted_per_second=2_000)
TOOL = {"User-Agent": "tool/1", "Accept": "*/*"}
BROWSERS = tuple(
    {
        "User-Agent": f"Mozilla/5.0 (X11; rv:{version}.0) Firefox/{version}.0",
        "Accept": "text/html",
        "Accept-Language": language,
        "Accept-Encoding": "gzip",
        "Sec-Fetch-Mode": "navigate",
    }
    for version in (115, 128, 140)
    for language in ("en", "fr", "de")
)
PATHS = ("/", "/about", *(f"/item/{number}" for number in range(20)))


@dataclass
class Visitors:
    """Threads that ask, each request from an address of its own choice; the answers by kind of visitor."""

    port: int
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    _stopped: set[str] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)

    def come(
        self, kind: str, many: int, pause: float, headers: Callable[[random.Random], Mapping[str, str]]
    ) -> None:
        for number in range(many):
            chance = random.Random(f"{kind} {number}")
            thread = threading.Thread(target=self._visit, args=(kind, pause, headers, chance), daemon=True)
            thread.start()
            self._threads.append(thread)

    def go(self, *kinds: str) -> None:
        self._stopped |= set(kinds)

    def _visit(
        self,
        kind: str,
        pause: float,
        headers: Callable[[random.Random], Mapping[str, str]],
        chance: random.Random,
    ) -> None:
        while kind not in self._stopped:
            source = f"127.{chance.randrange(1, 250)}.{chance.randrange(250)}.{chance.randrange(2, 250)}"
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=20, source_address=(source, 0)
            )
            with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                worn = headers(chance)
                for _ in range(3):
                    connection.request("GET", chance.choice(PATHS), headers={"Host": HOST, **worn})
                    answer = connection.getresponse()
                    answer.read()
                    self.answers[kind, answer.status] += 1
                    if kind in self._stopped:
                        break
                    time.sleep(pause)

    def end(self) -> None:
        self.go(*{kind for kind, _ in self.answers})
        for thread in self._threads:
            thread.join(30)


class Playing:
    """The part's ticks in a thread."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self.begin()

    def begin(self) -> None:
        self.part = Part(self._configuration, QUICK)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ticks, daemon=True)
        self._thread.start()

    def _ticks(self) -> None:
        while not self._over.is_set():
            self.part.tick()

    @property
    def learned(self) -> int:
        return self.part.deciding.defence.requests.reservoir.size

    def end(self, *, hand_over: bool = False) -> None:
        self._over.set()
        self._thread.join()
        self.part.end(hand_over=hand_over)


@pytest.fixture
def edge(one: Origin) -> Iterator[Edge]:
    with new_edge(site(HOST, origin(one.port))) as edge:
        state_folders.prepare(edge.config, is_root=False)
        yield edge.start()


@pytest.fixture
def playing(edge: Edge) -> Iterator[Playing]:
    it = Playing(edge.config)
    yield it
    it.end()


@pytest.fixture
def visitors(edge: Edge) -> Iterator[Visitors]:
    it = Visitors(edge.http)
    yield it
    it.end()


def browser(chance: random.Random) -> Mapping[str, str]:
    return chance.choice(BROWSERS)


def standing(edge: Edge) -> tuple[Entry, ...]:
    account = read_account(edge.config.paths, Layer.REQUEST)
    return account.standing if account else ()


def test_a_tool_that_nobody_has_heard_of_is_refused_and_people_are_not(
    edge: Edge, visitors: Visitors, playing: Playing
) -> None:
    # Fewer than 150 a second: more would be news from the first moment on, and not be learnt from.
    visitors.come("people", 40, 0.6, browser)
    eventually(lambda: playing.learned >= 500, 60)
    assert not standing(edge)
    visitors.come("attack", 12, 0.0, lambda _: TOOL)
    refused = (403, 429)
    eventually(lambda: sum(visitors.answers["attack", one] for one in refused) > 300, 60)
    (entry,) = standing(edge)
    assert entry.subject == HOST
    assert entry.action in (Action.DROP, Action.LIMIT)
    assert "accept" in entry.words
    served = visitors.answers["people", 200]
    eventually(lambda: visitors.answers["people", 200] > served + 100, 60)
    assert {status for kind, status in visitors.answers if kind == "people"} == {200}
    assert playing.part.deciding.defence.mitigations.standing[entry.number].mitigation.hits > 100

    # Another process goes on with it: nothing is open in between.
    playing.end(hand_over=True)
    passed = visitors.answers["attack", 200]
    playing.begin()
    before = sum(visitors.answers["attack", one] for one in refused)
    eventually(lambda: sum(visitors.answers["attack", one] for one in refused) > before + 300, 60)
    assert [one.id for one in standing(edge)] == [entry.id]
    assert visitors.answers["attack", 200] - passed < 300

    # And an orderly end leaves nothing.
    playing.end()
    passed = visitors.answers["attack", 200]
    eventually(lambda: visitors.answers["attack", 200] > passed + 300, 60)
    playing.begin()


def test_a_crowd_is_served(edge: Edge, visitors: Visitors, playing: Playing) -> None:
    visitors.come("people", 10, 0.3, browser)
    eventually(lambda: playing.learned >= 200, 60)
    calm = sum(visitors.answers.values())
    visitors.come("crowd", 40, 0.0, browser)
    alarms = playing.part.deciding.defence.requests.alarms
    eventually(lambda: bool(alarms.on.any()), 60)
    seen = sum(visitors.answers.values())
    eventually(lambda: sum(visitors.answers.values()) > seen + 3 * calm, 60)
    assert {status for _, status in visitors.answers} == {200}
    assert all(one.action is Action.QUEUE for one in standing(edge))


def test_haproxy_that_starts_anew_is_told_again(edge: Edge, playing: Playing) -> None:
    told = EdgeDefence(edge.config.paths)
    key = f"^{site_number(host_digest(HOST)):08x}"
    playing.part.carrying.want(((key, "d.1"),))
    eventually(lambda: edge.get(HOST).status == 403, 60)
    edge.stop()
    edge.start()
    eventually(lambda: edge.get(HOST).status == 403, 60)
    assert told.sites()


def test_a_loop_that_is_switched_off_leaves_nothing(edge: Edge) -> None:
    told = EdgeDefence(edge.config.paths)
    told.enforce(((f"^{site_number(host_digest(HOST)):08x}", "d.1"),))
    told.hold_until(int(time.time()) + 60)
    told.look(*shares(1, standing=True))
    assert edge.get(HOST).status == 403
    answers = iter([False])
    stand_aside(edge.config, lambda: next(answers, True))
    assert edge.get(HOST).status == 200


def test_a_release_holds_at_the_edge_and_visitors_are_told(edge: Edge, playing: Playing, one: Origin) -> None:
    limits = SiteLimits(requests_per_client=2, requests_per_site=0, connections_per_client=0)
    edge.put(site("*.limited.test", origin(one.port), limits=limits))
    paths, me = edge.config.paths, "127.0.7.7"

    def statuses() -> set[int]:
        return {edge.get("a.limited.test", source=me).status for _ in range(6)}

    assert statuses() == {200, 429}
    now = datetime.now(UTC)
    let = orders.Release(
        receipt="r", host="a.limited.test", address=me, at=now, until=now + timedelta(hours=1)
    )
    orders.change(paths, lambda before: orders.released(before, let, now))
    eventually(lambda: statuses() == {200}, 60)
    told = eventually(lambda: Notices.model_validate_json(paths.notices.read_bytes()).released, 60)
    assert [(one.receipt, one.until) for one in told] == [("r", let.until)]
    # A HAProxy that starts anew is told.
    edge.stop()
    edge.start()
    eventually(lambda: statuses() == {200}, 60)
    orders.change(paths, lambda before: orders.taken_back(before, "r", now))
    eventually(lambda: statuses() == {429}, 60)
