"""Browsers and programs at the console, called in-process."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from rempart.controller.assembly import Controller
from rempart.controller.console.application import console_application
from tests.governance.cast import key_of

HERE = "https://localhost"
ADDRESS = "203.0.113.99"


class Visitors:
    """Anybody who comes to the console of ``controller``; each call is a new visitor unless signed in."""

    def __init__(self, controller: Controller, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._application = console_application(controller)
        self.cookies: dict[str, str] = {}

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._call(method, path, **arguments))

    def send(self, **given: str | list[str]) -> httpx.Response:
        """The form, filled in and sent."""
        files = given.pop("files", None)
        sent = [("evidence", (name, b"content of it", "image/png")) for name in files or ()]
        # A form without files is multipart, too: as the page says.
        return self.call("POST", "/reports", data=given, files=sent or [("evidence", ("", b""))])

    def ticket(self) -> str:
        page = self.call("GET", "/reports/new")
        found = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert found is not None, page.text
        return found[1]

    def sign_in(self, token: str) -> None:
        answer = self.call("POST", "/sign-in/owner", data={"token": token})
        assert answer.status_code == 303, answer.text
        self.cookies = dict(answer.cookies)

    def sign_in_arbiter(self, name: str) -> None:
        """As the arbiter, whose key the cast has."""
        page = self.call("GET", f"/sign-in/arbiter?arbiter={name}").text
        given = {
            field: re.search(rf'name="{field}" value="([^"]+)"', page)[1]  # type: ignore[index]
            for field in ("statement", "seal")
        }
        said = self.call("GET", "/sign-in/statement", params=given).content
        signature = base64.b64encode(key_of(name).sign(said)).decode()
        answer = self.call("POST", "/sign-in/arbiter", data={**given, "signature": signature})
        assert answer.status_code == 303, answer.text
        self.cookies = dict(answer.cookies)

    async def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._application, client=(ADDRESS, 4321), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HERE, cookies=self.cookies) as client:
            return await client.request(method, path, timeout=60, **arguments)


@contextmanager
def visiting(controller: Controller) -> Iterator[Visitors]:
    with asyncio.Runner() as runner:
        yield Visitors(controller, runner)
