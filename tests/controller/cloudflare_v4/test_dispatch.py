"""What holds for every request: limits, bodies, unknown routes, the description."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rempart.controller.cloudflare_v4.application import api_application
from rempart.controller.cloudflare_v4.dispatch import JSON_MAX, Dispatch
from rempart.controller.cloudflare_v4.endpoints import ENDPOINTS
from rempart.controller.cloudflare_v4.rates import FixedWindows, prefix_of
from tests.controller.cloudflare_v4.conftest import Bearers, Client


def test_a_token_has_so_many_requests(bearers: Bearers, client: Client, stranger: Client) -> None:
    limit = client.controller.configuration.api.requests_per_token
    now = [1000.0]
    dispatch = Dispatch(client.controller, lambda: now[0])
    dispatch._by_address = FixedWindows(0, 1.0)
    client.application = stranger.application = api_application(client.controller, dispatch)
    first = client.call("GET", "/user/tokens/verify")
    assert first.headers["x-ratelimit-limit"] == str(limit) == "1200"
    assert first.headers["x-ratelimit-remaining"] == str(limit - 1)
    assert first.headers["x-ratelimit-reset"] == "300"
    for _ in range(limit - 1):
        dispatch._by_token.take(_id(client), now[0])
    now[0] += 100
    refused = client.call("GET", "/user/tokens/verify")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"] == "200"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.json()["success"] is False
    assert stranger.call("GET", "/user/tokens/verify").status_code == 200
    now[0] += 200
    assert client.call("GET", "/user/tokens/verify").status_code == 200


def _id(client: Client) -> str:
    found = client.controller.intents.tokens.verify(client.token or "")
    assert found is not None
    return found.id


def test_an_address_has_so_many_requests_a_second(client: Client) -> None:
    now = [1000.0]
    client.application = api_application(client.controller, Dispatch(client.controller, lambda: now[0]))
    seen = [client.call("GET", "/ips").status_code for _ in range(203)]
    assert seen == [200] * 200 + [429] * 3
    now[0] += 1
    assert client.call("GET", "/ips").status_code == 200


def test_windows_remember_no_more_than_they_may() -> None:
    windows = FixedWindows(2, 10.0, keys_max=100)
    for number in range(1000):
        windows.take(str(number), 0.0)
    assert len(windows) <= 101
    assert windows.take("new", 0.0).allowed is False, "strangers beyond that share a window"
    assert windows.take("0", 0.0).allowed
    assert not windows.take("0", 0.0).allowed
    assert windows.take("new", 10.0).allowed


@given(st.lists(st.floats(min_value=0, max_value=5), max_size=60))
def test_a_window_lets_through_no_more_than_its_limit(steps: list[float]) -> None:
    windows = FixedWindows(3, 10.0)
    now, taken = 0.0, []
    for step in steps:
        now += step
        if windows.take("x", now).allowed:
            taken.append(now)
    for first, fourth in zip(taken, taken[6:], strict=False):
        assert fourth - first >= 10.0, "two windows at most meet"


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_clients_are_told_apart_by_prefix(address: str, prefix: str) -> None:
    assert prefix_of(address) == prefix


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b'{"name": "a.example", "name": "b.example"}',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "a.example", "paused": 1e999}',
        b'{"name": "\\ud800.example"}',
        b'{"name": "a\\u0000.example"}',
        b'{"name": "\xff"}',
        b'{"name": ' + b"[" * 20_000,
        b'{"name": ' + b"[" * 50 + b"]" * 50 + b"}",
        b'{"name": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: str(body[:40]),
)
def test_bodies_that_are_none(client: Client, body: bytes) -> None:
    client.refused(400, "POST", "/zones", content=body)


def test_bodies_that_are_too_large(client: Client) -> None:
    async def forever() -> Any:
        for _ in range(JSON_MAX // 65536 + 2):
            yield b" " * 65536

    for content in (b" " * (JSON_MAX + 1), forever()):
        assert client.refused(413, "POST", "/zones", content=content)["code"] == 15002
    large = b"x" * (client.controller.configuration.api.import_max + 1)
    client.refused(413, "POST", f"/zones/{client.zone()}/dns_records/import", files={"file": large})


@pytest.mark.parametrize(
    "path", ["/nothing", "/zones/short", "/zones/" + "G" * 32, "/zones/example.org", "/"]
)
def test_unknown_routes(client: Client, path: str) -> None:
    body = client.call("GET", path).json()
    assert [one["code"] for one in body["errors"]] == [7003, 7000]


def test_unknown_methods(client: Client) -> None:
    answer = client.call("PUT", "/zones")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["errors"][0]["code"] == 7001
    assert client.call("POST", f"/zones/{client.zone()}/pagerules", json={}).status_code == 405


def test_a_surprise_is_an_answer_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(client.controller.intents.zones, "find", broken)
    answer = client.call("GET", "/zones")
    assert answer.status_code == 500
    assert answer.json()["success"] is False
    assert "secret detail" not in answer.text


def test_the_description_is_complete(bearers: Bearers) -> None:
    document = bearers.client(None).call("GET", "/openapi.json").json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(one.method, "/client/v4" + one.path) for one in ENDPOINTS}
    text = str(document)
    for reference in re.findall(r"#/components/schemas/(\w+)", text):
        assert reference in document["components"]["schemas"]


def test_paths_are_as_they_are_written(client: Client) -> None:
    async def raw(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(client.application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://rempart") as caller:
            return await caller.get(path)

    for path in ("/", "/client/v4", "/client/v4/zones/", "/client/v4//zones", "/docs"):
        assert client.runner.run(raw(path)).status_code == 404
