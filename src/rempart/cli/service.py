"""``rempart service``: the processes that ``rempart up`` starts. Not for people, so it is hidden.

As root the process first does what needs root: it reads its configuration, the controller brings its store up
to date. Then it becomes its user for good.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rempart.node.settings import Resolved


@click.group(hidden=True)
def service() -> None:
    """Parts that are Python processes."""


_resolved = click.argument("resolved", type=click.Path(path_type=Path, exists=True, dir_okay=False))


@service.command()
@_resolved
def controller(resolved: Path) -> None:
    """The controller: store, admin API, feed."""
    configuration = _read(resolved).configuration
    from rempart.controller.service import prepare, run

    prepare(configuration)
    _leave_root(configuration.users.controller, owned=configuration.paths.controller)
    run(configuration)


@service.command()
@_resolved
def node(resolved: Path) -> None:
    """The node: follows the controller, moves the engines."""
    read = _read(resolved)
    is_root = os.geteuid() == 0
    from rempart.node.main import run

    users = read.configuration.users
    _leave_root(users.node, groups=(users.haproxy, users.knot))
    run(read.configuration, is_root=is_root, off=read.off)


def _read(file: Path) -> Resolved:
    """The configuration as the supervisor completed it."""
    from rempart.node import logs
    from rempart.node.settings import Resolved

    logs.configure()
    return Resolved.model_validate_json(file.read_bytes())


def _leave_root(user: str, *, groups: Iterable[str] = (), owned: Path | None = None) -> None:
    from rempart.node import privileges, state_folders

    if os.geteuid() == 0:
        if owned is not None:
            # What was made on the way, a new store for one, belongs to whoever works with it.
            state_folders.hand_over(owned, (privileges.user_id(user), privileges.primary_group_id(user)))
        privileges.become(user, [privileges.primary_group_id(name) for name in groups])
    privileges.harden()
