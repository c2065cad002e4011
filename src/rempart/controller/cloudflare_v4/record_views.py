"""A record as clients know it."""

from __future__ import annotations

from typing import Any

from rempart.controller.cloudflare_v4.envelope import instant
from rempart.model.records import PROXIABLE, Record, RecordType
from rempart.model.zones import Zone


def view(record: Record, zone: Zone) -> dict[str, Any]:
    """``content`` always, also of records that were made from ``data``; ``data`` where the type has it."""
    shown: dict[str, Any] = {
        "id": record.id,
        "zone_id": zone.id,
        "zone_name": zone.name,
        "name": record.name,
        "type": record.type.value,
        "content": record.content,
        "proxiable": record.type in PROXIABLE,
        "proxied": record.proxied,
        "ttl": record.ttl,
        "settings": {"flatten_cname": record.flatten_cname} if record.type is RecordType.CNAME else {},
        "meta": {},
        "comment": record.comment,
        "tags": list(record.tags),
        "created_on": instant(record.created_on),
        "modified_on": instant(record.modified_on),
    }
    if record.type is RecordType.OPENPGPKEY and record.comment is None:
        shown["comment"] = ""  # the one type whose schema has no null here
    if record.priority is not None:
        shown["priority"] = record.priority
    if record.data is not None:
        shown["data"] = record.data
    return shown
