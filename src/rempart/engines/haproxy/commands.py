"""The command lines that start and check HAProxy; what the supervisor runs. Pure."""

from __future__ import annotations

from rempart.engines.haproxy.names import Places
from rempart.model.configuration import Configuration

PROGRAM = "haproxy"


def command_line(config: Configuration) -> list[str]:
    """HAProxy in master-worker mode, in the foreground, with the master's socket.

    It stays who it is started as: nobody's sockets are given away, their folder says who reaches them.
    """
    places = Places.of(config.paths)
    return [PROGRAM, "-W", "-S", f"{places.master_socket},mode,660", "-f", places.config]


def check_command(config: Configuration) -> list[str]:
    """Reads the boot files and ends with 0 when HAProxy would start from them; it opens no port."""
    return [PROGRAM, "-c", "-f", Places.of(config.paths).config]
