"""The node process from its first line: engines, store and feed, then NodeService until SIGTERM."""

from __future__ import annotations

import asyncio

import structlog

from rempart.model.configuration import Configuration
from rempart.node.engines import engines
from rempart.node.feed_client import FeedClient
from rempart.node.last_good import LastGood
from rempart.node.service import NodeService, until_told_to_end
from rempart.node.versions import version_for
from rempart.snapshot.signing import public_key


def run(configuration: Configuration, *, off: tuple[str, ...] = ()) -> None:
    """Returns after SIGTERM or SIGINT. ``off``: protections that do not run here, for the node's reports."""
    log = structlog.get_logger("node")
    paths = configuration.paths
    key = public_key(paths.feed_public_key.read_bytes())
    last_good = LastGood.open(paths.last_good)
    log.info("node starts", revision=last_good.revision, items=sum(last_good.counts().values()))

    async def work() -> None:
        steered = engines(configuration)
        service = NodeService(
            configuration,
            steered,
            FeedClient(paths.feed_socket, key),
            last_good,
            settings=dict.fromkeys((one.name for one in steered), version_for(configuration)),
            off=off,
        )
        try:
            await until_told_to_end(service.run())
        finally:
            await service.close()

    asyncio.run(work())
    log.info("node ended")
