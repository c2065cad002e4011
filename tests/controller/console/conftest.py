"""A console over a controller of its own, a clock that stands still until told, arbiters with keys, an owner.

Called in-process (`Visitor`), or served on loopback for a browser (`served`).
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from rempart.controller import assembly
from rempart.controller.assembly import Controller, assembled
from rempart.controller.console.application import console_application
from rempart.controller.intents import OPERATOR
from rempart.controller.sockets import server
from rempart.model.cases import Case
from rempart.model.configuration import Configuration
from rempart.model.sites import Origin
from tests.controller.cases.conftest import Court
from tests.controller.intents.conftest import Clock
from tests.governance.cast import HOST

HERE = "http://localhost"


@dataclass
class House:
    """A console and everybody in it."""

    controller: Controller
    court: Court
    clock: Clock
    application: FastAPI
    runner: asyncio.Runner
    token: str = ""
    others: str = ""
    """A token of another account."""
    visitors: list[Visitor] = field(default_factory=list)

    def visitor(self, **headers: str) -> Visitor:
        made = Visitor(self.application, self.runner, headers)
        self.visitors.append(made)
        return made

    def in_effect(self, **fields: Any) -> Case:
        case = self.court.to_announced(**fields)
        self.court.time(case.policy.notice_s)
        return self.court.docket.get(case.id)


class Visitor:
    """A browser without a window, as far as cookies and redirects go."""

    def __init__(self, application: FastAPI, runner: asyncio.Runner, headers: dict[str, str]) -> None:
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        # Secure cookies are sent over https only.
        self._client = httpx.AsyncClient(
            transport=transport, base_url=HERE.replace("http:", "https:"), headers=headers
        )
        self._runner = runner

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.call("GET", path, **arguments)

    def post(self, path: str, data: dict[str, Any] | None = None, **arguments: Any) -> httpx.Response:
        return self.call("POST", path, data=data or {}, **arguments)

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, timeout=60, **arguments))

    @property
    def cookies(self) -> httpx.Cookies:
        return self._client.cookies

    def close(self) -> None:
        self._runner.run(self._client.aclose())


@contextmanager
def house_in(folder: Path, **settings: Any) -> Iterator[House]:
    """A house whose state lies in ``folder``."""
    clock = Clock()
    configuration = Configuration.model_validate(
        {"state": folder, "edge": {"addresses": ["192.0.2.80", "2001:db8::80"]}, **settings}
    )
    with assembled(configuration, clock) as controller, asyncio.Runner() as runner:
        intents = controller.intents
        court = Court(controller.docket, intents, controller.log, clock, intents.context.store)
        intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.7", port=80),))
        court.found()
        house = House(controller, court, clock, console_application(controller), runner)
        owner = intents.zones.list().items[0].account_id
        house.token = intents.tokens.create(OPERATOR, owner, "laptop").value.secret
        stranger = intents.accounts.create(OPERATOR, "Somebody else").value.id
        house.others = intents.tokens.create(OPERATOR, stranger, "elsewhere").value.secret
        try:
            yield house
        finally:
            for one in house.visitors:
                one.close()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(assembly, "own_addresses", lambda: ("127.0.0.1", "::1"))
    with house_in(tmp_path) as made:
        yield made


@contextmanager
def served(house: House) -> Iterator[str]:
    """The console on a port of loopback; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = server(house.application)
        thread = threading.Thread(
            target=lambda: asyncio.run(serving.serve(sockets=[listener])), name="console", daemon=True
        )
        thread.start()
        try:
            yield f"{HERE}:{listener.getsockname()[1]}"
        finally:
            serving.should_exit = True
            thread.join(60)
