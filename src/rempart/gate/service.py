"""The gate's process: a Unix socket that HAProxy brings visitors' answers to. The rim.

It has no store, no privileges and no secret but the gate's keys, which it only reads. Everything a stranger
can make grow is bounded: headers and body by the edge and here, connections by the edge, the memory of used
nonces by its size.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from pydantic import ValidationError

from rempart.gate.replay import ReplayMemory
from rempart.gate.replies import Reply, Request, reply
from rempart.model.configuration import Configuration
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
    """ASGI: reads one bounded request, asks ``replies.reply``, writes the answer."""

    def __init__(self, keys: KeyFile, replays: ReplayMemory) -> None:
        self._keys = keys
        self._replays = replays
        self._log = structlog.get_logger("gate")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        answer = Reply(413) if body is None else self._answer(scope, body)
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
        text = answer.body.encode()
        if answer.status not in (204, 304):
            headers.append((b"content-length", str(len(text)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    def _answer(self, scope: Message, body: bytes) -> Reply:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1")
            joint = "; " if key == "cookie" else ", "
            text = value.decode("latin-1")
            headers[key] = f"{headers[key]}{joint}{text}" if key in headers else text
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body.decode("latin-1"),
        )
        return reply(request, self._keys.keys(), self._replays, time.time(), secrets.token_bytes(16))


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when it is larger than any that is meant for the gate."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        body += bytes(message.get("body", b""))
        if len(body) > BODY_MAX:
            return None
        if not message.get("more_body"):
            return body


def run(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT."""
    paths = configuration.paths
    keys = KeyFile(paths.gate_keys)
    keys.keys()
    asyncio.run(_serve(paths.gate_socket, Application(keys, ReplayMemory(time.time()))))


async def _serve(path: Path, application: Application) -> None:
    log = structlog.get_logger("gate")
    config = uvicorn.Config(
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
    server = Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    with listening(path, SOCKET_MODE, BACKLOG) as listener:
        log.info("gate serves", socket=str(path))
        await server.serve(sockets=[listener])
    log.info("gate ended")
