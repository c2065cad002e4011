"""Sites: host names whose visitors come through the edge to their origins."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from rempart.model.base import Value
from rempart.model.challenges import Exemptions, SecurityLevel

LIMIT_WINDOW_S = 10
"""The sliding window, in seconds, over which requests are counted for the per-site limits."""


class OriginTls(StrEnum):
    """How the edge speaks to an origin. Cloudflare's names: flexible = OFF, full = FULL, strict = STRICT."""

    OFF = "off"
    FULL = "full"  # TLS, certificate not verified
    STRICT = "strict"  # TLS, certificate verified against the system's authorities and the site's host name


class Origin(Value):
    """One server behind a site, as its owner named it. ``host`` is an IP address or a host name."""

    host: str
    port: int = Field(ge=1, le=65535)
    tls: OriginTls = OriginTls.OFF
    weight: int = Field(default=100, ge=0, le=256)
    backup: bool = False
    """A backup serves only while no other origin of the site is healthy."""
    max_connections: int = Field(default=100, ge=1, le=100_000)
    """Concurrent requests this origin is given at most; more wait in the queue."""


class SiteLimits(Value):
    """Limits of one site; 0 switches a limit off. IPv6 clients are counted by their /64."""

    requests_per_client: int = Field(default=500, ge=0, le=1_000_000)
    """Requests one client may make within LIMIT_WINDOW_S."""
    requests_per_site: int = Field(default=0, ge=0, le=100_000_000)
    """Requests all clients together may make within LIMIT_WINDOW_S."""
    connections_per_client: int = Field(default=100, ge=0, le=100_000)
    """Requests of one client in progress at the same time."""


class Site(Value):
    """What an owner decided about one host name. ``host`` is an A-label name, or ``*.`` and one."""

    id: str
    zone_id: str
    host: str
    origins: tuple[Origin, ...] = Field(min_length=1, max_length=64)
    https_redirect: bool = True
    limits: SiteLimits = SiteLimits()
    security_level: SecurityLevel | None = None
    """None: that of the zone."""
    exemptions: Exemptions = Exemptions()
    created_on: datetime
    modified_on: datetime
