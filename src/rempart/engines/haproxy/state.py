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


UNLIMITED = 2**40
"""What stands in the map for a limit of 0: above everything that can be counted."""


def format_route(route: Route) -> str:
    """The value of an entry of the sites map: one word, fields between bars.

    The second field says with letters what has to be done at all, so that HAProxy does no more:
    ``r`` redirect to https, ``c`` count clients, ``s`` count the site; ``-`` nothing.
    """
    limits = route.limits
    flags = (
        ("r", route.https_redirect),
        ("c", limits.requests_per_client or limits.connections_per_client),
        ("s", limits.requests_per_site),
    )
    return "|".join(
        (
            route.backend,
            "".join(letter for letter, wanted in flags if wanted) or "-",
            str(limits.requests_per_client or UNLIMITED),
            str(limits.requests_per_site or UNLIMITED),
            str(limits.connections_per_client or UNLIMITED),
        )
    )


def parse_route(value: str) -> Route:
    """The inverse of format_route. ValueError for anything else."""
    backend, flags, *limits = value.split("|")
    client, site, concurrent = (0 if int(limit) == UNLIMITED else int(limit) for limit in limits)
    return Route(
        backend=backend,
        https_redirect="r" in flags,
        limits=SiteLimits(
            requests_per_client=client, requests_per_site=site, connections_per_client=concurrent
        ),
    )
