"""The API is as its description says, under requests that schemathesis makes up from it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rempart.lab.instance import Instance
from rempart.model.permissions import GROUPS_BY_SLUG
from tests.interop.clients import base_url, installed, new_token, run

pytestmark = pytest.mark.slow

EXAMPLES = 10
CHECKS = (
    "not_a_server_error",
    "response_schema_conformance",
    "content_type_conformance",
    "status_code_conformance",
)


@pytest.fixture
def instance() -> Iterator[Instance]:
    settings: dict[str, dict[str, Any]] = {
        "api": {"requests_per_token": 0, "requests_per_address": 0},
        "dns": {"resolvers": ["127.0.0.1@9"]},  # nothing answers there, and at once
    }
    with Instance(settings=settings) as started:
        started.start()
        yield started


class Described:
    """The API of an instance with one of everything, and schemathesis to make up requests to it."""

    def __init__(self, instance: Instance, folder: Path) -> None:
        self.instance, self.folder = instance, folder
        self.token, self.url = new_token(instance), base_url(instance)
        with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, timeout=30) as client:
            zone = client.post(f"{self.url}/zones", json={"name": "made-up.example"}).json()["result"]["id"]
            record = {"type": "A", "name": "www", "content": "192.0.2.1"}
            records = f"{self.url}/zones/{zone}/dns_records"
            record_id = client.post(records, json=record).json()["result"]["id"]
            group = GROUPS_BY_SLUG["dns:read"].id
            policy = {"effect": "allow", "permission_groups": [{"id": group}], "resources": {"*": "*"}}
            spare = {"name": "spare", "policies": [policy]}
            spare_id = client.post(f"{self.url}/user/tokens", json=spare).json()["result"]["id"]
            account = client.get(f"{self.url}/accounts").json()["result"][0]["id"]
        self.config = folder / "schemathesis.toml"
        self.config.write_text(
            f"""[parameters]
zone_id = "{zone}"
record_id = "{record_id}"
token_id = "{spare_id}"
account_id = "{account}"
setting = "ssl"
plan_id = "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
"""
        )

    def ask(self, token: str, checks: Collection[str], *options: str) -> None:
        """Requests of all kinds but DELETE: what is deleted could not be asked about afterwards."""
        done = run(
            [
                *(str(installed(".venv-interop") / "schemathesis"), "--config-file", str(self.config)),
                *("run", f"{self.url}/openapi.json", "-u", self.url.removesuffix("/client/v4")),
                *("-H", f"Authorization: Bearer {token}", "--exclude-method", "DELETE"),
                *("--checks", ",".join(checks), "--phases", "fuzzing"),
                *("-n", str(EXAMPLES), "--no-color", *options),
            ],
            {"XDG_CACHE_HOME": str(self.folder)},
            seconds=110,
            folder=self.folder,
        )
        assert re.search(r"[1-9]\d* generated, [1-9]\d* passed", done.stdout), done.stdout

    def _records(self, zone: str) -> list[str]:
        # An export's serial is the moment it was made.
        lines = self.instance.cli("zone", "export", zone).stdout.splitlines()
        return [line for line in lines if "\tSOA\t" not in line]

    def state(self) -> dict[str, Any]:
        """What the store holds and the engines serve."""
        zones = [one["zone"]["name"] for one in self.instance.json("zone", "list")["zones"]]
        boot = self.instance.configuration.paths.haproxy
        return {
            "zones": {name: self._records(name) for name in zones},
            "sites": self.instance.json("site", "list"),
            "tokens": sorted(one["id"] for one in self.instance.json("token", "list")["tokens"]),
            "revision": self.instance.json("status")["controller"]["revision"],
            "edge": (boot / "sites.map").read_text(),
        }


def test_made_up_requests_are_answered_as_described(instance: Instance, tmp_path: Path) -> None:
    described = Described(instance, tmp_path)
    described.ask(described.token, CHECKS)
    # Whatever was made of them: the engines follow, and none has refused an item. A record that was made up
    # as proxied is a site, whose origin is nobody's address.
    status = json.loads(instance.cli("status", "--json", check=False).stdout)
    assert [one for one in status["problems"] if "no origin is up" not in one] == []


def test_made_up_requests_without_the_right_change_nothing(instance: Instance, tmp_path: Path) -> None:
    described = Described(instance, tmp_path)
    reader = new_token(instance, "--permission", "zone:read", "--permission", "dns:read")
    before = described.state()
    described.ask(reader, ("not_a_server_error", "content_type_conformance"))
    assert described.state() == before
