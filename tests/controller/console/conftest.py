"""A console over a controller of its own, a clock that stands still until told, arbiters with keys, an owner.

Called in-process (`Visitor`), or served on loopback for a browser (`served`).
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
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
from tests.governance.cast import HOST, key_of

HERE = "http://localhost"


@dataclass
class House:
    """A console and everybody in it."""

    controller: Controller
    court: Court
    clock: Clock
    application: FastAPI
    runner: asyncio.Runner
    token: str
    others: str
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


def _configuration(folder: Path) -> Configuration:
    return Configuration.model_validate(
        {"state": folder, "edge": {"addresses": ["192.0.2.80", "2001:db8::80"]}}
    )


@contextmanager
def _court(folder: Path) -> Iterator[tuple[Controller, Court]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "own_addresses", lambda: ("127.0.0.1", "::1"))
        with assembled(_configuration(folder), clock := Clock()) as controller:
            intents = controller.intents
            store = intents.context.store
            yield controller, Court(controller.docket, intents, controller.log, clock, store)


def founded(folder: Path) -> tuple[str, str]:
    """Make what every house begins with; the tokens of HOST's owner and of somebody else."""
    with _court(folder) as (controller, court):
        intents = controller.intents
        intents.sites.add(OPERATOR, HOST, (Origin(host="203.0.113.7", port=80),))
        court.found()
        owner = intents.zones.list().items[0].account_id
        stranger = intents.accounts.create(OPERATOR, "Somebody else").value.id
        return (
            intents.tokens.create(OPERATOR, owner, "laptop").value.secret,
            intents.tokens.create(OPERATOR, stranger, "elsewhere").value.secret,
        )


@contextmanager
def house_in(folder: Path, tokens: tuple[str, str]) -> Iterator[House]:
    """A house whose state, as ``founded`` made it, lies in ``folder``."""
    with _court(folder) as (controller, court), asyncio.Runner() as runner:
        application = console_application(controller)
        house = House(controller, court, court.clock, application, runner, *tokens)
        try:
            yield house
        finally:
            for one in house.visitors:
                one.close()


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, str]]:
    """The founding takes seconds: once is enough."""
    folder = tmp_path_factory.mktemp("founded")
    return folder, founded(folder)


@pytest.fixture
def house(tmp_path: Path, beginning: tuple[Path, tuple[str, str]]) -> Iterator[House]:
    folder, tokens = beginning
    shutil.copytree(folder, tmp_path / "state")
    with house_in(tmp_path / "state", tokens) as made:
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


class _Forms(HTMLParser):
    """The hidden and chosen fields of every form, by its action."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = self.forms.setdefault(told.get("action", ""), {})
        elif tag == "input" and self._fields is not None and told.get("type") in ("hidden", "text"):
            self._fields[told["name"]] = told.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None


def fields_of(page: str, action: str) -> dict[str, str]:
    """What a browser would send of the form with this action, but for what a person fills in."""
    parser = _Forms()
    parser.feed(page)
    return dict(parser.forms[action])


def enter(house: House, arbiter: str | None = None, *, token: str | None = None) -> Visitor:
    """Somebody who is signed in: this arbiter, or an owner with this token (the owner of HOST's)."""
    visitor = house.visitor()
    if arbiter is None:
        answer = visitor.post("/sign-in/owner", {"token": token or house.token})
    else:
        fields = fields_of(visitor.get(f"/sign-in/arbiter?arbiter={arbiter}").text, "/sign-in/arbiter")
        content = visitor.get(
            "/sign-in/statement", params={"statement": fields["statement"], "seal": fields["seal"]}
        ).content
        fields["signature"] = base64.b64encode(key_of(arbiter).sign(content)).decode()
        answer = visitor.post("/sign-in/arbiter", fields)
    assert answer.status_code == 303, answer.text
    return visitor


def bring(visitor: Visitor, case: str, fields: dict[str, str], key: str) -> httpx.Response:
    """Download the statement of the signing page with these fields, sign it with ``key``, and bring it."""
    asked = {"guard": fields["guard"], "unsigned": fields["unsigned"]}
    content = visitor.post(f"/docket/{case}/bytes", asked).content
    signature = base64.b64encode(key_of(key).sign(content)).decode()
    return visitor.post(f"/docket/{case}/submit", fields | {"signature": signature})
