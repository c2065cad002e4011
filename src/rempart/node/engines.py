"""The two engines with this configuration's users: how they are started, and how the node speaks to them.

Where it stands: ``rempart up`` takes the commands from here, the node process the controllers.
"""

from __future__ import annotations

import grp
import hashlib
from collections.abc import Mapping

from rempart.engines.contract import Engine
from rempart.engines.haproxy import commands as haproxy_commands
from rempart.engines.haproxy.control import HAProxyEngine
from rempart.engines.haproxy.names import Ownership
from rempart.engines.knot.compile import command_line as knot_command_line
from rempart.engines.knot.control import KnotEngine
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks
from rempart.node.parts import HAPROXY, KNOT
from rempart.node.privileges import primary_group_id
from rempart.node.supervisor import PartCommand


def engines(configuration: Configuration, *, is_root: bool) -> tuple[Engine, ...]:
    """Their controllers. ``is_root``: the engines are started by root and become their own users."""
    return (
        KnotEngine(configuration, configuration.users.knot if is_root else None),
        HAProxyEngine(configuration, _ownership(configuration) if is_root else None),
    )


def engine_commands(configuration: Configuration, *, is_root: bool) -> Mapping[str, PartCommand]:
    """How they are started. Their version changes with what only a new start or a reload brings about."""
    paths = configuration.paths
    ownership = _ownership(configuration) if is_root else None
    edge, dns = configuration.edge.model_dump_json(), configuration.dns.model_dump_json()
    return {
        HAPROXY: PartCommand(
            tuple(haproxy_commands.command_line(configuration, ownership)),
            _version(edge),
            paths.haproxy_config,
        ),
        KNOT: PartCommand(tuple(knot_command_line(configuration)), _version(dns), paths.knot_config),
    }


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


def _version(settings: str) -> str:
    return hashlib.sha256(settings.encode()).hexdigest()[:16]
