"""Run by the interpreter that has the library's second version: walks through the API, prints what it saw."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import CloudFlare


def main() -> None:
    zone_name, cases = sys.argv[1], json.loads(sys.argv[2])
    client: Any = CloudFlare.CloudFlare(token=os.environ["CLOUDFLARE_API_TOKEN"])
    seen: dict[str, Any] = {}
    zone = client.zones.post(data={"name": zone_name, "jump_start": False})
    seen["found"] = [one["id"] == zone["id"] for one in client.zones.get(params={"name": zone_name})]
    seen["records"] = []
    for case in cases:
        made = client.zones.dns_records.post(zone["id"], data={"ttl": 300, **case})
        got = client.zones.dns_records.get(zone["id"], made["id"])
        assert got == made
        seen["records"].append([made["type"], made["name"], made["content"]])
    first = client.zones.dns_records.get(zone["id"], params={"type": "A"})[0]
    seen["patched"] = client.zones.dns_records.patch(zone["id"], first["id"], data={"ttl": 600})["ttl"]
    whole = {**first, "ttl": 120}
    seen["put"] = client.zones.dns_records.put(zone["id"], first["id"], data=whole)["ttl"]
    seen["deleted"] = client.zones.dns_records.delete(zone["id"], first["id"])["id"] == first["id"]
    seen["settings"] = client.zones.settings.ssl.patch(zone["id"], data={"value": "full"})["value"]
    seen["all_settings"] = len(client.zones.settings.get(zone["id"]))
    try:
        client.zones.dns_records.post(zone["id"], data={"type": "A", "name": "x", "content": "nope"})
    except CloudFlare.exceptions.CloudFlareAPIError as error:
        seen["refused"] = [int(error), [int(one) for one in error]]
    seen["export"] = client.zones.dns_records.export.get(zone["id"])
    print(json.dumps(seen, default=str))  # noqa: T201


main()
