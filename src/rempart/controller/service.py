"""The controller's process: store, admin API, feed, Cloudflare's API, console, background tasks.

`prepare` runs first and makes whatever must exist. `run` then serves until SIGTERM or SIGINT. A second
controller on the same state folder waits for the first to end, then gives up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rempart.controller import tasks
from rempart.controller.admin_api.application import admin_application
from rempart.controller.assembly import Controller, assembled, now
from rempart.controller.cloudflare_v4.application import api_application
from rempart.controller.console.application import console_application
from rempart.controller.feed_api import close, feed_application
from rempart.controller.intents import SYSTEM
from rempart.controller.local import application
from rempart.controller.local_ca import LocalCa
from rempart.controller.lock import hold
from rempart.controller.sockets import (
    ADMIN_MODE,
    API_MODE,
    FEED_MODE,
    listening_at,
    server,
)
from rempart.controller.store.database import Store
from rempart.controller.transparency.serving import log_application
from rempart.model.configuration import Configuration, StatePaths
from rempart.model.errors import EnvironmentLacks
from rempart.serving import Server, listening
from rempart.snapshot.signing import private_key

LOCK_WAIT_S = 20.0
API_AT_ONCE = 500

_log = structlog.get_logger("controller")


def prepare(configuration: Configuration) -> None:
    """Bring the store up to date, make the local CA, publish its root. Applying it twice changes nothing.

    EnvironmentLacks when something is missing.
    """
    with hold(configuration.paths, seconds=LOCK_WAIT_S):
        Store.open(configuration).close()
        authority = LocalCa.open(configuration.paths.controller / "ca", now())
        authority.publish_root(configuration.paths)


def run(configuration: Configuration) -> None:
    """Serve until told to end. The state folder is prepared and the feed's key is there."""
    with hold(configuration.paths, seconds=LOCK_WAIT_S), assembled(configuration) as controller:
        asyncio.run(_serve(controller, feed_key(configuration.paths)))


def serve_once(
    configuration: Configuration, listener: socket.socket, until: int, began: Callable[[], None]
) -> None:
    """Serve the admin API alone on ``listener`` until there is nothing more to read from ``until``.

    ``began`` is called once the store is open. Raises Conflict when another process works on it.
    """
    with hold(configuration.paths), application(configuration) as served:
        began()
        asyncio.run(_serve_until_end_of(until, server(served), listener))


async def _serve_until_end_of(descriptor: int, one: Server, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            one.should_exit = True

    loop.add_reader(descriptor, readable)
    await one.serve(sockets=[listener])


def feed_key(paths: StatePaths) -> Ed25519PrivateKey:
    """The key that deltas are signed with; EnvironmentLacks when it is missing or unreadable."""
    path = paths.controller / "feed.key"
    try:
        return private_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise EnvironmentLacks(
            str(path), f"the feed's key cannot be read: {error}", hint="rempart up makes it"
        ) from error


async def _serve(controller: Controller, key: Ed25519PrivateKey) -> None:
    paths = controller.configuration.paths
    intents = controller.intents
    feed = feed_application(
        intents.published,
        controller.reports,
        key,
        controller.commits,
        keep_keys=lambda held: intents.zone_keys.keep(SYSTEM, held),
    )
    api = controller.configuration.api
    log = controller.configuration.log
    console = controller.configuration.console
    servers = [
        server(admin_application(controller)),
        server(feed),
        server(api_application(controller), at_once=API_AT_ONCE),
    ]
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    with ExitStack() as stack:
        sockets = [
            [stack.enter_context(listening(paths.admin_socket, ADMIN_MODE))],
            [stack.enter_context(listening(paths.feed_socket, FEED_MODE))],
            [
                stack.enter_context(listening(paths.api_socket, API_MODE)),
                stack.enter_context(listening_at(api.listen, api.port)),
            ],
        ]
        if log.port is not None:
            files = log_application(paths.public_log, lambda: controller.log.size)
            servers.append(server(files, at_once=API_AT_ONCE))
            sockets.append([stack.enter_context(listening_at(log.listen, log.port, "log.port"))])
        if console.port is not None:
            servers.append(server(console_application(controller), at_once=API_AT_ONCE))
            sockets.append([stack.enter_context(listening_at(console.listen, console.port, "console.port"))])
        serving = [
            asyncio.create_task(one.serve(sockets=listeners))
            for one, listeners in zip(servers, sockets, strict=True)
        ]
        background = asyncio.create_task(tasks.run_all(controller))
        _log.info(
            "controller serves",
            admin=str(paths.admin_socket),
            feed=str(paths.feed_socket),
            api=f"{api.listen}:{api.port}",
            revision=controller.intents.published.revision(),
        )
        told = asyncio.create_task(ending.wait())
        # A server that ends by itself ends the process too: the supervisor starts it anew.
        await asyncio.wait((told, background, *serving), return_when=asyncio.FIRST_COMPLETED)
        _log.info("controller ends", told=ending.is_set())
        for one in servers:
            one.should_exit = True
        close(feed, controller.commits)
        told.cancel()
        background.cancel()
        await asyncio.gather(*serving, told, background, return_exceptions=True)
