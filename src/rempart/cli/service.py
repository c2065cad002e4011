"""``rempart service``: the processes that ``rempart up`` starts. Not for people, so it is hidden.

As root the process first does all that needs root or the installation's files: reads its configuration,
imports everything it will ever use, brings the store up to date. Then it becomes its user for good.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rempart.node.settings import Resolved

LATE_IMPORTS = (
    # Libraries import these only when they need them, which is when we cannot read them any more.
    "anyio._backends._asyncio",
    "encodings.idna",
    "httpcore._async.connection",
    "uvicorn.lifespan.off",
    "uvicorn.lifespan.on",
    "uvicorn.logging",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.h11_impl",
    "uvicorn.server",
)


@click.group(hidden=True)
def service() -> None:
    """Parts that are Python processes."""


_resolved = click.argument("resolved", type=click.Path(path_type=Path, exists=True, dir_okay=False))


@service.command()
@_resolved
def controller(resolved: Path) -> None:
    """The controller: store, admin API, feed."""
    configuration = _read(resolved).configuration
    _import_rooms("rempart.controller", "rempart.snapshot", "rempart.model")
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
    _import_rooms("rempart.node", "rempart.engines", "rempart.snapshot", "rempart.model")
    from rempart.node.main import run
    from rempart.node.versions import code_version

    code_version()  # remembered from now on: later, the files may not be ours to read
    users = read.configuration.users
    _leave_root(users.node, groups=(users.haproxy, users.knot))
    run(read.configuration, is_root=is_root, off=read.off)


def _read(file: Path) -> Resolved:
    """The configuration as the supervisor completed it."""
    from rempart.node import logs
    from rempart.node.settings import Resolved

    logs.configure()
    return Resolved.model_validate_json(file.read_bytes())


def _import_rooms(*rooms: str) -> None:
    """Import every module of these rooms and what libraries would import later."""
    for room in rooms:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if ".migrations." not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in LATE_IMPORTS:
        importlib.import_module(name)


def _leave_root(user: str, *, groups: Iterable[str] = (), owned: Path | None = None) -> None:
    from rempart.node import privileges, state_folders

    if os.geteuid() == 0:
        if owned is not None:
            # What was made on the way, a new store for one, belongs to whoever works with it.
            state_folders.hand_over(owned, (privileges.user_id(user), privileges.primary_group_id(user)))
        privileges.become(user, [privileges.primary_group_id(name) for name in groups])
    privileges.harden()
    sys.stdout.flush()
