"""Which process runs which loop, and whether it does. The rim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rempart.model.attacks import Layer
from rempart.model.configuration import StatePaths
from rempart.node.defending.entries import Account
from rempart.node.parts import DEFENCE, SHIELD, read_part

PART_OF: Mapping[Layer, str] = {Layer.PACKET: SHIELD, Layer.REQUEST: DEFENCE}
"""The part in which each layer's loop runs; a layer without one has no loop yet."""
STALE_SECONDS = 30.0
"""It writes every ten seconds at least (``deciding.SIGN_SECONDS``)."""
_LEFT: Mapping[Layer, str] = {
    Layer.PACKET: "its rules stay in the kernel until it is back",
    Layer.REQUEST: "what stood has lapsed at the edge 15 s after that",
}
_WORDS: Mapping[Layer, str] = {Layer.PACKET: "the packet shield", Layer.REQUEST: "the loop of requests"}


def runs(paths: StatePaths, layer: Layer) -> bool:
    """Whether the layer's loop has a process now."""
    part = read_part(paths, PART_OF[layer]) if layer in PART_OF else None
    return part is not None and part.up


def stale(paths: StatePaths, account: Account, wall: datetime) -> str:
    """Why what a layer's loop has said need not hold any more, in words; empty when it does."""
    who, said = _WORDS[account.layer], f"{account.at:%Y-%m-%d %H:%M:%S}"
    if not runs(paths, account.layer):
        return f"{who} does not run: this is what it said last, at {said}; {_LEFT[account.layer]}"
    if (age := (wall - account.at).total_seconds()) > STALE_SECONDS:
        return f"{who} has said nothing for {age:,.0f} s: this is what it said last, at {said}"
    return ""


def not_running(paths: StatePaths, layers: Sequence[Layer]) -> tuple[str, ...]:
    """In words, the processes of loops that are not there."""
    return tuple(_WORDS[one] for one in layers if one in PART_OF and not runs(paths, one))
