"""HAProxy's runtime API over its Unix socket: many commands over one connection. The rim: sockets.

In interactive mode (``prompt``) HAProxy ends the answer to each command with ``\\n> `` and answers the
lines of a payload with ``+ ``, so commands can be written without waiting for their answers.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from rempart.model.errors import EnvironmentLacks

_PROMPT = b"\n> "
_RECEIVE = 1 << 20


class RuntimeSocket:
    """The runtime API (or the master's) at ``path``. Each exchange is a connection of its own."""

    def __init__(self, path: Path, *, timeout_s: float = 30.0) -> None:
        self.path = path
        self.timeout_s = timeout_s

    def ask(self, command: str) -> str:
        """The answer to one command. EnvironmentLacks when HAProxy cannot be reached."""
        return self.exchange([f"{command}\n"])[0]

    def send(self, command: str) -> None:
        """One command whose answer is not waited for: ``reload`` closes every connection."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self.timeout_s)
                connection.connect(str(self.path))
                connection.sendall(f"{command}\n".encode())
                with contextlib.suppress(ConnectionError):
                    connection.recv(_RECEIVE)
        except OSError as error:
            raise EnvironmentLacks("haproxy", f"HAProxy cannot be reached at {self.path}: {error}") from None

    def exchange(self, lines: Sequence[str]) -> list[str]:
        """The answers to commands, in order. Each is a whole line, or a line with its payload.

        EnvironmentLacks when HAProxy cannot be reached, or goes away in between.
        """
        if not lines:
            return []
        outgoing = ("prompt\n" + "".join(lines)).encode()
        answers: list[bytes] = []
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self.timeout_s)
                connection.connect(str(self.path))
                writer = threading.Thread(target=_send, args=(connection, outgoing), daemon=True)
                writer.start()
                rest = b""
                while len(answers) <= len(lines):  # the first answer is that to ``prompt``
                    received = connection.recv(_RECEIVE)
                    if not received:
                        break
                    *whole, rest = (rest + received).split(_PROMPT)
                    answers += whole
        except OSError as error:
            raise EnvironmentLacks("haproxy", f"HAProxy cannot be reached at {self.path}: {error}") from None
        if len(answers) <= len(lines):
            raise EnvironmentLacks("haproxy", "HAProxy closed its runtime socket before it had answered")
        return [_without_echo(answer) for answer in answers[1:]]


def _send(connection: socket.socket, outgoing: bytes) -> None:
    with contextlib.suppress(OSError):  # the reader sees that the connection is gone, too
        connection.sendall(outgoing)


def _without_echo(answer: bytes) -> str:
    text = answer.decode(errors="replace")
    while text.startswith("+ "):
        text = text[2:]
    return text.strip("\n")
