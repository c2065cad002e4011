"""The controller's own numbers in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rempart.controller.admin_api.messages import LogStatus
from rempart.controller.admin_api.status import status_of
from rempart.controller.assembly import Controller


def router(controller: Controller) -> APIRouter:
    """``/metrics``."""
    routes = APIRouter()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(controller))

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes


class _Numbers(Collector):
    """Reads everything anew at each scrape."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: so that registering does not scrape."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        status = status_of(self._controller)
        yield _gauge("rempart_store_revision", "Newest published revision.", status.revision)
        yield _gauge("rempart_store_items", "Published items.", self._controller.intents.published.count())
        yield _gauge("rempart_zones", "Zones.", status.zones)
        yield _gauge("rempart_sites", "Sites.", status.sites)
        yield _gauge("rempart_nodes_connected", "Nodes that reported lately.", len(status.nodes))
        yield _gauge("rempart_names_unresolved", "Outside names without an answer.", len(status.unresolved))
        yield _gauge("rempart_feed_waiters", "Nodes that wait for changes.", self._controller.commits.waiting)
        if status.log is not None:
            yield from _of_log(status.log)
        revisions = GaugeMetricFamily(
            "rempart_node_revision", "Revision a node has followed to.", labels=["node"]
        )
        refusals = GaugeMetricFamily(
            "rempart_node_refusals", "Items that an engine refuses.", labels=["node", "engine"]
        )
        for node in status.nodes:
            revisions.add_metric([node.node], node.revision)
            for engine in node.engines:
                refusals.add_metric([node.node, engine.name], len(engine.refusals))
        yield revisions
        yield refusals
        ends = GaugeMetricFamily(
            "rempart_certificate_not_after_seconds",
            "When a certificate ends, in seconds since the epoch.",
            labels=["host", "source"],
        )
        for certificate in self._controller.intents.certificates.list():
            ends.add_metric(
                [certificate.hosts[0], certificate.source.value], certificate.not_after.timestamp()
            )
        yield ends


def _of_log(log: LogStatus) -> Iterator[GaugeMetricFamily]:
    """The public log. What is not known is left out."""
    health = log.health
    yield _gauge(
        "rempart_log_up",
        "0 while nothing can be appended to the public log or published.",
        float(health.problem is None and health.size is not None),
    )
    for name, words, value in (
        ("size", "Entries that are signed.", health.size),
        ("published_size", "Entries under the checkpoint that everybody reads.", health.published),
        ("checkpoint_age_seconds", "Since that checkpoint was written.", log.age_s),
        ("cosignatures", "Witnesses' cosignatures on it.", health.cosigned),
        ("cosignatures_required", "Without so many no step has an effect.", health.required),
        ("steps_waiting", "Steps of cases without effect, because they are not in the log.", log.waiting),
        ("oldest_step_waiting_seconds", "How long the oldest of these waits.", log.waiting_s or 0),
    ):
        if value is not None:
            yield _gauge(f"rempart_log_{name}", words, value)
    witnesses = GaugeMetricFamily(
        "rempart_log_witness_up", "Whether a witness cosigned when it was asked last.", labels=["witness"]
    )
    for one in health.witnesses:
        witnesses.add_metric([one.name], float(one.problem is None))
    yield witnesses


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)
