"""The controller's application for one command, while no controller runs.

Where it stands: ``session.py`` comes here when nobody answers the admin socket. Without root the application
runs in this process. Root does not open the store itself: it lies in a folder of the controller's user, and
whoever has taken that user over chooses what root would find there. So root starts the application as that
user (``rempart service offline``) and calls it over a socket that nobody else can get to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rempart.cli.session import BASE, CALL_TIMEOUT_S, ControllerCalls
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks

if TYPE_CHECKING:
    import httpx

END_S = 10.0
READY = "ready"


@contextmanager
def offline(configuration: Configuration) -> Iterator[ControllerCalls]:
    """The application on the state folder, locked against another one. Raises Conflict when that works."""
    from rempart.node.state_folders import prepare

    is_root = os.geteuid() == 0
    prepare(configuration, is_root=is_root)
    with (as_its_user if is_root else in_process)(configuration) as calls:
        yield calls


class InProcess:
    """The application called without a socket."""

    def __init__(self, application: Any, runner: asyncio.Runner) -> None:
        self._application = application
        self._runner = runner

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._request(method, path, **arguments))

    async def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        import httpx

        transport = httpx.ASGITransport(self._application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, timeout=None) as client:  # noqa: S113
            return await client.request(method, path, **arguments)


@contextmanager
def in_process(configuration: Configuration) -> Iterator[ControllerCalls]:
    """The application in this process, which is the controller's user already."""
    from rempart.controller.local import application
    from rempart.controller.lock import hold
    from rempart.node import logs

    logs.configure()  # what is logged goes to standard error: the result is not mixed with it
    with hold(configuration.paths), application(configuration) as served, asyncio.Runner() as runner:
        yield ControllerCalls(InProcess(served, runner), online=False)


@contextmanager
def as_its_user(configuration: Configuration) -> Iterator[ControllerCalls]:
    """The application in a process of the controller's user, which ends with the block."""
    import httpx

    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rempart-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        path = folder / "offline.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            listener.listen()
            process = stack.enter_context(_started(listener.fileno()))
        _begin(process, configuration)
        transport = httpx.HTTPTransport(uds=str(path))
        client = httpx.Client(transport=transport, base_url=BASE, timeout=CALL_TIMEOUT_S)
        yield ControllerCalls(stack.enter_context(client), online=False)


@contextmanager
def _started(listener: int) -> Iterator[subprocess.Popen[str]]:
    from rempart.node.search_path import closed_folders

    with ExitStack() as stack:
        folders = [_held(stack, folder) for folder in closed_folders()]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rempart", "service", "offline", str(listener)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(listener, *folders),
            # Ctrl-C is for us; it ends with its standard input.
            start_new_session=True,
            env=_environment(folders),
        )
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(BrokenPipeError):
                if process.stdin is not None:
                    process.stdin.close()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _begin(process: subprocess.Popen[str], configuration: Configuration) -> None:
    """Hand the configuration over; return when it serves, raise what it could not begin for."""
    from rempart.controller.http_errors import from_json

    said = ""
    if process.stdin is not None and process.stdout is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(configuration.model_dump_json() + "\n")
            process.stdin.flush()
        said = process.stdout.readline().strip()
    if said == READY:
        return
    try:
        raise from_json(json.loads(said))
    except ValueError:
        raise EnvironmentLacks(
            "controller",
            f"the store could not be opened as {configuration.users.controller}",
            hint="what went wrong is said above",
        ) from None


def _held(stack: ExitStack, folder: Path) -> int:
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    stack.callback(os.close, descriptor)
    return descriptor


def _environment(folders: Sequence[int]) -> dict[str, str]:
    if not folders:
        return dict(os.environ)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(f"/proc/self/fd/{number}" for number in folders)}
