"""DNSSEC of a zone: whether it is signed, and what its registrar must be told."""

from __future__ import annotations

from typing import Any, Literal

from rempart.controller.cloudflare_v4.bodies import Body
from rempart.controller.cloudflare_v4.calls import Call, Endpoint, Reply
from rempart.controller.cloudflare_v4.envelope import instant
from rempart.controller.delegation import ask_resolvers, delegation
from rempart.model.errors import InvalidInput
from rempart.model.permissions import Permission
from rempart.model.zones import Zone

_PATH = "/zones/{zone_id}/dnssec"


class DnssecChange(Body):
    status: Literal["active", "disabled"] | None = None
    dnssec_multi_signer: bool = False
    dnssec_presigned: bool = False
    dnssec_use_nsec3: bool = False


async def show(call: Call) -> Reply:
    return await _reply(call, call.zone)


async def change(call: Call) -> Reply:
    body: DnssecChange = call.body
    for name in ("dnssec_multi_signer", "dnssec_presigned", "dnssec_use_nsec3"):
        if getattr(body, name):
            raise InvalidInput("zones are signed here, by one signer, with NSEC", field=name)
    if body.status is None:
        return await _reply(call, call.zone)
    enabled = body.status == "active"
    written = await call.threaded(
        lambda: call.controller.intents.zones.set_dnssec(call.actor, call.zone.id, enabled)
    )
    return await _reply(call, written.value, written)


async def delete(call: Call) -> Reply:
    written = await call.threaded(
        lambda: call.controller.intents.zones.set_dnssec(call.actor, call.zone.id, False)
    )
    return Reply("", written=(written,))


async def _reply(call: Call, zone: Zone, *written: Any) -> Reply:
    configuration = call.controller.configuration
    members: dict[str, Any] = dict.fromkeys(
        ("algorithm", "digest", "digest_algorithm", "digest_type", "ds", "flags", "key_tag", "key_type")
    )
    members |= {
        "public_key": None,
        "status": "disabled",
        "dnssec_multi_signer": False,
        "dnssec_presigned": False,
        "dnssec_use_nsec3": False,
        "modified_on": instant(zone.modified_on),
    }
    messages: tuple[str, ...] = ()
    if zone.settings.dnssec:
        # Active once the parent zone says so: before, no resolver checks the signatures.
        members["status"] = "pending"
        found = await delegation(zone.name, configuration.dns)
        if found.problem:
            messages = (found.problem,)
        for ds, key in zip(found.ds, found.keys, strict=True):
            tag, algorithm, digest_type, digest = ds.split()
            members |= {
                "algorithm": algorithm,
                "digest": digest.upper(),
                "digest_algorithm": "SHA256",
                "digest_type": digest_type,
                "ds": f"{zone.name}. 3600 IN DS {tag} {algorithm} {digest_type} {digest.upper()}",
                "flags": int(key.split()[0]),
                "key_tag": int(tag),
                "key_type": "ECDSAP256SHA256" if algorithm == "13" else f"algorithm {algorithm}",
                "public_key": key.split()[3],
            }
        held = await ask_resolvers(zone.name, "DS", configuration.dns.resolvers) if found.ds else ()
        if {one.upper() for one in held} & {one.upper() for one in found.ds}:
            members["status"] = "active"
    return Reply(members, messages=messages, written=written)


ENDPOINTS = (
    Endpoint("GET", _PATH, Permission.DNS_READ, show, "DNSSEC details"),
    Endpoint("PATCH", _PATH, Permission.DNS_EDIT, change, "Switch DNSSEC on or off", body=DnssecChange),
    Endpoint("DELETE", _PATH, Permission.DNS_EDIT, delete, "Switch DNSSEC off"),
)
