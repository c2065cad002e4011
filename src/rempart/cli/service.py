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

import click

from rempart.model.configuration import Configuration

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
    configuration = _read(resolved)
    _import_rooms("rempart.controller", "rempart.snapshot", "rempart.model")
    main = importlib.import_module("rempart.controller.service")
    prepare = getattr(main, "prepare", None)
    if prepare is not None:
        prepare(configuration)
    _leave_root(configuration, configuration.users.controller, owned=configuration.paths.controller)
    main.run(configuration)


@service.command()
@_resolved
def node(resolved: Path) -> None:
    """The node: follows the controller, moves the engines."""
    configuration = _read(resolved)
    is_root = os.geteuid() == 0
    _import_rooms("rempart.node", "rempart.engines", "rempart.snapshot", "rempart.model")
    from rempart.node.main import run
    from rempart.node.settings import what_is_off

    users = configuration.users
    _leave_root(configuration, users.node, groups=(users.haproxy, users.knot))
    run(configuration, is_root=is_root, off=what_is_off(configuration, is_root=is_root))


def _read(resolved: Path) -> Configuration:
    """The configuration as the supervisor completed it."""
    from rempart.node import logs

    logs.configure()
    return Configuration.model_validate_json(resolved.read_bytes())


def _import_rooms(*rooms: str) -> None:
    """Import every module of these rooms and what libraries would import later."""
    for room in rooms:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if ".migrations." not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in LATE_IMPORTS:
        importlib.import_module(name)


def _leave_root(
    configuration: Configuration, user: str, *, groups: Iterable[str] = (), owned: Path | None = None
) -> None:
    from rempart.node import privileges, state_folders

    if os.geteuid() == 0:
        if owned is not None:
            # What was made on the way, a new store for one, belongs to whoever works with it.
            state_folders.hand_over(owned, (privileges.user_id(user), privileges.primary_group_id(user)))
        privileges.become(user, [privileges.primary_group_id(name) for name in groups])
    privileges.harden()
    sys.stdout.flush()
