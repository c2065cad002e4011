"""How commands reach the controller: through its admin socket, or ``offline.py`` while no controller runs.

Both ways speak to the same application, so a command does the same and fails in the same words.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from rempart.model.base import Value
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, EnvironmentLacks, RempartError

if TYPE_CHECKING:
    import httpx

    from rempart.cli.offline import InProcess

A = TypeVar("A", bound=Value)

WAIT_S = 10.0
"""How long a writing command waits for every node to have followed."""
PATIENCE_S = 20.0
"""How long a controller that starts or ends is waited for."""
BASE = "http://rempart"
PING_S = 10.0
CALL_TIMEOUT_S = 600.0
"""The longest call is the import of a large zone."""


class Session:
    """One run of the command line."""

    def __init__(self, config_file: Path | None, *, debug: bool = False) -> None:
        self.config_file = config_file
        self.debug = debug

    @cached_property
    def configuration(self) -> Configuration:
        """The operator's configuration, read once. InvalidInput or EnvironmentLacks when it cannot be."""
        from rempart.node.settings import read_configuration

        return read_configuration(self.config_file)

    @contextmanager
    def controller(self) -> Iterator[ControllerCalls]:
        """The controller, running or for this command only.

        One that is about to start or to end is waited for. Raises Conflict when it takes too long.
        """
        from rempart.cli.offline import offline

        deadline = time.monotonic() + PATIENCE_S
        with ExitStack() as stack:
            while True:
                running = stack.enter_context(self.running_controller())
                if running is not None:
                    calls = running
                    break
                try:
                    calls = stack.enter_context(offline(self.configuration))
                    break
                except Conflict:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(0.1)
            yield calls

    @contextmanager
    def running_controller(self) -> Iterator[ControllerCalls | None]:
        """The controller that runs; None when none does."""
        import httpx

        path = self.configuration.paths.admin_socket
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url=BASE, timeout=CALL_TIMEOUT_S) as client:
            yield ControllerCalls(client, online=True) if answers(client, path) else None


def route(*parts: str) -> str:
    """The API's path of ``parts``, which may hold whatever a person has typed."""
    return "/v1/" + "/".join(quote(part, safe="*") for part in parts)


class ControllerCalls:
    """Calls of the admin API. Every answer that is no success is raised as the error it carries."""

    def __init__(self, client: httpx.Client | InProcess, *, online: bool) -> None:
        self._client = client
        self.online = online

    def ask(self, answer: type[A], path: str, **query: Any) -> A:
        """A reading call."""
        return answer.model_validate(self.call("GET", path, query=query))

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
    ) -> Any:
        """The decoded JSON answer, or its text. Values of ``query`` that are None are left out."""
        import httpx

        params = {key: value for key, value in (query or {}).items() if value is not None}
        try:
            answer = self._client.request(method, path, params=params, json=json, content=content)
        except httpx.TransportError as error:
            raise EnvironmentLacks(
                "controller",
                f"the controller went away during the call: {error}",
                hint="rempart status says what runs; whether the change was made, the listing commands tell",
            ) from error
        return decoded(answer)

    def content(self, path: str) -> bytes:
        """An answer that is neither JSON nor text."""
        import httpx

        try:
            answer = self._client.request("GET", path, params={}, json=None, content=None)
        except httpx.TransportError as error:
            raise EnvironmentLacks(
                "controller", f"the controller went away during the call: {error}"
            ) from error
        if not answer.is_success:
            decoded(answer)
        return bytes(answer.content)

    def write(
        self,
        answer: type[A],
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Value | None = None,
        content: bytes | None = None,
    ) -> A:
        """A call that changes something, and waits until it is live when a controller runs."""
        wait = {"wait": WAIT_S} if self.online else {}
        json = None if body is None else body.model_dump(mode="json", exclude_none=True)
        return answer.model_validate(
            self.call(method, path, query={**wait, **(query or {})}, json=json, content=content)
        )


def answers(client: httpx.Client, path: Path) -> bool:
    """Whether a controller listens on ``path``. EnvironmentLacks when this user may not ask it."""
    import httpx

    try:
        # By hand first: what is wrong is plain here, and the client would not close what it cannot connect.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(PING_S)
            probe.connect(str(path))
    except PermissionError as error:
        raise EnvironmentLacks(
            str(path),
            "this user may not use the controller's socket",
            hint="run the command as root, or as the user that started rempart up",
        ) from error
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return False
    except OSError as error:
        raise EnvironmentLacks(str(path), f"{path} cannot be reached: {error}") from error
    try:
        decoded(client.get("/v1/ping", timeout=PING_S))
    except httpx.TransportError as error:
        raise EnvironmentLacks(
            str(path), f"the controller does not answer: {error}", hint="rempart status says what runs"
        ) from error
    return True


def decoded(answer: httpx.Response) -> Any:
    """The answer's content; the error it carries is raised."""
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    content = answer.json() if is_json else answer.text
    if answer.is_success:
        return content
    if isinstance(content, dict) and "error" in content:
        from rempart.controller.http_errors import from_json

        raise from_json(content)
    raise RempartError(f"the controller answered {answer.status_code}: {str(content)[:200]}")


pass_session = click.make_pass_decorator(Session)
