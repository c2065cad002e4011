"""Which process runs which loop, and whether it does. The rim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rempart.model.attacks import Layer
from rempart.model.configuration import StatePaths
from rempart.node.parts import DEFENCE, SHIELD, read_part

PART_OF: Mapping[Layer, str] = {Layer.PACKET: SHIELD, Layer.REQUEST: DEFENCE}
"""The part in which each layer's loop runs; a layer without one has no loop yet."""
_WORDS: Mapping[Layer, str] = {Layer.PACKET: "the packet shield", Layer.REQUEST: "the loop of requests"}


def runs(paths: StatePaths, layer: Layer) -> bool:
    """Whether the layer's loop has a process now."""
    part = read_part(paths, PART_OF[layer]) if layer in PART_OF else None
    return part is not None and part.up


def not_running(paths: StatePaths, layers: Sequence[Layer]) -> tuple[str, ...]:
    """In words, the processes of loops that are not there."""
    return tuple(_WORDS[one] for one in layers if one in PART_OF and not runs(paths, one))
