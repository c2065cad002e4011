"""The exit kit over the API: its owner can fetch it at any time, without asking anybody.

Cloudflare has no such call. The answer is the archive itself, not an envelope; what is refused comes in one
as ever.
"""

from __future__ import annotations

from rempart.controller.bundles.gathering import make, served_keys
from rempart.controller.cloudflare_v4.bodies import Query
from rempart.controller.cloudflare_v4.calls import Call, Endpoint, Reply
from rempart.model.permissions import Permission


class BundleQuery(Query):
    partial: bool = False
    """Make it even when DNSSEC keys are not at hand."""


async def fetch_bundle(call: Call) -> Reply:
    served = await served_keys(call.controller, call.zone)
    kit = await call.threaded(
        lambda: make(call.controller, call.actor, call.zone, served, partial=call.query.partial)
    )
    return Reply(None, archive=kit.octets)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/zones/{zone_id}/bundle",
        Permission.BUNDLE_READ,
        fetch_bundle,
        "Fetch the zone's exit kit, private keys included",
        query=BundleQuery,
    ),
)
