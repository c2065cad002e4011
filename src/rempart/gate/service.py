"""The gate's process: Unix sockets that HAProxy brings visitors' answers, and their receipts, to. The rim.

It has no store, no privileges and no secret but the gate's keys, which it only reads. Everything a stranger
can make grow is bounded: headers and body by the edge and here, connections by the edge, the memory of used
nonces by its size, what visitors say about receipts by ``receipts.box``.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from pydantic import ValidationError

from rempart.engines.haproxy.operator import RECEIPT_BODY_MAX
from rempart.gate.receipts.files import BoxFile, NoticesFile
from rempart.gate.receipts.replies import answered
from rempart.gate.replay import ReplayMemory
from rempart.gate.replies import Reply, Request, reply
from rempart.model.configuration import Configuration, StatePaths
from rempart.model.errors import EnvironmentLacks
from rempart.model.gate import GateKeys
from rempart.serving import Server, listening

BODY_MAX = 8_192
SOCKET_MODE = 0o660
"""For our user and the folder's group, which is HAProxy's."""
BACKLOG = 512
REQUESTS_MAX = 256

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class KeyFile:
    """The keys, read again whenever the node has replaced their file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._keys: GateKeys | None = None

    def keys(self) -> GateKeys:
        """EnvironmentLacks when there never were any; a file that cannot be read leaves the last ones."""
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_ino)
            if seen != self._seen:
                self._keys = GateKeys.model_validate_json(self._path.read_bytes())
                self._seen = seen
        except (OSError, ValidationError) as error:
            if self._keys is None:
                raise EnvironmentLacks(
                    str(self._path), f"the gate's keys cannot be read: {type(error).__name__}"
                ) from error
        if self._keys is None:
            raise EnvironmentLacks(str(self._path), "there are no keys for the gate")
        return self._keys


class Application:
    """ASGI: reads one bounded request, asks ``answer``, writes what it says."""

    def __init__(self, answer: Callable[[Request], Reply], body_most: int = BODY_MAX) -> None:
        self._answers = answer
        self._body_most = body_most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive, self._body_most)
        answer = Reply(413) if body is None else self._answer(scope, body)
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
        text = answer.body.encode()
        if answer.status not in (204, 304):
            headers.append((b"content-length", str(len(text)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else text})

    def _answer(self, scope: Message, body: bytes) -> Reply:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1")
            joint = "; " if key == "cookie" else ", "
            text = value.decode("latin-1")
            headers[key] = f"{headers[key]}{joint}{text}" if key in headers else text
        request = Request(
            method=scope["method"],
            # As it came: a receipt may hold what was encoded once.
            path=scope["raw_path"].partition(b"?")[0].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body.decode("latin-1"),
        )
        return self._answers(request)


class Challenges:
    """Answers to challenges."""

    def __init__(self, keys: KeyFile, replays: ReplayMemory) -> None:
        self._keys = keys
        self._replays = replays

    def answer(self, request: Request) -> Reply:
        return reply(request, self._keys.keys(), self._replays, time.time(), secrets.token_bytes(16))


class Receipts:
    """Receipts, and what is said about them."""

    def __init__(self, paths: StatePaths, keys: KeyFile) -> None:
        self._keys = keys
        self._notices = NoticesFile(paths.notices)
        self._file = BoxFile(paths.receipts)
        self._log = structlog.get_logger("gate")
        try:
            self._box = self._file.read()
        except OSError as error:
            self._box = ()
            self._log.error("what visitors said cannot be read", reason=error.strerror)

    def answer(self, request: Request) -> Reply:
        found = answered(request, self._keys.keys(), self._notices.known(), self._box, datetime.now(UTC))
        if found.box is not self._box:
            try:
                self._file.write(found.box)
            except OSError as error:
                self._log.error("a visitor's message cannot be stored", reason=error.strerror)
                return Reply(507)
            self._box = found.box
        return found.reply


async def _body(receive: Receive, most: int) -> bytes | None:
    """The whole body; None when it is larger than any that is meant for the gate."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        body += bytes(message.get("body", b""))
        if len(body) > most:
            return None
        if not message.get("more_body"):
            return body


def run(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT."""
    paths = configuration.paths
    keys = KeyFile(paths.gate_keys)
    keys.keys()
    asyncio.run(
        _serve(
            (paths.gate_socket, Application(Challenges(keys, ReplayMemory(time.time())).answer)),
            (paths.receipts_socket, Application(Receipts(paths, keys).answer, RECEIPT_BODY_MAX)),
        )
    )


async def _serve(*served: tuple[Path, Application]) -> None:
    log = structlog.get_logger("gate")
    servers = [_server(application) for _, application in served]

    def end() -> None:
        for one in servers:
            one.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    with ExitStack() as stack:
        tasks = []
        for (path, _), server in zip(served, servers, strict=True):
            listener = stack.enter_context(listening(path, SOCKET_MODE, BACKLOG))
            tasks.append(asyncio.create_task(server.serve(sockets=[listener])))
            log.info("gate serves", socket=str(path))
        # One that ends by itself ends the process too: the supervisor starts it anew.
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        end()
        await asyncio.gather(*tasks)
    log.info("gate ended")


def _server(application: Application) -> Server:
    return Server(
        uvicorn.Config(
            application,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            limit_concurrency=REQUESTS_MAX,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=32_768,
        )
    )
