"""The state of the edge as values: what should be (from items) and what is (from the runtime API). Pure.

Both sides are the same type, so that one difference serves a single change and a full reconciliation.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from rempart.model.challenges import Exemptions
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
    challenge: bool = False
    """Visitors without a clearance are challenged."""
    exempt: frozenset[str] = frozenset()
    """What of this is not: keys of the exemptions map without the backend (see ``exemption_keys``)."""
    remedies: frozenset[tuple[str, str]] = frozenset()
    """Remedies on URLs and for territories: entries of their map, keys without the backend (see remedies)."""


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


def format_route(host: str, route: Route) -> str:
    """The value of an entry of the sites map: one word, fields between bars.

    No two hosts ever have the same one: backends change hands, so the last field is a digest of the host.

    The second field says with letters what has to be done at all, so that HAProxy does no more:
    ``r`` redirect to https, ``c`` count clients, ``s`` count the site, ``g`` challenge at the gate;
    ``u`` look for remedies; ``-`` nothing. Exemptions stand in a map of their own.
    """
    limits = route.limits
    flags = (
        ("r", route.https_redirect),
        ("c", limits.requests_per_client or limits.connections_per_client),
        ("s", limits.requests_per_site),
        ("g", route.challenge),
        ("u", route.remedies),
    )
    return "|".join(
        (
            route.backend,
            "".join(letter for letter, wanted in flags if wanted) or "-",
            str(limits.requests_per_client or UNLIMITED),
            str(limits.requests_per_site or UNLIMITED),
            str(limits.connections_per_client or UNLIMITED),
            host_digest(host),
        )
    )


def host_digest(host: str) -> str:
    """What an entry names its host by."""
    return hashlib.sha256(host.encode()).hexdigest()[:12]


def parse_route(
    value: str,
    exempt: frozenset[str] = frozenset(),
    remedies: frozenset[tuple[str, str]] = frozenset(),
) -> Route:
    """What format_route made, or an earlier version without a digest. ValueError for anything else."""
    backend, flags, *limits = value.split("|")
    client, site, concurrent = (0 if int(limit) == UNLIMITED else int(limit) for limit in limits[:3])
    return Route(
        backend=backend,
        https_redirect="r" in flags,
        challenge="g" in flags,
        exempt=exempt,
        remedies=remedies,
        limits=SiteLimits(
            requests_per_client=client, requests_per_site=site, connections_per_client=concurrent
        ),
    )


def exemption_keys(exemptions: Exemptions) -> frozenset[str]:
    """The exemptions as beginnings of what the edge compares: a path, or ``@`` length ``.`` address in hex.

    Length is the address's in bytes, so that IPv4 and IPv6 never meet. A network that does not end at a
    hexadecimal digit becomes up to eight beginnings.
    """
    keys = set(exemptions.paths)
    for text in exemptions.networks:
        network = ipaddress.ip_network(text)
        length = network.max_prefixlen // 8
        digits = -(-network.prefixlen // 4)
        for part in network.subnets(new_prefix=digits * 4):
            keys.add(f"@{length}.{part.network_address.packed.hex().upper()[:digits]}")
    return frozenset(keys)
