"""``/metrics`` (Prometheus text format) and ``/healthz`` on the admin address.

Where it stands: runs in the node's loop and reads only what ``service.py`` hands over as one frozen value,
so a slow scraper delays nobody. Label values come from small closed sets: parts, engines, kinds of items.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

import structlog
import uvicorn
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import rempart
from rempart.model.configuration import AdminSection
from rempart.node.parts import PartState
from rempart.snapshot.feed import EngineState

BIND_AGAIN_SECONDS = 5.0
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each, which nobody reads
_log = structlog.get_logger("admin")


@dataclass(frozen=True, slots=True)
class NodeView:
    """What the node looks like at one moment."""

    revision: int
    controller_reachable: bool
    items: tuple[tuple[str, int], ...]
    engines: tuple[EngineState, ...]
    engine_revisions: tuple[tuple[str, int], ...]
    parts: tuple[PartState, ...]
    statistics: tuple[Metric, ...] = ()
    """What the engines count themselves."""

    @property
    def healthy(self) -> bool:
        """Every engine answers."""
        return bool(self.engines) and all(engine.alive for engine in self.engines)


class Meters:
    """What the node counts as it goes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.step_seconds = Histogram(
            "rempart_engine_step_seconds",
            "How long steps with an engine took.",
            ("engine", "step"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.step_failures = Counter(
            "rempart_engine_step_failures", "Steps that failed.", ("engine", "step"), registry=self.registry
        )
        self.refused_items = Counter(
            "rempart_engine_refused_items",
            "Items that an engine did not take, each time it was asked.",
            ("engine",),
            registry=self.registry,
        )
        self.deltas = Counter(
            "rempart_feed_deltas",
            "Deltas from the controller by outcome: taken, refused or out of sequence.",
            ("outcome",),
            registry=self.registry,
        )
        self.log_lines = Counter(
            "rempart_edge_log_lines", "Lines that HAProxy logged.", registry=self.registry
        )


def families(view: NodeView) -> Iterator[Metric]:
    """The view as metrics. Pure."""
    build = GaugeMetricFamily("rempart_build_info", "The version that runs.", labels=["version"])
    build.add_metric([rempart.__version__], 1)
    yield build
    parts = GaugeMetricFamily("rempart_part_up", "Whether a part runs.", labels=["part"])
    starts = GaugeMetricFamily(
        "rempart_part_starts", "How often the running supervisor has started or adopted it.", labels=["part"]
    )
    for part in view.parts:
        parts.add_metric([part.name], float(part.up))
        starts.add_metric([part.name], part.starts)
    yield parts
    yield starts
    yield GaugeMetricFamily("rempart_revision", "Revision that this node holds.", value=view.revision)
    yield GaugeMetricFamily(
        "rempart_controller_reachable",
        "Whether the feed answered last time.",
        value=float(view.controller_reachable),
    )
    items = GaugeMetricFamily("rempart_items", "Items that this node holds.", labels=["kind"])
    for kind, count in view.items:
        items.add_metric([kind], count)
    yield items
    alive = GaugeMetricFamily("rempart_engine_up", "Whether an engine answers.", labels=["engine"])
    pending = GaugeMetricFamily("rempart_engine_pending", "Whether it has work left.", labels=["engine"])
    refused = GaugeMetricFamily("rempart_engine_items_missing", "Items it does not hold.", labels=["engine"])
    for engine in view.engines:
        alive.add_metric([engine.name], float(engine.alive))
        pending.add_metric([engine.name], float(engine.pending))
        refused.add_metric([engine.name], len(engine.refusals))
    yield alive
    yield pending
    yield refused
    revisions = GaugeMetricFamily(
        "rempart_engine_revision", "Revision that an engine was asked to follow.", labels=["engine"]
    )
    for name, revision in view.engine_revisions:
        revisions.add_metric([name], revision)
    yield revisions
    yield from view.statistics


class _Families(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def exposition(view: NodeView, meters: Meters) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(families(view)))
    return generate_latest(registry) + generate_latest(meters.registry)


def application(view: Callable[[], Awaitable[NodeView]], meters: Meters) -> Starlette:
    """The two pages."""

    async def metrics(_: Request) -> Response:
        return Response(
            exposition(await view(), meters), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    async def healthz(_: Request) -> Response:
        now = await view()
        lines = [f"{engine.name}: {'up' if engine.alive else 'down'}" for engine in now.engines]
        status = 200 if now.healthy else 503
        return PlainTextResponse("\n".join(["ok" if now.healthy else "degraded", *lines, ""]), status)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz)])


async def serve(section: AdminSection, app: Starlette) -> None:
    """Serve until cancelled. A port that is taken is tried again: the node does its work without it."""
    warned = False
    while True:
        try:
            listener = _listener(section)
        except OSError as error:
            if not warned:
                _log.error("admin port cannot be had", port=section.port, reason=error.strerror)
            warned = True
            await asyncio.sleep(BIND_AGAIN_SECONDS)
            continue
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            limit_concurrency=64,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
        )
        with listener:
            server = _Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                await asyncio.shield(serving)
            finally:
                server.should_exit = True
                await serving
            return


class _Server(uvicorn.Server):
    """Signals are the node's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listener(section: AdminSection) -> socket.socket:
    family = socket.AF_INET6 if ":" in section.listen else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves Nagle on
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((section.listen, section.port))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener
