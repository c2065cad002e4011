"""The API over a real store, called in-process, with tokens of two accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from rempart.controller.assembly import Controller
from rempart.controller.cloudflare_v4.application import api_application
from rempart.controller.intents import OPERATOR
from rempart.controller.intents.tokens import Grant
from rempart.model.permissions import ACCOUNT, GROUPS_BY_SLUG, ZONE

PREFIX = "/client/v4"


@dataclass
class Client:
    """Calls the API as the bearer of one token (or of none)."""

    controller: Controller
    runner: asyncio.Runner
    application: Any
    token: str | None

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.runner.run(self._call(method, path, **arguments))

    def ok(self, method: str, path: str, **arguments: Any) -> Any:
        """The result."""
        return self.whole(method, path, **arguments)["result"]

    def whole(self, method: str, path: str, **arguments: Any) -> Any:
        """The whole envelope of a request that is carried out."""
        answer = self.call(method, path, **arguments)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["success"] is True
        assert body["errors"] == []
        return body

    def refused(self, status: int, method: str, path: str, **arguments: Any) -> Any:
        """The first error; asserts its form, and that nothing was published."""
        before = self.controller.intents.published.revision()
        answer = self.call(method, path, **arguments)
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert body["success"] is False
        assert body["result"] is None
        assert body["errors"]
        assert self.controller.intents.published.revision() == before
        return body["errors"][0]

    def zone(self, name: str = "example.org") -> str:
        """A zone's id; it is made when it is not there."""
        found = self.ok("GET", "/zones", params={"name": name})
        if found:
            return str(found[0]["id"])
        return str(self.ok("POST", "/zones", json={"name": name})["id"])

    def record(self, zone_id: str, type_: str, name: str, content: str, **members: Any) -> Any:
        body = {"type": type_, "name": name, "content": content, "ttl": 300, **members}
        return self.ok("POST", f"/zones/{zone_id}/dns_records", json=body)

    async def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = dict(arguments.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        transport = httpx.ASGITransport(self.application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://rempart") as client:
            return await client.request(method, PREFIX + path, headers=headers, timeout=60, **arguments)


class Bearers:
    """Makes tokens, and clients that bear them."""

    def __init__(self, controller: Controller, runner: asyncio.Runner, another: str = "another") -> None:
        self.controller = controller
        self._runner = runner
        self._application = api_application(controller)
        self.ours = controller.intents.accounts.default().id
        self.theirs = controller.intents.accounts.create(OPERATOR, another).value.id

    def client(self, token: str | None) -> Client:
        return Client(self.controller, self._runner, self._application, token)

    def of(
        self, account: str, slugs: Sequence[str] | None = None, zones: Sequence[str] | None = None
    ) -> Client:
        """A client with these permissions (None: all) on these zones (None: the account)."""
        grants = None
        if slugs is not None:
            resources = [f"{ACCOUNT}.{account}"] if zones is None else [f"{ZONE}.{one}" for one in zones]
            groups = tuple(GROUPS_BY_SLUG[one].id for one in slugs)
            grants = [Grant(groups=groups, resources=tuple(resources))] if groups else None
        made = self.controller.intents.tokens.create(OPERATOR, account, "test", grants=grants)
        return self.client(made.value.secret)


@pytest.fixture
def bearers(controller: Controller) -> Iterator[Bearers]:
    with asyncio.Runner() as runner:
        yield Bearers(controller, runner)


@pytest.fixture
def client(bearers: Bearers) -> Client:
    """May do everything in the first account."""
    return bearers.of(bearers.ours)


@pytest.fixture
def stranger(bearers: Bearers) -> Client:
    """May do everything in another account."""
    return bearers.of(bearers.theirs)
