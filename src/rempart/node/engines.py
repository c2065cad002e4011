"""The two engines with this configuration's users: how they are started, and how the node speaks to them.

Where it stands: ``rempart up`` takes the commands from here, the node process the controllers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rempart.engines.contract import Engine
from rempart.engines.haproxy import commands as haproxy_commands
from rempart.engines.haproxy.control import HAProxyEngine
from rempart.engines.knot.compile import command_line as knot_command_line
from rempart.engines.knot.compile import pid_file as knot_pid_file
from rempart.engines.knot.control import KnotEngine
from rempart.model.configuration import Configuration
from rempart.node.confinement import confined
from rempart.node.parts import HAPROXY, KNOT, settings_mark
from rempart.node.privileges import primary_group_id, user_id
from rempart.node.supervisor import PartCommand
from rempart.node.versions import version_for


def engines(configuration: Configuration) -> tuple[Engine, ...]:
    """Their controllers."""
    return (KnotEngine(configuration), HAProxyEngine(configuration))


def engine_commands(configuration: Configuration, *, is_root: bool) -> Mapping[str, PartCommand]:
    """How they are started, by root as their own users. The version is that of the boot files they should
    start from."""
    paths, users = configuration.paths, configuration.users
    version = version_for(configuration)

    def command(words: Sequence[str], user: str) -> tuple[tuple[str, ...], int | None]:
        if not is_root:
            return tuple(words), None
        return confined(words, user_id(user), primary_group_id(user)), user_id(user)

    haproxy, haproxy_user = command(haproxy_commands.command_line(configuration), users.haproxy)
    knot, knot_user = command(knot_command_line(configuration), users.knot)
    return {
        HAPROXY: PartCommand(
            haproxy,
            version,
            paths.haproxy_config,
            mark=settings_mark(paths, HAPROXY),
            # HAProxy links a socket that it finds to another name, and may not where that is another user's.
            stale=(paths.haproxy_socket, paths.haproxy_master_socket),
            confined_to=haproxy_user,
        ),
        KNOT: PartCommand(
            knot,
            version,
            paths.knot_config,
            mark=settings_mark(paths, KNOT),
            stale=(knot_pid_file(configuration), paths.knot_socket),
            confined_to=knot_user,
        ),
    }
