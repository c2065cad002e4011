"""The feed over a real Unix socket: long polls that wake at once, signatures, bounds, reports."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from rempart.controller import feed_api
from rempart.controller.bell import Bell
from rempart.controller.feed_api import close, feed_application
from rempart.controller.reports import CONNECTED_FOR, SILENT_S, NodeReports, Reach, reach
from rempart.controller.sockets import FEED_MODE, server
from rempart.lab.leftovers import short_folder
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.zone_keys import ZoneKeys
from rempart.serving import listening
from rempart.snapshot.feed import EngineState, NodeReport
from rempart.snapshot.items import Delta, ItemChange, SignedDelta, ZoneItem
from rempart.snapshot.signing import new_key_pair, private_key, public_key, verify
from tests.engines.knot.test_keys import fresh_key

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PRIVATE, PUBLIC = new_key_pair()
NODES = ("node-1", "one", "other", "a", "b")


class Changes:
    """Published changes in memory, one revision each; the store's own reading is tested with the store."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.commits = Bell()
        self.padding = ""

    def place(self) -> tuple[str, int]:
        return "", len(self.keys)

    def delta(self, since: int, cursor: str | None, limit: int, *, epoch: str) -> Delta:
        start = int(cursor) if cursor else since
        taken = self.keys[start : start + limit]
        end = start + len(taken)
        more = end < len(self.keys)
        return Delta(
            from_revision=since,
            to_revision=len(self.keys),
            more=more,
            cursor=str(end) if more else None,
            changes=tuple(ItemChange(key=key, item=self._zone(key)) for key in taken),
        )

    def commit(self, key: str) -> None:
        self.keys.append(key)
        self.commits.ring()

    def _zone(self, key: str) -> ZoneItem:
        return ZoneItem(name=key, dnssec=False, soa_mname="ns." + key, soa_rname="h." + key + self.padding)


def report(revision: int, node: str = "node-1", **fields: object) -> NodeReport:
    values = {"at": NOW, "items": 1, "engines": (), **fields}
    return NodeReport.model_validate({"node": node, "revision": revision, **values})


@pytest.fixture
def folder() -> Iterator[Path]:
    made = short_folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def reports() -> NodeReports:
    """Reports of a controller that a node has reported to already."""
    known = NodeReports(lambda: NOW, NODES)
    known.put(report(0))
    return known


@asynccontextmanager
async def feed(
    folder: Path,
    changes: Changes,
    reports: NodeReports,
    keep_keys: Callable[[ZoneKeys], object] | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A running feed on a Unix socket, and a client for it."""
    path = folder / "feed.sock"
    application = feed_application(changes, reports, private_key(PRIVATE), changes.commits, keep_keys)
    with listening(path, FEED_MODE) as listener:
        running = server(application)
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://feed", timeout=30) as client:
                yield client
        finally:
            running.should_exit = True
            close(application, changes.commits)
            await serving


def delta_of(answer: httpx.Response) -> Delta:
    assert answer.status_code == 200, answer.text
    return verify(SignedDelta.model_validate_json(answer.content), public_key(PUBLIC))


async def waiting_at(bell: Bell, number: int = 1) -> None:
    """Return once so many wait."""
    while bell.waiting < number:  # noqa: ASYNC110 - nothing tells when somebody begins to wait
        await asyncio.sleep(0.01)


def test_what_is_there_comes_at_once_and_signed(folder: Path, changes: Changes, reports: NodeReports) -> None:
    async def story() -> None:
        changes.commit("a.example")
        async with feed(folder, changes, reports) as client:
            delta = delta_of(await client.get("/feed/v1/changes", params={"since": 0, "wait": 30}))
        assert [change.key for change in delta.changes] == ["a.example"]
        assert delta.to_revision == 1

    asyncio.run(story())


@pytest.mark.parametrize("before", [0, 3])
def test_a_waiting_poll_wakes_with_the_commit(
    folder: Path, changes: Changes, reports: NodeReports, before: int
) -> None:
    async def story() -> None:
        for number in range(before):
            changes.commit(f"{number}.example")
        async with feed(folder, changes, reports) as client:
            poll = asyncio.create_task(client.get("/feed/v1/changes", params={"since": before, "wait": 30}))
            await waiting_at(changes.commits)
            assert not poll.done()
            # Commits happen in other threads.
            await asyncio.to_thread(changes.commit, "new.example")
            # Well before the fallback that looks every LOOK_EVERY_S would find it.
            delta = delta_of(await asyncio.wait_for(poll, feed_api.LOOK_EVERY_S / 2))
        assert [change.key for change in delta.changes] == ["new.example"]

    asyncio.run(story())


def test_a_commit_without_a_ring_is_found_too(
    folder: Path, changes: Changes, reports: NodeReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_api, "LOOK_EVERY_S", 0.05)

    async def story() -> None:
        changes.commit("a.example")
        async with feed(folder, changes, reports) as client:
            poll = asyncio.create_task(client.get("/feed/v1/changes", params={"since": 1, "wait": 30}))
            await waiting_at(changes.commits)
            changes.keys.append("other-controller.example")
            assert delta_of(await asyncio.wait_for(poll, 10)).to_revision == 2

    asyncio.run(story())


def test_a_poll_ends_without_changes_when_its_time_is_over(
    folder: Path, changes: Changes, reports: NodeReports
) -> None:
    async def story() -> None:
        changes.commit("a.example")
        async with feed(folder, changes, reports) as client:
            began = time.monotonic()
            delta = delta_of(await client.get("/feed/v1/changes", params={"since": 1, "wait": 0.3}))
        assert time.monotonic() - began >= 0.3
        assert (delta.changes, delta.to_revision) == ((), 1)
        assert changes.commits.waiting == 0

    asyncio.run(story())


def test_after_a_start_a_node_is_answered_soon_so_that_it_reports(folder: Path, changes: Changes) -> None:
    async def story() -> None:
        async with feed(folder, changes, NodeReports(lambda: NOW, NODES)) as client:
            poll = client.get("/feed/v1/changes", params={"since": 0, "wait": 30})
            assert delta_of(await asyncio.wait_for(poll, 10)).to_revision == 0

    asyncio.run(story())


def test_ending_the_server_sends_waiting_nodes_home(
    folder: Path, changes: Changes, reports: NodeReports
) -> None:
    async def story() -> None:
        changes.commit("a.example")
        path = folder / "feed.sock"
        application = feed_application(changes, reports, private_key(PRIVATE), changes.commits)
        with listening(path, FEED_MODE) as listener:
            running = server(application)
            serving = asyncio.create_task(running.serve(sockets=[listener]))
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with httpx.AsyncClient(transport=transport, base_url="http://feed", timeout=30) as client:
                poll = asyncio.create_task(client.get("/feed/v1/changes", params={"since": 1, "wait": 30}))
                await waiting_at(changes.commits)
                running.should_exit = True
                close(application, changes.commits)
                assert delta_of(await asyncio.wait_for(poll, 10)).to_revision == 1
            await asyncio.wait_for(serving, 10)
        assert not path.exists()

    asyncio.run(story())


def test_more_waiters_than_the_bound_are_told_to_come_back(
    folder: Path, changes: Changes, reports: NodeReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_api, "WAITERS_MAX", 2)

    async def story() -> None:
        changes.commit("a.example")
        async with feed(folder, changes, reports) as client:
            polls = [
                asyncio.create_task(client.get("/feed/v1/changes", params={"since": 1, "wait": 30}))
                for _ in range(2)
            ]
            await waiting_at(changes.commits, 2)
            refused = await client.get("/feed/v1/changes", params={"since": 1, "wait": 30})
            assert refused.status_code == 503
            changes.commit("b.example")
            assert [delta_of(await poll).to_revision for poll in polls] == [2, 2]

    asyncio.run(story())


def test_a_long_run_is_paged_by_cursor(
    folder: Path, changes: Changes, reports: NodeReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_api, "DELTA_CHANGES_MAX", 10)

    async def story() -> None:
        for number in range(25):
            changes.commit(f"{number:02}.example")
        keys: list[str] = []
        cursor: str | None = None
        async with feed(folder, changes, reports) as client:
            while True:
                params = {"since": 0, "wait": 30} | ({"cursor": cursor} if cursor else {})
                delta = delta_of(await client.get("/feed/v1/changes", params=params))
                keys += [change.key for change in delta.changes]
                cursor = delta.cursor
                if not delta.more:
                    break
        assert keys == changes.keys

    asyncio.run(story())


def test_a_delta_longer_than_nodes_accept_is_cut(
    folder: Path, changes: Changes, reports: NodeReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_api, "DELTA_BYTES_MAX", 40_000)
    changes.padding = ".x" * 2_000

    async def story() -> None:
        for number in range(30):
            changes.commit(f"{number:02}.example")
        async with feed(folder, changes, reports) as client:
            answer = await client.get("/feed/v1/changes", params={"since": 0})
        delta = delta_of(answer)
        assert delta.more
        assert 0 < len(delta.changes) < 10

    asyncio.run(story())


@pytest.mark.parametrize("query", ["", "since=-1", "since=x", "since=0&wait=31", "since=0&wait=-1"])
def test_malformed_questions(folder: Path, changes: Changes, reports: NodeReports, query: str) -> None:
    async def story() -> None:
        async with feed(folder, changes, reports) as client:
            answer = await client.get(f"/feed/v1/changes?{query}")
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid-input"
        assert answer.json()["field"] in ("since", "wait")

    asyncio.run(story())


def test_reports_are_kept_and_malformed_ones_refused(
    folder: Path, changes: Changes, reports: NodeReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_api, "REPORT_BYTES_MAX", 10_000)

    async def story() -> None:
        async with feed(folder, changes, reports) as client:
            sent = await client.post("/feed/v1/report", content=report(7).model_dump_json())
            assert sent.status_code == 204
            for body in ("", "{}", "x" * 20_000, '{"node": 1}'):
                assert (await client.post("/feed/v1/report", content=body)).status_code == 400
        assert [one.report.revision for one in reports.connected()] == [7]

    asyncio.run(story())


# --- reports, without a socket -----------------------------------------------------------------------


def test_a_silent_node_counts_as_gone() -> None:
    clock = [NOW]
    reports = NodeReports(lambda: clock[0], NODES)
    reports.put(report(1, "a"))
    clock[0] += CONNECTED_FOR
    reports.put(report(1, "b"))
    assert [one.report.node for one in reports.connected()] == ["a", "b"]
    clock[0] += timedelta(seconds=1)
    assert [one.report.node for one in reports.connected()] == ["b"]


def test_a_node_cannot_invent_others() -> None:
    reports = NodeReports(lambda: NOW, ("node-1",))
    with pytest.raises(InvalidInput):
        reports.put(report(1, "one-more"))
    assert reports.connected() == ()
    reports.put(report(2, "node-1"))
    assert [one.report.revision for one in reports.connected()] == [2]


def test_reach_names_who_lags_and_what_was_refused() -> None:
    busy = EngineState(name="knot", alive=False)
    unhappy = EngineState(name="haproxy", alive=True, refusals=(("site/a", "no"), ("site/b", "no")))
    state = reach([report(5, "behind", engines=(busy,)), report(9, "far", engines=(unhappy,))], 9, {"site/a"})
    assert not state.live
    assert [(lag.node, lag.revision, lag.pending) for lag in state.lagging] == [("behind", 5, ("knot",))]
    assert [(one.node, one.key) for one in state.refusals] == [("far", "site/a")]
    assert reach([report(9)], 9, ()).live
    assert not reach([], 9, ()).live


def test_an_engine_that_the_change_concerns_must_have_confirmed_it() -> None:
    follows = EngineState(name="haproxy", alive=True, revision=9)
    silent = EngineState(name="knot", alive=False, revision=9)
    behind = EngineState(name="knot", alive=True, revision=8)
    for knot, names in ((silent, ("knot",)), (behind, ())):
        heard = [report(8, engines=(knot, follows))]
        assert reach(heard, 9, {"site/a"}).live
        for keys in ({"rrset/a/b/A"}, {"rrset/a/b/A", "site/a"}, set()):
            state = reach(heard, 9, keys)
            assert not state.live
            assert [(lag.pending, lag.silent) for lag in state.lagging] == [(("knot",), names)]


def test_an_engine_that_does_not_answer_is_not_waited_for_to_the_end() -> None:
    reports = NodeReports(lambda: NOW, NODES)
    reports.put(report(1, engines=(EngineState(name="knot", alive=False, revision=1),)))
    clock = iter(float(second) / 2 for second in range(100))

    async def wait() -> Reach:
        return await reports.until(2, {"zone/a"}, 60.0, lambda: next(clock))

    assert asyncio.run(wait()).waited_ms == SILENT_S * 1000


def test_waiting_for_nodes_ends_with_the_last_report() -> None:
    async def story() -> None:
        reports = NodeReports(lambda: NOW, NODES)
        reports.put(report(1, "a"))
        reports.put(report(2, "b"))
        waiting = asyncio.create_task(reports.until(2, (), 30, time.monotonic))
        await waiting_at(reports.bell)
        await asyncio.to_thread(reports.put, report(2, "a"))
        state = await asyncio.wait_for(waiting, 10)
        assert state.live
        assert state.nodes == 2
        lagging = await reports.until(3, (), 0.05, time.monotonic)
        assert [lag.node for lag in lagging.lagging] == ["a", "b"]
        assert lagging.waited_ms >= 50

    asyncio.run(story())


def test_keys_that_a_node_tells_are_kept_and_faulty_ones_never_repeated(
    folder: Path, changes: Changes, reports: NodeReports
) -> None:
    kept: list[ZoneKeys] = []

    def keep(held: ZoneKeys) -> None:
        if held.zone != "example.org":
            raise NotFound("no such zone")
        kept.append(held)

    async def story() -> None:
        held = ZoneKeys(zone="example.org", keys=(fresh_key(),))
        broken = held.model_dump_json().replace('"algorithm":13', '"algorithm":14')
        secret = held.keys[0].private_pem.splitlines()[1]
        async with feed(folder, changes, reports, keep) as client:
            assert (await client.post("/feed/v1/keys", content=held.model_dump_json())).status_code == 204
            gone = held.model_copy(update={"zone": "example.net"})
            assert (await client.post("/feed/v1/keys", content=gone.model_dump_json())).status_code == 404
            for content in (broken, "{", "x" * 300_000):
                refused = await client.post("/feed/v1/keys", content=content)
                assert refused.status_code == 400
                assert secret not in refused.text
        assert kept == [held]

    asyncio.run(story())


def test_a_feed_that_keeps_no_keys_says_so(folder: Path, changes: Changes, reports: NodeReports) -> None:
    async def story() -> None:
        held = ZoneKeys(zone="example.org", keys=(fresh_key(),))
        async with feed(folder, changes, reports) as client:
            answer = await client.post("/feed/v1/keys", content=held.model_dump_json())
        assert answer.status_code == 404

    asyncio.run(story())
