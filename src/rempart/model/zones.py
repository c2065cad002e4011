"""Zones: domains whose DNS we answer, and their settings."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from rempart.model.base import Value
from rempart.model.challenges import SecurityLevel
from rempart.model.record_parsing import TTL_MAX, TTL_MIN


class ZoneStatus(StrEnum):
    """Cloudflare's zone states: pending until the registrar points here, then active."""

    PENDING = "pending"
    ACTIVE = "active"


class SslMode(StrEnum):
    """How the edge reaches origins of proxied records without a site of their own (Cloudflare's ``ssl``)."""

    OFF = "off"  # no TLS at the edge either: no redirect to https
    FLEXIBLE = "flexible"  # TLS to visitors, plain HTTP to port 80 of the origin
    FULL = "full"
    STRICT = "strict"


class ZoneSettings(Value):
    """Settings of a zone that exist so far."""

    dnssec: bool = False
    ssl: SslMode = SslMode.FLEXIBLE
    always_use_https: bool = True
    flatten_all_cnames: bool = False
    security_level: SecurityLevel = SecurityLevel.MEDIUM
    """For all the zone's names that go through the edge."""
    max_ttl: int | None = Field(default=None, ge=TTL_MIN, le=TTL_MAX)
    """Seconds for which an answer may be remembered at the most, whatever its record says; None: as it says.
    For owners who are about to move."""


class Zone(Value):
    """A domain. ``name`` is an A-label name in lower case without a trailing dot."""

    id: str
    account_id: str
    name: str
    status: ZoneStatus = ZoneStatus.PENDING
    paused: bool = False
    """A paused zone answers every proxied name with its origin (Cloudflare's "pause": DNS only)."""
    settings: ZoneSettings = ZoneSettings()
    created_on: datetime
    modified_on: datetime


class Secondary(Value):
    """A name server that transfers our zones from us (RFC 5936, RFC 1995, RFC 8945)."""

    id: str
    address: str
    """IPv4 or IPv6 address that we notify and that may transfer."""
    port: int = Field(default=53, ge=1, le=65535)
    ns_name: str | None = None
    """The secondary's name for the zones' NS RRsets; None keeps it hidden."""
    tsig_name: str
    tsig_algorithm: str = "hmac-sha256"
    created_on: datetime
