"""Unix sockets with the rights they are meant to have, and uvicorn's server on them. The rim.

Where it stands: below the gate and the controller, which serve HTTP over such sockets to HAProxy, to the node
and to the operator's command line.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from rempart.model.errors import EnvironmentLacks

BACKLOG = 128


@contextlib.contextmanager
def listening(path: Path, mode: int, backlog: int = BACKLOG) -> Iterator[socket.socket]:
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
        listener.listen(backlog)
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
