"""The one table: every route of the API, and the permission it takes."""

from __future__ import annotations

from rempart.controller.cloudflare_v4 import (
    abuse_reports,
    accounts,
    bundles,
    dnssec,
    plans,
    records,
    settings,
    tokens,
    zone_files,
    zones,
)
from rempart.controller.cloudflare_v4.calls import Endpoint

PREFIX = "/client/v4"
# Fixed paths stand before those with an identifier in the same place.
ENDPOINTS: tuple[Endpoint, ...] = (
    *zones.ENDPOINTS,
    *zone_files.ENDPOINTS,
    *records.ENDPOINTS,
    *dnssec.ENDPOINTS,
    *bundles.ENDPOINTS,
    *settings.ENDPOINTS,
    *plans.ENDPOINTS,
    *accounts.ENDPOINTS,
    *abuse_reports.ENDPOINTS,
    *tokens.ENDPOINTS,
)
