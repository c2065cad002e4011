"""A controller on a store of its own, with a name server whose answers the test decides."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rempart.controller import assembly
from rempart.controller.admin_api.application import admin_application
from rempart.controller.assembly import Controller, assembled
from rempart.lab.leftovers import short_folder
from rempart.model.configuration import Configuration
from tests.controller.dns_double import DnsServer


class Api:
    """The admin API, called in-process; one event loop for all calls."""

    def __init__(self, controller: Controller, runner: asyncio.Runner) -> None:
        self.controller = controller
        self._runner = runner
        self._application = admin_application(controller)

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._call(method, path, **arguments))

    def ok(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self.call(method, path, **arguments)
        assert answer.is_success, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, **arguments: Any) -> Any:
        """The error that the call is answered with; asserts that nothing was changed."""
        before = self.everything()
        answer = self.call(method, path, **arguments)
        assert answer.status_code == status, answer.text
        assert self.everything() == before
        return answer.json()

    def everything(self) -> Any:
        """All that is stored, as far as the API shows it, and what is published."""
        paths = ("zones", "sites", "certificates", "secondaries?secret=true", "tokens", "accounts")
        listed = [self.ok("GET", f"/v1/{path}") for path in paths]
        records = [
            self.ok("GET", f"/v1/zones/{one['zone']['name']}/records")
            for one in self.ok("GET", "/v1/zones")["zones"]
        ]
        published = self.controller.intents.published
        return listed, records, published.revision(), published.items()

    async def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://rempart") as client:
            return await client.request(method, path, timeout=60, **arguments)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with loopback only: documentation addresses that ours may have are origins like any other."""
    monkeypatch.setattr(assembly, "own_addresses", lambda: ("127.0.0.1", "::1"))


@pytest.fixture
def name_server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def configuration(name_server: DnsServer) -> Iterator[Configuration]:
    folder = short_folder()
    yield Configuration.model_validate(
        {
            "state": folder,
            "edge": {"listen": ["127.0.0.1"], "addresses": ["192.0.2.1", "2001:db8::1"]},
            # Port 9 (discard): nothing answers there, as when no name server runs.
            "dns": {"listen": ["127.0.0.1"], "port": 9, "resolvers": [name_server.resolver]},
        }
    )
    shutil.rmtree(folder)


@pytest.fixture
def controller(configuration: Configuration) -> Iterator[Controller]:
    with assembled(configuration) as made:
        yield made


@pytest.fixture
def api(controller: Controller) -> Iterator[Api]:
    with asyncio.Runner() as runner:
        yield Api(controller, runner)
