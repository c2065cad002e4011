"""Run by the interpreter that has Cloudflare's own library, version 5: prints what it saw.

Every answer is validated against the library's models.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import cloudflare
from cloudflare import Cloudflare


def main() -> None:
    zone_name, cases = sys.argv[1], json.loads(sys.argv[2])
    client = Cloudflare(_strict_response_validation=True, max_retries=0)
    seen: dict[str, Any] = {"version": cloudflare.__version__}
    accounts = list(client.accounts.list())
    seen["accounts"] = [one.name for one in accounts]
    zone = client.zones.create(account={"id": accounts[0].id}, name=zone_name, type="full")
    assert zone is not None
    seen["found"] = [one.id == zone.id for one in client.zones.list(name=zone_name)]
    seen["by_account"] = [one.name for one in client.zones.list(account={"id": accounts[0].id})]
    seen["name_servers"] = client.zones.get(zone_id=zone.id).name_servers
    seen["records"] = [records(client, zone.id, case) for case in cases]
    every = list(client.dns.records.list(zone_id=zone.id, per_page=5))
    seen["listed"] = len(every)
    seen["filtered"] = [
        one.content for one in client.dns.records.list(zone_id=zone.id, type="TXT", name={"contains": "host"})
    ]
    seen["batch"] = batch(client, zone.id)
    seen["export"] = client.dns.records.export(zone_id=zone.id)
    imported = client.dns.records.import_(zone_id=zone.id, file="imported 300 IN A 192.0.2.99\n")
    seen["imported"] = imported and imported.recs_added
    seen["settings"] = settings(client, zone.id)
    edited = client.zones.edit(zone_id=zone.id, paused=True)
    seen["paused"] = edited and edited.paused
    dnssec = client.dns.dnssec.edit(zone_id=zone.id, status="active")
    seen["dnssec"] = dnssec and dnssec.status
    seen["tokens"] = tokens(client, zone.id, accounts[0].id)
    seen["ips"] = client.ips.list().ipv4_cidrs
    logs = client.audit_logs.list(account_id=accounts[0].id)
    seen["audit"] = sorted({one.action.type for one in logs})
    seen["plans"] = [one.legacy_id for one in client.zones.plans.list(zone_id=zone.id)]
    seen["user"] = client.user.get().id
    seen["refused"] = refused(client, zone.id)
    many = [one.id for one in client.dns.records.list(zone_id=zone.id)]
    try:
        client.dns.records.batch(zone_id=zone.id, deletes=[{"id": one} for one in many])
    except cloudflare.BadRequestError as error:
        seen["unconfirmed"] = error.errors[0].code
        seen["digest"] = error.response.headers["x-rempart-plan"]
    client.zones.delete(zone_id=zone.id)
    seen["gone"] = list(client.zones.list(name=zone_name)) == []
    print(json.dumps(seen, default=str))  # noqa: T201


def records(client: Cloudflare, zone_id: str, case: dict[str, Any]) -> Any:
    made: Any = client.dns.records.create(zone_id=zone_id, ttl=300, **case)
    got: Any = client.dns.records.get(zone_id=zone_id, dns_record_id=made.id)
    assert got == made
    return [made.type, made.name, made.content]


def batch(client: Cloudflare, zone_id: str) -> Any:
    one: Any = client.dns.records.create(zone_id=zone_id, ttl=1, type="A", name="b1", content="192.0.2.1")
    two: Any = client.dns.records.create(zone_id=zone_id, ttl=1, type="A", name="b2", content="192.0.2.2")
    done: Any = client.dns.records.batch(
        zone_id=zone_id,
        deletes=[{"id": one.id}],
        patches=[{"id": two.id, "content": "192.0.2.22", "type": "A", "name": "b2", "ttl": 1}],
        posts=[{"type": "A", "name": "b3", "content": "192.0.2.3", "ttl": 1}],
    )
    edited: Any = client.dns.records.edit(
        dns_record_id=two.id, zone_id=zone_id, type="A", name="b2", content="192.0.2.23", ttl=60, comment="x"
    )
    put: Any = client.dns.records.update(
        dns_record_id=two.id, zone_id=zone_id, type="A", name="b4", content="192.0.2.24", ttl=60
    )
    client.dns.records.delete(dns_record_id=two.id, zone_id=zone_id)
    return [
        [record.name for record in part or ()] for part in (done.deletes, done.patches, done.puts, done.posts)
    ] + [edited.content, edited.comment, put.name, put.comment]


def settings(client: Cloudflare, zone_id: str) -> Any:
    seen = []
    for name, value in (("ssl", "full"), ("always_use_https", "off"), ("cname_flattening", "flatten_all")):
        done: Any = client.zones.settings.edit(setting_id=name, zone_id=zone_id, value=value)
        read: Any = client.zones.settings.get(setting_id=name, zone_id=zone_id)
        assert (done.id, done.value) == (read.id, read.value)
        seen.append([read.id, read.value])
    return seen


def tokens(client: Cloudflare, zone_id: str, account_id: str) -> Any:
    groups = {one.name: one.id for one in client.user.tokens.permission_groups.list()}
    policy: Any = {
        "effect": "allow",
        "permission_groups": [{"id": groups["DNS Write"]}],
        "resources": {f"com.cloudflare.api.account.zone.{zone_id}": "*"},
    }
    made: Any = client.user.tokens.create(name="of one zone", policies=[policy])
    scoped = Cloudflare(api_token=made.value, _strict_response_validation=True, max_retries=0)
    verified = scoped.user.tokens.verify()
    zones = [one.id == zone_id for one in scoped.zones.list()]
    try:
        scoped.zones.delete(zone_id=zone_id)
    except cloudflare.PermissionDeniedError as error:
        denied = [one.code for one in error.errors]
    rolled: Any = client.user.tokens.value.update(token_id=made.id)
    assert rolled != made.value
    listed = [one.name for one in client.user.tokens.list()]
    client.user.tokens.delete(token_id=made.id)
    try:
        Cloudflare(api_token=rolled, max_retries=0).zones.list()
    except cloudflare.APIStatusError as error:
        after = error.status_code
    return [verified and verified.status, zones, denied, sorted(listed), after]


def refused(client: Cloudflare, zone_id: str) -> Any:
    seen: list[Any] = []
    attempts: list[Any] = [
        lambda: client.zones.get(zone_id="0" * 32),
        lambda: client.dns.records.get(zone_id=zone_id, dns_record_id="0" * 32),
        lambda: client.dns.records.create(zone_id=zone_id, ttl=1, type="A", name="x", content="nope"),
        lambda: client.zones.settings.edit(zone_id=zone_id, setting_id="brotli", value="on"),
        Cloudflare(api_token="x" * 40, max_retries=0).zones.list,
        Cloudflare(api_email="a@b.example", api_key="0" * 37, max_retries=0).zones.list,
    ]
    for attempt in attempts:
        try:
            attempt()
        except cloudflare.APIStatusError as error:
            seen.append([type(error).__name__, error.errors[0].code])
        else:
            seen.append(None)
    return seen


main()
