"""What the controller listens on, with which rights, and uvicorn for it.

The folder they lie in keeps strangers out; it carries the set-group-ID bit, so that what is made in it
belongs to the node's group. The admin and API sockets are opened to their owner only, the feed's to that
group too.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from rempart.model.errors import EnvironmentLacks
from rempart.serving import BACKLOG, Server

ADMIN_MODE = 0o600
FEED_MODE = 0o660
API_MODE = 0o600
GRACE_S = 3


@contextlib.contextmanager
def listening_at(address: str, port: int, setting: str = "api.port") -> Iterator[socket.socket]:
    """A TCP socket that listens on ``address``. ``setting``: what chose the port, in words."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Named, not left to the kernel: asyncio turns Nagle's algorithm off only where it sees that it is TCP,
    # and with it on, an answer in two parts waits 40 ms for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise EnvironmentLacks(
            f"port {port}",
            f"{address} port {port} cannot be listened on: {error.strerror}",
            hint=f"choose another {setting}",
        ) from error
    with listener:
        yield listener


def server(application: FastAPI, *, at_once: int | None = None) -> Server:
    """A server for ``application``, to be run with ``serve(sockets=[…])``. ``at_once``: connections and
    requests in progress, beyond which it answers 503."""
    return Server(
        uvicorn.Config(
            application,
            lifespan="off",
            loop="asyncio",
            http="h11",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=60,
            limit_concurrency=at_once,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
