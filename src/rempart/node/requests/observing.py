"""From what HAProxy tells and counts to what the loop observes. Pure.

Rates come from counters where a site is counted (requests when they reach its backend), else from samples;
what the edge refuses before a backend is known by samples only. Asked for are the sites that make the most of
the samples, and those that something stands for: a look costs the same with ten sites and with ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from rempart.engines.haproxy.site_counts import EdgeCount, KnownSite, SiteCount
from rempart.model.attacks import SITE, Observation, Records, Saturation

COUNTED_MOST = 32
"""Sites asked for in one look."""
_KEPT = 0.9
"""Of a site's weight, from tick to tick: one that pauses for a few seconds is still asked for."""
_FORGOTTEN = 0.05
_REMEMBERED_MOST = 4_096
LATENCY_S, IN_PROGRESS_S = 1.0, 0.4
"""Times over which a site's answers a second, and its requests in progress, are taken. What is in progress
says first that an origin falls behind; answers come in gusts."""
_LATENCY_MOST = 60.0


@dataclass(slots=True)
class _Flow:
    """Means of the last times: requests that wait for their answer, and answers a second."""

    current: float = 0.0
    answers: float = 0.0
    base: int = 0
    """What ``SiteCount.begun`` counts from."""

    def waiting(self, now: SiteCount) -> int:
        """Requests whose answer has not begun. A WebSocket that stays open for hours does not wait."""
        # No fewer than none and no more than there are have begun: what says otherwise counts from elsewhere.
        self.base = min(self.base, now.begun)
        self.base = max(self.base, now.begun - now.current)
        return now.current - (now.begun - self.base)

    def follow(self, current: int, answers: float, seconds: float) -> float:
        """Seconds that a request waits, by Little's law: waiting, divided by answers a second. HAProxy's
        own mean is over the last 1,024 answers, which under attack says a minute later what is."""
        self.current += (current - self.current) * min(1.0, seconds / IN_PROGRESS_S)
        self.answers += (answers - self.answers) * min(1.0, seconds / LATENCY_S)
        if self.current < 1e-3:
            return 0.0
        return min(_LATENCY_MOST, self.current / max(self.answers, 1e-3))


class Observing:
    """What is remembered from one tick to the next."""

    def __init__(self) -> None:
        self._sites: Mapping[int, KnownSite] = {}
        self._weights: dict[int, float] = {}
        self._before: EdgeCount | None = None
        self._hits: dict[int, float] = {}
        self._flows: dict[int, _Flow] = {}

    # --- who is who

    def learn(self, sites: Mapping[int, KnownSite]) -> None:
        self._sites = sites

    def site(self, number: int) -> KnownSite | None:
        return self._sites.get(number)

    def strangers(self, records: Records) -> bool:
        """Whether there are sites in these that are not known yet."""
        return any(int(one) not in self._sites for one in np.unique(records["site"]))

    def backends(self, standing: Iterable[int]) -> list[str]:
        """Whom to ask for in the next look."""
        first = [one for one in dict.fromkeys(standing) if one in self._sites]
        busy = sorted(self._weights, key=lambda one: (-self._weights[one], one))
        chosen = dict.fromkeys([*first, *(one for one in busy if one in self._sites)])
        return [self._sites[one].backend for one in list(chosen)[:COUNTED_MOST]]

    # --- a tick

    def observed(
        self,
        records: Records,
        count: EdgeCount,
        standing: Mapping[int, int],
        seconds: float,
        wall: float,
    ) -> Observation:
        """What was seen since the tick before. ``standing``: number of each mitigation that is counted → its
        hits so far, which for one that another process has begun are more than were seen here."""
        before, self._before = self._before, count
        if before is not None and before.worker != count.worker:
            before = None  # another worker counts from nothing
        numbers, place = np.unique(records["site"], return_inverse=True)
        weights = np.bincount(place, weights=records["weight"], minlength=numbers.size)
        refused = np.bincount(place, weights=records["weight"] * records["refused"], minlength=numbers.size)
        sampled = {
            int(number): (float(weight), float(stopped))
            for number, weight, stopped in zip(numbers, weights, refused, strict=True)
        }
        self._remember(sampled)
        return Observation(
            seconds=seconds,
            wall=wall,
            requests=records,
            offered_requests=max(0, count.requests - before.requests) if before else records.size,
            sites=self._rows(sampled, count, before, seconds),
            hits=self._counted(records, standing),
            saturation=Saturation(cpu=min(1.0, max(0.0, count.busy))),
        )

    def _remember(self, sampled: Mapping[int, tuple[float, float]]) -> None:
        kept = {
            number: faded
            for number, weight in self._weights.items()
            if (faded := weight * _KEPT) > _FORGOTTEN
        }
        for number, (weight, _) in sampled.items():
            kept[number] = kept.get(number, 0.0) + weight
        if len(kept) > _REMEMBERED_MOST:
            busiest = sorted(kept, key=lambda one: -kept[one])[:_REMEMBERED_MOST]
            kept = {number: kept[number] for number in busiest}
        self._weights = kept

    def _rows(
        self,
        sampled: Mapping[int, tuple[float, float]],
        count: EdgeCount,
        before: EdgeCount | None,
        seconds: float,
    ) -> Records:
        by_backend = {one.backend: number for number, one in self._sites.items()} if count.sites else {}
        counted = {
            by_backend[backend]: (now, before.sites.get(backend) if before else None)
            for backend, now in count.sites.items()
            if backend in by_backend
        }
        rows = []
        flows: dict[int, _Flow] = {}
        for number in sorted({*sampled, *counted}):
            weight, stopped = sampled.get(number, (0.0, 0.0))
            now, then = counted.get(number, (None, None))
            requests, refused, errors, latency = weight, stopped, 0, 0.0
            if now is not None and then is not None:
                passed = _since(now, then)
                requests, refused, errors = passed[0] + stopped, passed[1] + stopped, passed[2]
                flow = flows.setdefault(number, self._flows.get(number, _Flow()))
                # An answer that has begun is one, whenever it ends.
                answers = now.answered + now.begun - then.answered - then.begun
                latency = flow.follow(flow.waiting(now), max(0, answers) / seconds, seconds)
            if requests or (now is not None and now.queue):
                queue = now.queue if now is not None else 0
                rows.append((number, round(requests), round(refused), errors, queue, latency))
        self._flows = flows
        return np.array(rows, SITE)

    def _counted(self, records: Records, standing: Mapping[int, int]) -> dict[int, int]:
        self._hits = {
            number: max(self._hits.get(number, 0.0), float(hits)) for number, hits in standing.items()
        }
        met = records[records["mitigation"] > 0]
        for number in np.unique(met["mitigation"]).tolist():
            if number in standing:
                self._hits[number] += float(met["weight"][met["mitigation"] == number].sum())
        return {number: round(hits) for number, hits in self._hits.items()}


def _since(now: SiteCount, then: SiteCount) -> tuple[int, int, int]:
    return (
        max(0, now.requests - then.requests),
        max(0, now.refused - then.refused),
        max(0, now.errors - then.errors),
    )
