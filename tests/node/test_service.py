"""The node over a real feed on a real socket. The engine is one that writes what it is told into a file."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rempart.engines.contract import ApplyReport, ItemView, Refusal
from rempart.lab.processes import free_port
from rempart.model.configuration import AdminSection, Configuration
from rempart.model.errors import EnvironmentLacks
from rempart.node import state_folders
from rempart.node.feed_client import FeedClient
from rempart.node.last_good import LastGood
from rempart.node.service import NodeService
from rempart.snapshot.items import Delta, ItemChange
from rempart.snapshot.signing import new_key_pair, public_key
from tests.node.feed import Feed, Published, feed
from tests.node.test_last_good import zone

PRIVATE, PUBLIC = new_key_pair()


@dataclass
class FileEngine:
    """An engine whose process is a file: it holds the zones' names, and is dead while the file is away."""

    file: Path
    boot: Path
    name: str = "knot"
    refused: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def write_boot_files(self, view: ItemView) -> None:
        self.calls.append("boot")
        fresh = self.boot.with_suffix(".new")
        fresh.write_text(json.dumps(sorted(item.key for item in view.under("zone/"))))
        fresh.replace(self.boot)

    def apply(self, changes: Sequence[ItemChange], view: ItemView) -> ApplyReport:
        self.calls.append("apply")
        held = set(self.holds())
        keys = {change.key for change in changes}
        wanted = {key for key in keys if view.get(key) is not None and key not in self.refused}
        self._hold((held - keys) | wanted)
        return ApplyReport(
            commands=len(keys), refusals=tuple(Refusal(key=key, reason="no") for key in keys & self.refused)
        )

    def reconcile(self, view: ItemView) -> ApplyReport:
        self.calls.append("reconcile")
        self.holds()
        self._hold({item.key for item in view.under("zone/")})
        return ApplyReport()

    def alive(self) -> bool:
        there = self.file.exists()
        if not there:
            self.calls.append("found dead")
        return there

    def holds(self) -> list[str]:
        try:
            found: list[str] = json.loads(self.file.read_text())
        except FileNotFoundError:
            raise EnvironmentLacks("knot", "does not answer") from None
        return found

    def _hold(self, keys: set[str]) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(sorted(keys)))
        fresh.replace(self.file)

    def start(self) -> None:
        self.file.write_bytes(self.boot.read_bytes())


@dataclass
class Place:
    """A state folder with one engine, and what runs on it."""

    configuration: Configuration
    engine: FileEngine
    published: Published = field(default_factory=lambda: Published(page=3))

    @property
    def socket(self) -> Path:
        return self.configuration.paths.feed_socket

    @asynccontextmanager
    async def node(self, key: bytes = PUBLIC) -> AsyncIterator[NodeService]:
        paths = self.configuration.paths
        service = NodeService(
            self.configuration,
            [self.engine],
            FeedClient(self.socket, public_key(key)),
            LastGood.open(paths.last_good),
            settings={"knot": "these settings"},
            off=("something: for a reason",),
        )
        running = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            running.cancel()
            await asyncio.wait([running])
            await service.close()
            assert running.cancelled()

    @asynccontextmanager
    async def both(self) -> AsyncIterator[Feed]:
        async with feed(self.socket, PRIVATE, self.published) as running, self.node():
            yield running


@pytest.fixture
def place(state: Path) -> Place:
    configuration = Configuration(state=state, admin=AdminSection(port=free_port()))
    state_folders.prepare(configuration, is_root=False)
    engine = FileEngine(configuration.paths.knot / "engine", configuration.paths.knot_config)
    engine.file.write_text("[]")
    return Place(configuration, engine)


Play = Callable[[Place], Coroutine[Any, Any, None]]


def play(function: Play) -> Callable[[Place], None]:
    """A coroutine as a test, with a bound on how long it may take."""

    def test(place: Place) -> None:
        asyncio.run(asyncio.wait_for(function(place), 60))

    test.__name__ = function.__name__
    return test


async def eventually(look: Callable[[], object], *, seconds: float = 40.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"did not happen within {seconds:g} s")


def names(*zones: str) -> list[str]:
    return [f"zone/{name}" for name in zones]


@play
async def test_a_change_reaches_the_engine_and_the_report_says_so(place: Place) -> None:
    async with place.both() as running:
        place.published.put(zone("a.example"))
        await eventually(lambda: (said := running.report()) and said.revision == 1)
        assert place.engine.holds() == names("a.example")
        said = running.report()
        assert said is not None
        assert (said.items, said.off) == (1, ("something: for a reason",))
        assert [(one.name, one.alive, one.pending) for one in said.engines] == [("knot", True, False)]
        place.published.drop("zone/a.example")
        await eventually(lambda: (said := running.report()) and said.revision == 2)
        assert place.engine.holds() == []


@play
async def test_everything_comes_in_pages_and_what_is_gone_is_dropped(place: Place) -> None:
    everything = [zone(f"{n:02}.example") for n in range(10)]
    place.published.put(*everything)
    async with place.both():
        await eventually(lambda: len(place.engine.holds()) == 10)
    # While the node was away, zones went, and the controller has forgotten which.
    place.published.changes = place.published.changes[:4]
    place.published.put(*[zone(f"new-{n}.example") for n in range(9)])
    place.published.forgotten = 11
    async with place.both():
        expected = sorted({c.key for c in place.published.changes})
        await eventually(lambda: place.engine.holds() == expected)


@play
async def test_boot_files_are_there_first_and_follow(place: Place) -> None:
    place.engine.file.unlink()
    async with place.both():
        await eventually(place.engine.boot.exists)
        settings = place.configuration.paths.node / "knot.settings"
        await eventually(lambda: settings.exists() and settings.read_text() == "these settings")
        place.published.put(zone("a.example"))
        await eventually(lambda: place.engine.boot.read_text() == '["zone/a.example"]')
        place.engine.start()
        await eventually(lambda: "reconcile" in place.engine.calls)


@play
async def test_it_starts_cold_from_the_last_good_items(place: Place) -> None:
    place.published.put(zone("a.example"), zone("b.example"))
    async with place.both():
        await eventually(lambda: len(place.engine.holds()) == 2)
    place.engine.file.unlink()
    place.engine.boot.unlink()
    async with place.node():
        await eventually(lambda: place.engine.boot.exists() and json.loads(place.engine.boot.read_text()))
        place.engine.start()
        await eventually(lambda: place.engine.holds() == names("a.example", "b.example"))


@play
async def test_it_goes_on_without_the_controller_and_catches_up(place: Place) -> None:
    async with place.node():
        async with feed(place.socket, PRIVATE, place.published):
            place.published.put(zone("a.example"))
            await eventually(lambda: place.engine.holds() == names("a.example"))
        place.published.put(zone("b.example"))
        place.engine.file.unlink()
        await eventually(lambda: "found dead" in place.engine.calls)
        place.engine.start()
        await eventually(lambda: place.engine.holds() == names("a.example"))
        async with feed(place.socket, PRIVATE, place.published) as again:
            await eventually(lambda: place.engine.holds() == names("a.example", "b.example"))
            await eventually(lambda: (said := again.report()) and said.revision == 2)


@play
async def test_a_dead_engine_gets_what_it_missed(place: Place) -> None:
    async with place.both() as running:
        place.published.put(zone("a.example"))
        # Reported, so nothing that was begun before writes the file again.
        await eventually(lambda: (said := running.report()) and said.revision == 1)
        assert place.engine.holds() == names("a.example")
        place.engine.file.unlink()
        place.published.put(zone("b.example"))
        await eventually(lambda: (said := running.report()) and not said.engines[0].alive)
        place.published.put(zone("c.example"))
        place.engine.file.write_text("[]")
        await eventually(lambda: place.engine.holds() == names("a.example", "b.example", "c.example"))
        await eventually(lambda: (said := running.report()) and said.engines[0].alive and said.revision == 3)


@play
async def test_a_refused_item_is_reported_and_holds_up_nothing(place: Place) -> None:
    place.engine.refused = {"zone/bad.example"}
    async with place.both() as running:
        await eventually(lambda: "reconcile" in place.engine.calls)
        place.published.put(zone("bad.example"), zone("good.example"))
        await eventually(lambda: (said := running.report()) and said.revision == 2)
        said = running.report()
        assert said is not None
        assert said.engines[0].refusals == (("zone/bad.example", "no"),)
        assert place.engine.holds() == names("good.example")


async def _changes_nothing(place: Place, spoil: Callable[[], None], mend: Callable[[], None]) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(place.both())
        place.published.put(zone("a.example"))
        await eventually(lambda: place.engine.holds() == names("a.example"))
        spoil()
        place.published.put(zone("b.example"))
        await until_page(place, "/metrics", 'outcome="refused"')
        assert place.engine.holds() == names("a.example")
        mend()
        await eventually(lambda: place.engine.holds() == names("a.example", "b.example"))


@play
async def test_a_delta_of_another_version_changes_nothing(place: Place) -> None:
    await _changes_nothing(
        place, lambda: place.published.tamper.update(schema_version=99), place.published.tamper.clear
    )


@play
async def test_a_delta_of_another_schema_changes_nothing(place: Place) -> None:
    class Later(Delta):
        surprise: int = 1

    def spoil() -> None:
        place.published.kind = Later

    def mend() -> None:
        place.published.kind = Delta

    await _changes_nothing(place, spoil, mend)


@play
async def test_a_delta_signed_by_somebody_else_changes_nothing(place: Place) -> None:
    _, other = new_key_pair()
    async with feed(place.socket, PRIVATE, place.published), place.node(key=other):
        place.published.put(zone("a.example"))
        await until_page(place, "/metrics", 'outcome="refused"')
        assert place.engine.holds() == []
        last_good = LastGood.open(place.configuration.paths.last_good)
        assert last_good.revision == 0
        assert not last_good.counts()
        last_good.close()


@play
async def test_a_gap_leads_to_everything_anew(place: Place) -> None:
    async with place.both():
        place.published.put(zone("a.example"))
        await eventually(lambda: place.engine.holds() == names("a.example"))
        place.published.tamper["from_revision"] = 7
        place.published.put(zone("b.example"))
        await until_page(place, "/metrics", 'outcome="out of sequence"')
        place.published.tamper.clear()
        await eventually(lambda: place.engine.holds() == names("a.example", "b.example"))


def page(place: Place, path: str) -> str:
    """A page of the admin listener; empty when it does not answer."""
    url = f"http://127.0.0.1:{place.configuration.admin.port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


@play
async def test_metrics_and_health(place: Place) -> None:
    async with place.both():
        place.published.put(zone("a.example"))
        await eventually(lambda: place.engine.holds() == names("a.example"))
        await until_page(place, "/healthz", "ok")
        await until_page(place, "/metrics", 'rempart_items{kind="zone"} 1.0')
        await until_page(place, "/metrics", "rempart_revision 1.0")
        place.engine.file.unlink()
        await until_page(place, "/metrics", 'rempart_engine_up{engine="knot"} 0.0')


async def until_page(place: Place, path: str, words: str) -> None:
    async def look() -> bool:
        return words in await asyncio.to_thread(page, place, path)

    await eventually_async(look)


async def eventually_async(look: Callable[[], Awaitable[bool]], *, seconds: float = 15.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if await look():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"did not happen within {seconds:g} s")


@play
async def test_haproxys_log_lines_end_in_the_edge_log(place: Place) -> None:
    paths = place.configuration.paths
    async with place.node():
        there = paths.run / "node" / "haproxy-log.sock"
        await eventually(there.exists)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(there))
            sender.send(b'{"status":503,"host":"a\nb\x1b[2J"}\n')
        await eventually(lambda: (paths.log / "edge.log").read_text() == '{"status":503,"host":"a b [2J"}\n')
