"""The two engines with this configuration's users: how they are started, and how the node speaks to them.

Where it stands: ``rempart up`` takes the commands from here, the node process the controllers.
"""

from __future__ import annotations

import grp
from collections.abc import Mapping

from rempart.engines.contract import Engine
from rempart.engines.haproxy import commands as haproxy_commands
from rempart.engines.haproxy.control import HAProxyEngine
from rempart.engines.haproxy.names import Ownership
from rempart.engines.knot.compile import command_line as knot_command_line
from rempart.engines.knot.compile import pid_file as knot_pid_file
from rempart.engines.knot.control import KnotEngine
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks
from rempart.node.parts import HAPROXY, KNOT, settings_mark
from rempart.node.privileges import primary_group_id
from rempart.node.supervisor import PartCommand
from rempart.node.versions import version_for


def engines(configuration: Configuration, *, is_root: bool) -> tuple[Engine, ...]:
    """Their controllers. ``is_root``: the engines are started by root and become their own users."""
    return (
        KnotEngine(configuration, _knot_user(configuration) if is_root else None),
        HAProxyEngine(configuration, _ownership(configuration) if is_root else None),
    )


def engine_commands(configuration: Configuration, *, is_root: bool) -> Mapping[str, PartCommand]:
    """How they are started. The version is that of the boot files they should start from."""
    paths = configuration.paths
    ownership = _ownership(configuration) if is_root else None
    return {
        HAPROXY: PartCommand(
            tuple(haproxy_commands.command_line(configuration, ownership)),
            version_for(configuration),
            paths.haproxy_config,
            mark=settings_mark(paths, HAPROXY),
        ),
        KNOT: PartCommand(
            tuple(knot_command_line(configuration)),
            version_for(configuration),
            paths.knot_config,
            mark=settings_mark(paths, KNOT),
            pid_file=knot_pid_file(configuration),
        ),
    }


def _knot_user(configuration: Configuration) -> str:
    user = configuration.users.knot
    # Without a group knotd would keep root's.
    return f"{user}:{_group_of(user)}"


def _ownership(configuration: Configuration) -> Ownership:
    """HAProxy's workers are its own user; the node alone speaks to its sockets."""
    users = configuration.users
    return Ownership(
        worker_user=users.haproxy,
        worker_group=_group_of(users.haproxy),
        socket_user=users.node,
        socket_group=_group_of(users.node),
    )


def _group_of(user: str) -> str:
    try:
        return grp.getgrgid(primary_group_id(user)).gr_name
    except KeyError as error:
        raise EnvironmentLacks(f"user {user}", f"the group of the user {user} has no name") from error
