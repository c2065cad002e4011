"""``rempart service``: the processes that ``rempart up`` starts. Not for people, so it is hidden.

As root the process first reads what only root may: its configuration, and its own code where that lies in a
closed folder. Then it becomes its user for good, before it touches anything in a folder of that user.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rempart.model.configuration import Configuration
from rempart.model.errors import RempartError

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
    from rempart.controller.store.migrations import history

    history()
    _leave_root(configuration.users.controller)
    prepare(configuration)
    run(configuration)


@service.command()
@click.argument("listener", type=int)
def offline(listener: int) -> None:
    """The controller's application for one command; see offline.py. ``listener``: a descriptor."""
    configuration = Configuration.model_validate_json(sys.stdin.buffer.readline())
    from rempart.cli.offline import READY
    from rempart.controller.http_errors import as_json
    from rempart.controller.service import serve_once
    from rempart.controller.store.migrations import history
    from rempart.node import logs

    logs.configure()
    history()
    with socket.socket(fileno=listener) as accepting:
        try:
            _leave_root(configuration.users.controller)
            serve_once(configuration, accepting, sys.stdin.fileno(), lambda: click.echo(READY))
        except RempartError as error:
            click.echo(json.dumps(as_json(error)))


@service.command()
@_resolved
def node(resolved: Path) -> None:
    """The node: follows the controller, moves the engines."""
    read = _read(resolved)
    from rempart.node.main import run

    users = read.configuration.users
    _leave_root(users.node, groups=(users.haproxy, users.knot))
    run(read.configuration, off=read.off)


@service.command()
@_resolved
def gate(resolved: Path) -> None:
    """The gate: checks what challenged visitors send back."""
    configuration = _read(resolved).configuration
    from rempart.gate.service import run

    _leave_root(configuration.users.gate)
    run(configuration)


@service.command()
@_resolved
def defence(resolved: Path) -> None:
    """The defence loop of requests: what HAProxy says of them, what HAProxy is to do about them."""
    configuration = _read(resolved).configuration
    from rempart.node.requests.listening import raise_queue
    from rempart.node.requests.service import run

    if os.geteuid() == 0:
        raise_queue()
    users = configuration.users
    _leave_root(users.node, groups=(users.haproxy,))
    run(configuration)


@service.command()
@_resolved
def shield(resolved: Path) -> None:
    """The packet shield: loads the program, keeps it attached and what it knows current."""
    configuration = _read(resolved).configuration
    from rempart.node.shield.service import prepare, run, wait_to_try_again

    try:
        prepared = prepare(configuration)
    except RempartError as error:
        _leave_root(configuration.users.shield)
        wait_to_try_again(configuration, str(error))
        raise
    _leave_root(configuration.users.shield, keep=prepared.capabilities)
    run(configuration, prepared)


def _read(file: Path) -> Resolved:
    """The configuration as the supervisor completed it."""
    from rempart.node import logs
    from rempart.node.settings import Resolved

    logs.configure()
    return Resolved.model_validate_json(file.read_bytes())


def _leave_root(user: str, *, groups: Iterable[str] = (), keep: Sequence[int] = ()) -> None:
    from rempart.node import privileges

    if os.geteuid() == 0:
        privileges.become(user, [privileges.primary_group_id(name) for name in groups], keep=keep)
    privileges.harden()
