"""What controller and node say to each other over the feed socket.

``GET  /feed/v1/changes?since=REVISION&epoch=EPOCH&cursor=CURSOR&wait=SECONDS`` answers a SignedDelta, at once
when there is something after ``since`` or another epoch has begun, else when something comes or ``wait``
(30 at most) has passed (then: no changes, ``to_revision == since``). ``since=0`` without cursor asks for all.
``POST /feed/v1/report`` takes a NodeReport and answers 204.
``POST /feed/v1/keys`` takes ZoneKeys that the name server has made, and answers 204: the controller keeps
them and sends them back as an item, so that the zone has them wherever it is served.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from pydantic import Field

from rempart.model.base import Value

DELTA_CHANGES_MAX = 20_000
"""Changes one delta carries at most; more are sent with ``more`` and ``cursor``."""
DELTA_BYTES_MAX = 64 * 2**20
"""A node refuses a longer payload unread."""
SITES_DOWN_MAX = 200
"""Sites that a report names as down; beyond them they are only counted."""

KINDS_OF: Mapping[str, tuple[str, ...]] = {
    "knot": ("zone/", "rrset/", "secondary/", "keys/"),
    "haproxy": ("site/", "certificate/"),
}
"""Which keys concern which engine; one that is not named here is told everything."""


def concerned(engine: str, keys: Collection[str]) -> bool:
    """Whether any of the items ``keys`` is this engine's to follow."""
    prefixes = KINDS_OF.get(engine)
    return bool(keys) and (prefixes is None or any(key.startswith(prefixes) for key in keys))


class EngineState(Value):
    """One engine as its node sees it."""

    name: str
    alive: bool
    refusals: tuple[tuple[str, str], ...] = Field(default=(), max_length=1_000)
    """(item key, the engine's words) of items it did not take and still does not hold."""
    pending: bool = False
    note: str = ""
    revision: int | None = None
    """Up to which it follows; None: as far as its node."""
    sites_down: tuple[str, ...] = Field(default=(), max_length=SITES_DOWN_MAX)
    """Hosts of sites no origin of which can serve, in alphabetical order."""
    sites_down_count: int = 0
    """All of them, also those that are not named."""


class NodeReport(Value):
    """A node's own word about what it has applied."""

    node: str
    at: datetime
    revision: int
    """Every engine follows all changes up to this revision; one that does not answer follows none."""
    epoch: str = ""
    """The epoch of the store's history that the revision is one of; empty when it does not say."""
    items: int
    engines: tuple[EngineState, ...]
    off: tuple[str, ...] = ()
    """Protections that do not run here, each with its reason."""
