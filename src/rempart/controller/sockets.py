"""Unix sockets with the rights they are meant to have, and uvicorn serving on them.

The folder they lie in keeps strangers out; it carries the set-group-ID bit, so that what is made in it
belongs to the node's group. The admin and API sockets are opened to their owner only, the feed's to that
group too.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from rempart.model.errors import EnvironmentLacks

ADMIN_MODE = 0o600
FEED_MODE = 0o660
API_MODE = 0o600
BACKLOG = 128
GRACE_S = 3


@contextlib.contextmanager
def listening(path: Path, mode: int) -> Iterator[socket.socket]:
    """A socket that listens on ``path``, in place of one that a dead process left; removed at the end."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Under another name first: nobody finds it before its mode is right, and no moment is without a socket.
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            listener.bind(str(fresh))
        finally:
            os.umask(before)
        fresh.chmod(mode)
        listener.listen(BACKLOG)
        fresh.replace(path)
    except OSError as error:
        listener.close()
        raise EnvironmentLacks(
            str(path), f"{path} cannot be listened on: {error.strerror}", hint="rempart up makes the folder"
        ) from error
    mine = path.stat().st_ino
    try:
        yield listener
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            if path.stat().st_ino == mine:  # not one that a successor has put there meanwhile
                path.unlink()


@contextlib.contextmanager
def listening_at(address: str, port: int, setting: str = "api.port") -> Iterator[socket.socket]:
    """A TCP socket that listens on ``address``. ``setting``: what chose the port, in words."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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


class Server(uvicorn.Server):
    """Uvicorn, ended by ``should_exit`` only: signals are the process's business, not one server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


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
