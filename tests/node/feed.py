"""A controller's feed for tests: the real application on a real socket, over changes kept in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from rempart.controller.bell import Bell
from rempart.controller.feed_api import close, feed_application
from rempart.controller.reports import NodeReports
from rempart.controller.sockets import FEED_MODE, server
from rempart.serving import listening
from rempart.snapshot.feed import NodeReport
from rempart.snapshot.items import Delta, Item, ItemChange
from rempart.snapshot.signing import private_key


class Published:
    """Changes in memory, one revision each."""

    def __init__(self, *, page: int = 1_000) -> None:
        self.changes: list[ItemChange] = []
        self.commits = Bell()
        self.page = page
        self.epoch = "first"
        self.forgotten = 0
        """A node that is not beyond this revision is sent everything."""
        self.tamper: dict[str, object] = {}
        """Fields of the next deltas that are not as they should be."""
        self.kind: type[Delta] = Delta

    def put(self, *items: Item) -> None:
        self.changes += [ItemChange(key=item.key, item=item) for item in items]
        self.commits.ring()

    def drop(self, *keys: str) -> None:
        self.changes += [ItemChange(key=key, item=None) for key in keys]
        self.commits.ring()

    def place(self) -> tuple[str, int]:
        return self.epoch, len(self.changes)

    def delta(self, since: int, cursor: str | None, limit: int, *, epoch: str) -> Delta:
        full = since == 0 or since < self.forgotten or since > len(self.changes) or epoch != self.epoch
        rows = self._all() if full else list({c.key: c for c in self.changes[since:]}.values())
        start = int(cursor) if cursor else 0
        end = min(start + min(limit, self.page), len(rows))
        more = end < len(rows)
        delta = self.kind(
            from_epoch=epoch,
            from_revision=since,
            epoch=self.epoch,
            to_revision=len(self.changes),
            more=more,
            cursor=str(end) if more else None,
            full=full,
            changes=tuple(rows[start:end]),
        )
        return delta.model_copy(update=self.tamper)

    def _all(self) -> list[ItemChange]:
        last = {change.key: change for change in self.changes}
        return [change for change in last.values() if change.item is not None]


class Feed:
    """A running feed."""

    def __init__(self, published: Published, reports: NodeReports) -> None:
        self.published = published
        self._reports = reports

    def report(self, node: str = "node-1") -> NodeReport | None:
        """What the node said last."""
        return next((one.report for one in self._reports.connected() if one.report.node == node), None)


@asynccontextmanager
async def feed(socket: Path, private_pem: bytes, published: Published) -> AsyncIterator[Feed]:
    """Serve ``published`` on ``socket`` while the block runs."""
    reports = NodeReports(lambda: datetime.now(UTC), ("node-1",))
    app = feed_application(published, reports, private_key(private_pem), published.commits)
    running = server(app)
    with listening(socket, FEED_MODE) as listener:
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        try:
            yield Feed(published, reports)
        finally:
            close(app, published.commits)
            running.should_exit = True
            await serving
