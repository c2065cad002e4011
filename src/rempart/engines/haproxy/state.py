"""The state of the edge as values: what should be (from items) and what is (from the runtime API). Pure.

Both sides are the same type, so that one difference serves a single change and a full reconciliation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rempart.model.sites import SiteLimits


@dataclass(frozen=True, slots=True)
class Server:
    """A server of a backend. Its name stands for its identity (see names.server_name)."""

    name: str
    weight: int
    max_connections: int
    arguments: str | None = None
    """Everything after weight and maxconn in ``server`` and ``add server``; None when read from HAProxy."""
    enabled: bool = True
    checked: bool = True
    """Health checks run. A server added at run time has none until they are enabled."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a host's requests go, and under which limits; one entry of the sites map."""

    backend: str
    https_redirect: bool
    limits: SiteLimits


@dataclass(frozen=True, slots=True)
class EdgeCertificate:
    """A certificate with its key as HAProxy holds it."""

    file: str
    hosts: tuple[str, ...]
    pem: str | None = field(default=None, repr=False)
    """Chain and key; None when read from HAProxy, which does not give keys back."""


@dataclass(frozen=True, slots=True)
class EdgeState:
    """Routes by host, servers by backend and name, certificates by file, secured hosts."""

    routes: Mapping[str, Route] = field(default_factory=dict)
    servers: Mapping[str, Mapping[str, Server]] = field(default_factory=dict)
    certificates: Mapping[str, EdgeCertificate] = field(default_factory=dict)
    secured: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    """Certificate files that HAProxy holds but serves to nobody: left over from a refusal."""


def format_route(route: Route) -> str:
    """The value of an entry of the sites map: one word, fields between bars."""
    limits = route.limits
    return "|".join(
        (
            route.backend,
            str(int(route.https_redirect)),
            str(limits.requests_per_client),
            str(limits.requests_per_site),
            str(limits.connections_per_client),
        )
    )


def parse_route(value: str) -> Route:
    """The inverse of format_route. ValueError for anything else."""
    backend, redirect, client, site, concurrent = value.split("|")
    return Route(
        backend=backend,
        https_redirect=redirect == "1",
        limits=SiteLimits(
            requests_per_client=int(client),
            requests_per_site=int(site),
            connections_per_client=int(concurrent),
        ),
    )
