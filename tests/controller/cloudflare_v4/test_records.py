"""DNS records as clients send, find, change and delete them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.controller.cloudflare_v4.conftest import Client
from tests.model.record_cases import *  # noqa: F403


def test_smoke(client: Client) -> None:
    zone = client.zone()
    record = client.record(zone, "A", "www", "192.0.2.7", proxied=True)
    print(record)
    print(client.whole("GET", f"/zones/{zone}/dns_records"))
    print(client.ok("GET", f"/zones/{zone}"))
    print(
        client.refused(
            400, "POST", f"/zones/{zone}/dns_records", json={"type": "A", "name": "x", "content": "nope"}
        )
    )
    print(client.refused(404, "GET", f"/zones/{'0' * 32}"))
    for path in (
        "/user",
        "/accounts",
        "/user/tokens",
        "/user/tokens/verify",
        "/ips",
        f"/zones/{zone}/settings",
        f"/zones/{zone}/dnssec",
        f"/zones/{zone}/available_plans",
        "/user/audit_logs",
    ):
        print(path, client.ok("GET", path))
    print(client.call("GET", f"/zones/{zone}/dns_records/export").text)
    print(client.ok("POST", f"/zones/{zone}/dns_records/import", files={"file": b"a 60 IN A 192.0.2.1\n"}))
    print(client.call("GET", "/openapi.json").status_code)
    assert 0
