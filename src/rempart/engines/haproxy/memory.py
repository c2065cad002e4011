"""What the worker that answers holds, remembered, so that a change costs what it touches. Pure.

Built from one observation; then every change that was carried out is absorbed. A backend goes back
to the pool only when its last server is gone: until then, requests of its former host may run on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from rempart.engines.haproxy.names import certificate_id
from rempart.engines.haproxy.pool import BackendPool
from rempart.engines.haproxy.state import EdgeCertificate, EdgeState, Route, Server


class EdgeMemory:
    """The state of one worker (``pid``) with ``pool`` prepared backends."""

    def __init__(self, pid: int, pool: int, state: EdgeState) -> None:
        self.pid = pid
        self.routes: dict[str, Route] = dict(state.routes)
        self.servers: dict[str, dict[str, Server]] = {b: dict(s) for b, s in state.servers.items()}
        self.certificates: dict[str, EdgeCertificate] = {}
        self.secured: set[str] = set(state.secured)
        self.unlisted = state.unlisted
        self.retired: dict[tuple[str, str], float] = {}
        """Servers taken out and not yet deleted, and since when (monotonic seconds)."""
        self._files: dict[str, set[str]] = {}
        self._covers: dict[str, set[str]] = {}
        self._backends: dict[str, str] = {}
        taken: set[str] = set()
        for host, route in sorted(self.routes.items()):
            if route.backend not in taken:  # two hosts on one backend: the second gets its own
                self._backends[host] = route.backend
                taken.add(route.backend)
        for certificate in state.certificates.values():
            self._hold(certificate)
        self._pool = BackendPool(pool, taken | self.servers.keys())
        self._closing: set[str] = self.servers.keys() - taken

    # --- reading --------------------------------------------------------------------------------

    def backends(self) -> dict[str, str]:
        """Host -> backend."""
        return dict(self._backends)

    def backend_for(self, host: str) -> str | None:
        """The host's backend, a free one for a new host; None when the pool is empty."""
        backend = self._backends.get(host) or self._pool.take()
        if backend is not None:
            self._backends[host] = backend
        return backend

    def part(self, hosts: Iterable[str], ids: Iterable[str], names: Iterable[str]) -> EdgeState:
        """What is held of these hosts and certificates; ``names`` are secured (or not) beside theirs."""
        routes = {host: self.routes[host] for host in hosts if host in self.routes}
        certificates = {file: self.certificates[file] for id_ in ids for file in self._files.get(id_, ())}
        touched = {name for held in certificates.values() for name in held.hosts}.union(names)
        return EdgeState(
            routes=routes,
            servers={
                route.backend: self.servers[route.backend]
                for host, route in routes.items()
                if route.backend in self.servers and self._backends.get(host) == route.backend
            },
            certificates=certificates,
            secured=frozenset(touched & self.secured),
        )

    def whole(self, but_hosts: Iterable[str], but_ids: Iterable[str]) -> EdgeState:
        """Everything held, except what belongs to these hosts and certificates."""
        left_hosts, left_ids = set(but_hosts), set(but_ids)
        left_backends = {self._backends[host] for host in left_hosts if host in self._backends}
        left_files = {file for id_ in left_ids for file in self._files.get(id_, ())}
        left_names = {name for file in left_files for name in self.certificates[file].hosts}
        return EdgeState(
            routes={host: route for host, route in self.routes.items() if host not in left_hosts},
            servers={b: held for b, held in self.servers.items() if b not in left_backends},
            certificates={f: held for f, held in self.certificates.items() if f not in left_files},
            secured=frozenset(self.secured - left_names),
            unlisted=frozenset(file for file in self.unlisted if certificate_id(file) not in left_ids),
        )

    def covered_elsewhere(self, names: Iterable[str], files: Iterable[str]) -> frozenset[str]:
        """Those of ``names`` that a certificate other than ``files`` covers."""
        apart = set(files)
        return frozenset(name for name in names if self._covers.get(name, set()) - apart)

    # --- learning -------------------------------------------------------------------------------

    def absorb(self, desired: EdgeState, observed: EdgeState, now: float) -> None:
        """``observed`` was taken to ``desired``, but for servers still to be deleted."""
        for host in observed.routes.keys() - desired.routes.keys():
            del self.routes[host]
            backend = self._backends.pop(host, None)
            if backend is not None:
                self._closing.add(backend)
        self.routes.update(desired.routes)
        for backend in desired.servers.keys() | observed.servers.keys():
            wanted = desired.servers.get(backend, {})
            held = self.servers.setdefault(backend, {})
            for name, server in wanted.items():
                held[name] = Server(name, server.weight, server.max_connections)
                self.retired.pop((backend, name), None)
            for name, server in list(held.items()):
                if name not in wanted:
                    held[name] = Server(name, server.weight, server.max_connections, enabled=False)
                    self.retired.setdefault((backend, name), now)
        for file in observed.certificates.keys() - desired.certificates.keys():
            self._let_go(file)
        for certificate in desired.certificates.values():
            self._hold(certificate)
        self.secured -= observed.secured - desired.secured
        self.secured |= desired.secured
        self.unlisted -= observed.unlisted

    def forget_server(self, backend: str, name: str) -> None:
        """The server was deleted."""
        self.retired.pop((backend, name), None)
        self.servers.get(backend, {}).pop(name, None)

    def release(self) -> None:
        """Give backends that nobody uses any more back to the pool."""
        for backend in sorted(self._closing):
            if not self.servers.get(backend):
                self.servers.pop(backend, None)
                self._pool.give_back(backend)
                self._closing.discard(backend)

    def _hold(self, certificate: EdgeCertificate) -> None:
        self._let_go(certificate.file)
        # Without chain and key: there is no need to keep secrets in memory.
        self.certificates[certificate.file] = EdgeCertificate(certificate.file, certificate.hosts)
        self._files.setdefault(certificate_id(certificate.file), set()).add(certificate.file)
        for host in certificate.hosts:
            self._covers.setdefault(host, set()).add(certificate.file)

    def _let_go(self, file: str) -> None:
        held = self.certificates.pop(file, None)
        if held is None:
            return
        self._files.get(certificate_id(file), set()).discard(file)
        for host in held.hosts:
            self._covers.get(host, set()).discard(file)
