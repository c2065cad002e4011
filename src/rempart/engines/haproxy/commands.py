"""The command lines that start and check HAProxy; what the supervisor runs. Pure."""

from __future__ import annotations

from rempart.engines.haproxy.names import Ownership, Places
from rempart.model.configuration import Configuration

PROGRAM = "haproxy"


def command_line(config: Configuration, ownership: Ownership | None = None) -> list[str]:
    """HAProxy in master-worker mode, in the foreground, with the master's socket."""
    places = Places.of(config.paths)
    socket = f"{places.master_socket},mode,660"
    if ownership is not None:
        socket += f",user,{ownership.socket_user},group,{ownership.socket_group}"
    return [PROGRAM, "-W", "-S", socket, "-f", places.config]


def check_command(config: Configuration) -> list[str]:
    """Reads the boot files and ends with 0 when HAProxy would start from them; it opens no port."""
    return [PROGRAM, "-c", "-f", Places.of(config.paths).config]
