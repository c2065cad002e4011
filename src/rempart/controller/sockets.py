"""Unix sockets with the rights they are meant to have, and uvicorn serving on them.

The folder they lie in keeps strangers out; it carries the set-group-ID bit, so that what is made in it
belongs to the node's group. The admin socket is opened to its owner only, the feed's to that group too.
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


class Server(uvicorn.Server):
    """Uvicorn, ended by ``should_exit`` only: signals are the process's business, not one server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(application: FastAPI) -> Server:
    """A server for ``application``, to be run with ``serve(sockets=[…])``."""
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
            timeout_graceful_shutdown=GRACE_S,
        )
    )
