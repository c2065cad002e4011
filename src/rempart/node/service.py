"""The node at work: follows the controller's feed, keeps the last good items, makes the engines equal.

Where it stands: one asyncio loop that owns all state; each engine has a thread of its own in which its
blocking calls are made one at a time, so a slow engine delays neither the other nor the feed. What to do is
decided in ``following.py``. Failure mode: with the controller gone it goes on from the last good items.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import structlog
from prometheus_client.core import Metric

from rempart.engines.contract import ApplyReport, Engine, LooksAfter, ServesSites, TellsKeys
from rempart.engines.haproxy.names import Places
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks, InvalidInput, RempartError
from rempart.model.zone_keys import ZoneKeys
from rempart.node import admin, following
from rempart.node.defending.journal import read_accounts
from rempart.node.defending.metrics import defence_metrics
from rempart.node.edge_log import EdgeLog
from rempart.node.engine_metrics import metrics_of
from rempart.node.feed_client import FeedClient
from rempart.node.following import Following, Position, Resync, Step
from rempart.node.last_good import LastGood
from rempart.node.parts import read_part, read_parts, settings_mark
from rempart.node.shield.metrics import shield_metrics
from rempart.node.shield.state import NAME as SHIELD_NAME
from rempart.node.shield.state import off_words, read_state
from rempart.snapshot.feed import SITES_DOWN_MAX, EngineState, NodeReport
from rempart.snapshot.items import Delta, ItemChange

REPORT_SECONDS = 15.0
"""A node that has nothing new to say says so this often."""
RECONNECT_SECONDS_MAX = 2.0
REFUSED_SECONDS_MAX = 30.0
STATISTICS_SECONDS = 1.0
"""Statistics are asked of an engine at most this often, and waited for at most this long."""
SITES_LOOK_SECONDS = 1.0
"""Which sites are down is looked at this often."""
SITES_LOOK_COST_FACTOR = 20.0
"""Or, with very many, so rarely that looking takes one part in this many of the time."""
REASON_LENGTH_MAX = 500


@runtime_checkable
class Reloads(Protocol):
    """An engine that can be made to read its boot files anew."""

    def reload(self) -> None:
        """Raises EngineRefused when it does not take them, EnvironmentLacks when it cannot be reached."""
        ...


@dataclass(slots=True)
class _Seat:
    """One engine with its thread and what is known about it."""

    engine: Engine
    thread: ThreadPoolExecutor
    state: Following
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    note: str = ""
    statistics: tuple[Metric, ...] = ()
    statistics_at: float = float("-inf")
    sites_down: tuple[str, ...] = ()


class NodeService:
    """Follows one feed with some engines. ``run`` until cancelled, then ``close``."""

    def __init__(
        self,
        configuration: Configuration,
        engines: Sequence[Engine],
        feed: FeedClient,
        last_good: LastGood,
        *,
        settings: Mapping[str, str] = MappingProxyType({}),
        off: tuple[str, ...] = (),
    ) -> None:
        """``settings``: engine -> the version that its boot files are made for; see ``engines.py``."""
        self._configuration = configuration
        self._paths = configuration.paths
        self._feed = feed
        self._last_good = last_good
        self._settings = settings
        self._off = off
        self._meters = admin.Meters()
        self._store_thread = ThreadPoolExecutor(1, "last-good")
        revision = last_good.revision
        self._position = Position(revision, epoch=last_good.epoch)
        self._seats = tuple(
            _Seat(engine, ThreadPoolExecutor(1, engine.name), Following(engine.name, target=revision))
            for engine in engines
        )
        self._controller_reachable: bool | None = None
        self._report_wanted = asyncio.Event()
        self._log = structlog.get_logger("node")

    async def run(self) -> None:
        """All loops, until cancelled; the first that ends with an error ends all."""
        async with asyncio.TaskGroup() as tasks:
            for seat in self._seats:
                tasks.create_task(self._drive(seat))
                tasks.create_task(self._watch_sites(seat))
            tasks.create_task(self._follow())
            tasks.create_task(self._report())
            tasks.create_task(
                admin.serve(self._configuration.admin, admin.application(self.view, self._meters))
            )
            tasks.create_task(self._keep_edge_log())

    async def close(self) -> None:
        """Wait for what is under way in the threads, then let go of everything."""
        for thread in (*(seat.thread for seat in self._seats), self._store_thread):
            await asyncio.to_thread(thread.shutdown, wait=True, cancel_futures=True)
        await self._feed.close()
        self._last_good.close()

    # --- the feed ------------------------------------------------------------------------------

    async def _follow(self) -> None:
        refused = 0
        unreachable = 0
        while True:
            began = time.monotonic()
            try:
                delta = await self._feed.next_delta(self._position)
            except EnvironmentLacks as error:
                self._controller_seen(False, str(error))
                unreachable += 1
                await asyncio.sleep(min(0.05 * 2.0 ** min(unreachable, 10), RECONNECT_SECONDS_MAX))
                continue
            except InvalidInput as error:
                # Nothing of it is used, and the node stays where it is.
                self._meters.deltas.labels("refused").inc()
                self._log.error("delta refused", reason=str(error)[:REASON_LENGTH_MAX])
                refused += 1
                await asyncio.sleep(min(0.25 * 2.0 ** min(refused, 10), REFUSED_SECONDS_MAX))
                continue
            unreachable = 0
            self._controller_seen(True, "")
            if await self._take(delta):
                refused = 0
                if not delta.changes and time.monotonic() - began < 0.1:
                    # A controller that is about to end answers at once; do not turn that into a busy loop.
                    await asyncio.sleep(0.2)
            else:
                refused += 1
                await asyncio.sleep(min(0.25 * 2.0 ** min(refused - 1, 10), REFUSED_SECONDS_MAX))

    async def _take(self, delta: Delta) -> bool:
        """Take a verified delta in and tell the engines; False when it did not fit."""
        verdict = following.fit(self._position, delta)
        loop = asyncio.get_running_loop()
        try:
            if isinstance(verdict, Resync):
                self._meters.deltas.labels("out of sequence").inc()
                self._log.warning("asking for everything anew", reason=verdict.reason)
                await loop.run_in_executor(self._store_thread, self._last_good.forget_revision)
                self._position = Position(0)
                return False
            if not delta.changes and not verdict.full and verdict.position == self._position:
                return True
            began = time.monotonic()
            effective = await loop.run_in_executor(
                self._store_thread,
                lambda: self._last_good.apply(delta, full=verdict.full, begins=verdict.begins),
            )
        except sqlite3.Error as error:
            # A full disk. The position has not moved, so the same is asked for again.
            self._log.error("cannot store a delta", reason=str(error))
            return False
        if verdict.full and delta.epoch != self._position.epoch and self._position.revision:
            self._log.warning(
                "the controller's history is another one than this node's: everything is replaced by what it "
                "has now",
                revision=self._position.revision,
            )
        self._position = verdict.position
        now = time.monotonic()
        self._meters.deltas.labels("taken").inc()
        if effective or not verdict.full:
            self._log.info(
                "following",
                revision=self._position.revision,
                changes=len(effective),
                full=verdict.full,
                more=delta.more,
                ms=round((now - began) * 1000, 1),
            )
        for seat in self._seats:
            seat.state = following.changed(
                seat.state, effective, self._position.revision, now, anew=verdict.full
            )
            seat.wake.set()
        self._report_wanted.set()
        return True

    def _controller_seen(self, reachable: bool, reason: str) -> None:
        if reachable is not self._controller_reachable:
            self._controller_reachable = reachable
            if reachable:
                self._log.info("controller reached")
                self._report_wanted.set()
            else:
                self._log.warning(
                    "controller cannot be reached, going on with the last good items", reason=reason
                )

    # --- engines -------------------------------------------------------------------------------

    async def _drive(self, seat: _Seat) -> None:
        while True:
            now = time.monotonic()
            step = following.next_step(seat.state, now)
            if step is None:
                seat.wake.clear()
                await _until(seat.wake, max(0.005, following.next_due(seat.state) - now))
                continue
            before = self._engine_state(seat)
            await self._carry_out(seat, step)
            if self._engine_state(seat) != before:
                self._report_wanted.set()

    async def _carry_out(self, seat: _Seat, step: Step) -> None:
        seat.state, changes = following.begun(seat.state, step)
        target = seat.state.target
        began = time.monotonic()
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(
                seat.thread, self._blocking, seat.engine, step, changes
            )
        except EnvironmentLacks as error:
            self._failed(seat, step, False, str(error))
            return
        except RempartError as error:
            self._failed(seat, step, True, str(error))
            return
        except Exception as error:
            # A fault of ours in one engine's controller must not end the node and with it the other engine.
            self._log.exception("fault", engine=seat.engine.name, step=step.name)
            self._failed(seat, step, True, f"{type(error).__name__}: {error}")
            return
        now = time.monotonic()
        if step is not Step.CHECK:
            self._meters.step_seconds.labels(seat.engine.name, step.name.lower()).observe(now - began)
        match outcome:
            case ApplyReport():
                self._log_applied(seat, step, changes, outcome, now - began)
                seat.state = following.carried_out(seat.state, step, changes, outcome, target, now)
                seat.note = ""
            case _Looked():
                self._log_looked(seat, outcome)
                if outcome.keys is not None:
                    await self._tell_keys(seat, outcome.keys)
                seat.state = following.checked(seat.state, outcome.alive, outcome.instance, now)
            case None if step is Step.RELOAD:
                self._log.info("reloaded", engine=seat.engine.name, ms=round((now - began) * 1000))
                seat.state = following.reloaded(seat.state, now - began, now)
            case None:
                seat.state = following.boot_files_written(seat.state, now - began, now)

    async def _tell_keys(self, seat: _Seat, keys: ZoneKeys) -> None:
        """Give the controller what the engine has made; it comes again until that has worked."""
        try:
            wanted = await self._feed.tell_keys(keys)
        except EnvironmentLacks as error:
            if self._controller_reachable:
                self._log.warning("keys not delivered", zone=keys.zone, reason=str(error))
            return
        self._log.info("keys told", zone=keys.zone, kept=wanted)
        if isinstance(seat.engine, TellsKeys):
            await asyncio.get_running_loop().run_in_executor(seat.thread, seat.engine.forget_keys, keys.zone)

    def _log_looked(self, seat: _Seat, looked: _Looked) -> None:
        name, before = seat.engine.name, seat.state
        if looked.alive and (before.alive is False or looked.instance != before.instance):
            self._log.info("engine answers", engine=name)
            seat.note = ""
        elif not looked.alive and before.alive is not False:
            self._log.warning("engine does not answer", engine=name)
            seat.note = ""

    def _blocking(
        self, engine: Engine, step: Step, changes: tuple[ItemChange, ...]
    ) -> ApplyReport | _Looked | None:
        """A step, in the engine's thread."""
        match step:
            case Step.CHECK:
                record = read_part(self._paths, engine.name)
                alive = engine.alive()
                if alive and isinstance(engine, LooksAfter):
                    engine.look_after()
                keys = engine.keys_to_tell() if alive and isinstance(engine, TellsKeys) else None
                return _Looked(alive, record.process if record else None, keys)
            case Step.APPLY | Step.RETRY:
                return engine.apply(changes, self._last_good)
            case Step.RECONCILE:
                return engine.reconcile(self._last_good)
            case Step.WRITE_BOOT_FILES:
                self._write_boot_files(engine)
            case Step.RELOAD:
                self._write_boot_files(engine)
                if isinstance(engine, Reloads):
                    engine.reload()
        return None

    def _write_boot_files(self, engine: Engine) -> None:
        engine.write_boot_files(self._last_good)
        if engine.name in self._settings:
            mark = settings_mark(self._paths, engine.name)
            fresh = mark.with_suffix(".new")
            fresh.write_text(self._settings[engine.name])
            fresh.replace(mark)

    def _failed(self, seat: _Seat, step: Step, reachable: bool, reason: str) -> None:
        seat.note = reason[:REASON_LENGTH_MAX]
        self._meters.step_failures.labels(seat.engine.name, step.name.lower()).inc()
        self._log.warning("step failed", engine=seat.engine.name, step=step.name.lower(), reason=seat.note)
        seat.state = following.failed(seat.state, step, reachable, time.monotonic())

    def _log_applied(
        self, seat: _Seat, step: Step, changes: tuple[ItemChange, ...], report: ApplyReport, took: float
    ) -> None:
        known = seat.state.refusals
        for refusal in report.refusals:
            self._meters.refused_items.labels(seat.engine.name).inc()
            if known.get(refusal.key) != refusal.reason:
                self._log.warning(
                    "item refused",
                    engine=seat.engine.name,
                    item=refusal.key,
                    reason=refusal.reason[:REASON_LENGTH_MAX],
                )
        if report.commands or report.refusals or report.needs_reload:
            self._log.info(
                "applied",
                engine=seat.engine.name,
                step=step.name.lower(),
                changes=len(changes),
                commands=report.commands,
                refusals=len(report.refusals),
                pending=report.pending,
                needs_reload=report.needs_reload,
                ms=round(took * 1000, 1),
            )

    # --- what others see -----------------------------------------------------------------------

    async def _report(self) -> None:
        lost = False
        while True:
            await _until(self._report_wanted, REPORT_SECONDS)
            self._report_wanted.clear()
            try:
                await self._feed.report(self._node_report())
                lost = False
            except EnvironmentLacks as error:
                if not lost and self._controller_reachable:
                    self._log.warning("report not delivered", reason=str(error))
                lost = True
                # The state is told in full each time, so the next report makes up for this one.
                await asyncio.sleep(0.5)
                if self._controller_reachable:
                    self._report_wanted.set()

    def _node_report(self) -> NodeReport:
        followed = [seat.state.revision for seat in self._seats]
        return NodeReport(
            node=self._configuration.node_name,
            at=datetime.now(UTC),
            revision=min(followed, default=self._position.revision),
            epoch=self._position.epoch,
            items=sum(self._last_good.counts().values()),
            engines=tuple(self._engine_state(seat) for seat in self._seats),
            off=self._what_is_off(),
        )

    def _what_is_off(self) -> tuple[str, ...]:
        """What did not run when Rempart was started, and the packet shield as it is now."""
        state = read_state(self._paths)
        now = off_words(state) if state is not None else None
        others = [words for words in self._off if not words.startswith(f"{SHIELD_NAME}:")]
        return (now, *others) if now else tuple(others)

    def _engine_state(self, seat: _Seat) -> EngineState:
        state = seat.state
        refusals = tuple((key, why[:REASON_LENGTH_MAX]) for key, why in state.refusals.items())
        return EngineState(
            name=state.name,
            alive=bool(state.alive),
            refusals=refusals[: following.REFUSALS_MAX],
            pending=state.pending,
            note=seat.note,
            revision=state.revision,
            sites_down=seat.sites_down[:SITES_DOWN_MAX],
            sites_down_count=len(seat.sites_down),
        )

    async def view(self) -> admin.NodeView:
        """The node now, with the engines' own numbers as far as they can be had at once."""
        await asyncio.gather(*(self._refresh_statistics(seat) for seat in self._seats))
        return admin.NodeView(
            revision=self._position.revision,
            controller_reachable=bool(self._controller_reachable),
            items=tuple(self._last_good.counts().items()),
            engines=tuple(self._engine_state(seat) for seat in self._seats),
            engine_revisions=tuple((seat.state.name, seat.state.revision) for seat in self._seats),
            parts=read_parts(self._paths),
            statistics=(
                *(metric for seat in self._seats for metric in seat.statistics),
                *shield_metrics(read_state(self._paths)),
                *defence_metrics(read_accounts(self._paths)),
            ),
        )

    async def _watch_sites(self, seat: _Seat) -> None:
        """Know which sites no origin serves, for the report. Takes a small share of the engine's thread."""
        while isinstance(seat.engine, ServesSites):
            began = time.monotonic()
            down: tuple[str, ...] = ()
            if seat.state.alive:
                try:
                    down = await asyncio.get_running_loop().run_in_executor(
                        seat.thread, seat.engine.sites_down
                    )
                except RempartError:
                    pass  # its next check finds that it does not answer
                except Exception:
                    # As with steps: a fault in reading must not end the node.
                    self._log.exception("fault", engine=seat.engine.name, step="sites down")
            if down != seat.sites_down:
                seat.sites_down = down
                self._report_wanted.set()
            took = time.monotonic() - began
            await asyncio.sleep(max(SITES_LOOK_SECONDS, took * SITES_LOOK_COST_FACTOR))

    async def _refresh_statistics(self, seat: _Seat) -> None:
        now = time.monotonic()
        if now - seat.statistics_at < STATISTICS_SECONDS:
            return
        seat.statistics_at = now
        if not seat.state.alive:
            seat.statistics = ()
            return
        asked = asyncio.get_running_loop().run_in_executor(seat.thread, metrics_of, seat.engine)
        with contextlib.suppress(TimeoutError, RempartError):
            async with asyncio.timeout(STATISTICS_SECONDS):
                seat.statistics = await asked

    async def _keep_edge_log(self) -> None:
        socket_path = Path(Places.of(self._paths).log_socket)
        try:
            edge_log = EdgeLog(socket_path, self._paths.log / "edge.log")
        except OSError as error:
            self._log.error("no edge log", reason=str(error))
            return
        edge_log.start(asyncio.get_running_loop())
        counted = 0
        try:
            while True:
                await asyncio.sleep(1.0)
                self._meters.log_lines.inc(edge_log.lines - counted)
                counted = edge_log.lines
        finally:
            edge_log.close()


@dataclass(frozen=True, slots=True)
class _Looked:
    alive: bool
    instance: object
    keys: ZoneKeys | None = None


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Return when ``event`` is set, or ``seconds`` have passed.

    Not ``asyncio.wait_for``: before Python 3.12 it can lose a cancellation that comes with the event.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def until_told_to_end(work: Awaitable[None]) -> None:
    """Run ``work`` until it ends or SIGTERM or SIGINT asks for it."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
