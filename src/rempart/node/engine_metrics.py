"""What the engines count themselves, as Prometheus metrics. Pure, but for asking the engine.

Where it stands: the node asks in the engine's thread, ``admin.py`` prints. Label values come from the
engines' own closed sets; sites are the exception, and only the SITES_MAX busiest have series of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from rempart.engines.contract import Engine
from rempart.engines.haproxy.control import HAProxyEngine
from rempart.engines.haproxy.statistics import EdgeStatistics, SiteCounts
from rempart.engines.knot.control import KnotEngine
from rempart.engines.knot.statistics import KnotStatistics

SITES_MAX = 200
"""Beyond these a site counts in the totals only: time series are what a scraper's memory is made of."""


def metrics_of(engine: Engine) -> tuple[Metric, ...]:
    """The engine's numbers now; EnvironmentLacks when it does not answer."""
    if isinstance(engine, HAProxyEngine):
        return tuple(edge_metrics(engine.statistics()))
    if isinstance(engine, KnotEngine):
        return tuple(dns_metrics(engine.statistics()))
    return ()


def dns_metrics(counted: KnotStatistics) -> Iterator[Metric]:
    """The name server's."""
    yield GaugeMetricFamily("rempart_dns_zones", "Zones served, the catalog among them.", value=counted.zones)
    yield _counter("rempart_dns_requests", "Requests by transport.", "transport", counted.requests)
    yield _counter("rempart_dns_operations", "Requests by kind.", "operation", counted.operations)
    yield _counter("rempart_dns_responses", "Answers by RCODE.", "rcode", counted.responses)
    bytes_both = (("in", counted.request_bytes), ("out", counted.response_bytes))
    yield _counter("rempart_dns_bytes", "Bytes of requests and answers.", "direction", bytes_both)
    limited = (("slipped", counted.rrl_slipped), ("dropped", counted.rrl_dropped))
    yield _counter("rempart_dns_rate_limited", "Answers held back by rate limiting.", "how", limited)
    yield CounterMetricFamily(
        "rempart_dns_cookies", "Queries that carried a cookie (RFC 7873).", value=counted.cookies_present
    )


def edge_metrics(counted: EdgeStatistics) -> Iterator[Metric]:
    """The HTTP edge's."""
    traffic = counted.frontend
    yield GaugeMetricFamily(
        "rempart_edge_connections_current", "Connections now.", value=counted.connections_current
    )
    yield GaugeMetricFamily(
        "rempart_edge_connections_limit", "Connections at most.", value=counted.connections_limit
    )
    yield CounterMetricFamily("rempart_edge_connections", "Connections taken.", value=counted.connections)
    yield CounterMetricFamily("rempart_edge_requests", "Requests.", value=traffic.requests)
    yield CounterMetricFamily(
        "rempart_edge_refused", "Requests refused: limits, unknown names, malformed.", value=traffic.refused
    )
    yield _counter("rempart_edge_responses", "Answers by class.", "class", traffic.responses.items())
    bytes_both = (("in", traffic.bytes_in), ("out", traffic.bytes_out))
    yield _counter("rempart_edge_bytes", "Bytes from and to visitors.", "direction", bytes_both)
    yield GaugeMetricFamily(
        "rempart_edge_idle_ratio", "Share of time without work.", value=counted.idle_percent / 100
    )
    yield GaugeMetricFamily("rempart_edge_sites", "Sites served.", value=len(counted.sites))
    down = sum(not site.up for site in counted.sites)
    yield GaugeMetricFamily("rempart_edge_sites_down", "Sites no origin of which can serve.", value=down)
    yield from _sites(counted.sites)


def _sites(sites: Iterable[SiteCounts]) -> Iterator[Metric]:
    busiest = sorted(sites, key=lambda site: (-site.traffic.requests, site.host))[:SITES_MAX]
    requests = CounterMetricFamily("rempart_site_requests", "Requests of a site.", labels=["site"])
    errors = CounterMetricFamily("rempart_site_errors", "Answers of the class 5xx.", labels=["site"])
    queued = GaugeMetricFamily("rempart_site_queued", "Requests that wait for an origin.", labels=["site"])
    up = GaugeMetricFamily("rempart_site_up", "Whether an origin can serve.", labels=["site"])
    for site in busiest:
        requests.add_metric([site.host], site.traffic.requests)
        errors.add_metric([site.host], site.traffic.responses.get("5xx", 0))
        queued.add_metric([site.host], site.queued)
        up.add_metric([site.host], float(site.up))
    yield from (requests, errors, queued, up)


def _counter(name: str, words: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = CounterMetricFamily(name, words, labels=[label])
    for value, count in values:
        family.add_metric([value], count)
    return family
