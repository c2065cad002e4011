"""The API is as its description says, under requests that schemathesis makes up from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


def test_made_up_requests_are_answered_as_described(instance: Instance, tmp_path: Path) -> None:
    program = str(installed(".venv-interop") / "schemathesis")
    token, url = new_token(instance), base_url(instance)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(headers=headers, timeout=30) as client:
        zone = client.post(f"{url}/zones", json={"name": "made-up.example"}).json()["result"]["id"]
        record = {"type": "A", "name": "www", "content": "192.0.2.1"}
        record_id = client.post(f"{url}/zones/{zone}/dns_records", json=record).json()["result"]["id"]
        group = GROUPS_BY_SLUG["dns:read"].id
        policy = {"effect": "allow", "permission_groups": [{"id": group}], "resources": {"*": "*"}}
        spare = client.post(f"{url}/user/tokens", json={"name": "spare", "policies": [policy]}).json()
        account = client.get(f"{url}/accounts").json()["result"][0]["id"]
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        f"""[parameters]
zone_id = "{zone}"
record_id = "{record_id}"
token_id = "{spare["result"]["id"]}"
account_id = "{account}"
setting = "ssl"
plan_id = "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
"""
    )
    done = run(
        [
            *(program, "--config-file", str(config), "run", f"{url}/openapi.json"),
            *("-u", url.removesuffix("/client/v4"), "-H", f"Authorization: Bearer {token}"),
            # What is deleted could not be asked about afterwards.
            *("--exclude-method", "DELETE", "--checks", ",".join(CHECKS), "--phases", "fuzzing"),
            *("-n", str(EXAMPLES), "--no-color"),
        ],
        {"XDG_CACHE_HOME": str(tmp_path)},
        seconds=110,
        folder=tmp_path,
    )
    assert re.search(r"[1-9]\d* generated, [1-9]\d* passed", done.stdout), done.stdout
