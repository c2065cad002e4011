"""What controller and node say to each other over the feed socket.

``GET  /feed/v1/changes?since=REVISION&cursor=CURSOR&wait=SECONDS`` answers a SignedDelta, at once when there
is something after ``since``, else when something comes or ``wait`` (30 at most) has passed (then: no changes,
``to_revision == since``). ``since=0`` without cursor asks for everything there is.
``POST /feed/v1/report`` takes a NodeReport and answers 204.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from rempart.model.base import Value

DELTA_CHANGES_MAX = 20_000
"""Changes one delta carries at most; more are sent with ``more`` and ``cursor``."""
DELTA_BYTES_MAX = 64 * 2**20
"""A node refuses a longer payload unread."""


class EngineState(Value):
    """One engine as its node sees it."""

    name: str
    alive: bool
    refusals: tuple[tuple[str, str], ...] = Field(default=(), max_length=1_000)
    """(item key, the engine's words) of items it did not take and still does not hold."""
    pending: bool = False
    note: str = ""


class NodeReport(Value):
    """A node's own word about what it has applied."""

    node: str
    at: datetime
    revision: int
    """Every engine that is alive has been asked to follow all changes up to this revision."""
    items: int
    engines: tuple[EngineState, ...]
    off: tuple[str, ...] = ()
    """Protections that do not run here, each with its reason."""
