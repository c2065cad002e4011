"""Prepared backends and who has which. Pure: the same start and the same calls give the same answers."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from rempart.engines.haproxy.names import backend_name, backend_number


def pool_size(prepared: int, needed: int) -> int:
    """``prepared`` doubled until ``needed`` backends fit."""
    size = prepared
    while size < needed:
        size *= 2
    return size


class BackendPool:
    """The backends ``be_0001`` … of a HAProxy that runs (or is about to), lowest free number first."""

    def __init__(self, size: int, taken: Iterable[str] = ()) -> None:
        self.size = size
        in_use = {backend_number(name) for name in taken}
        self._free = [number for number in range(1, size + 1) if number not in in_use]

    def __len__(self) -> int:
        """How many are free."""
        return len(self._free)

    def take(self) -> str | None:
        """The lowest free backend; None when all are taken."""
        return backend_name(heapq.heappop(self._free)) if self._free else None

    def give_back(self, name: str) -> None:
        """``name`` has no servers any more and may serve another host."""
        number = backend_number(name)
        if number is not None and number <= self.size:
            heapq.heappush(self._free, number)


def assign(hosts: Iterable[str], current: dict[str, str], prepared: int) -> tuple[dict[str, str], int]:
    """Backends for all ``hosts``, each keeping the one it has, and the size of the pool they need."""
    hosts = list(hosts)
    kept: dict[str, str] = {}
    seen: set[str] = set()
    for host in hosts:
        backend = current.get(host)
        if backend is not None and backend_number(backend) and backend not in seen:
            kept[host] = backend
            seen.add(backend)
    highest = max((backend_number(name) or 0 for name in kept.values()), default=0)
    pool = BackendPool(pool_size(prepared, max(len(hosts), highest)), kept.values())
    assigned = {}
    for host in hosts:
        backend = kept.get(host) or pool.take()
        if backend is not None:  # always so: the pool has room for every host
            assigned[host] = backend
    return assigned, pool.size
