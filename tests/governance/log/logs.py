"""Logs in memory for tests: entries, trees, and the files that they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from rempart.governance.log.checkpoint import Checkpoint
from rempart.governance.log.growing import Edge, grow
from rempart.governance.log.hashing import leaf_hash
from rempart.governance.log.note import KeyKind, Note, SigningKey
from rempart.governance.log.step import Step
from rempart.governance.log.tiles import Tile
from rempart.governance.log.tree import ReadHash
from tests.governance.log.independent import mth

KEY = SigningKey("log.example/test", KeyKind.NOTE, bytes(range(32)))
WITNESS = SigningKey("witness.example/one", KeyKind.COSIGNATURE, bytes(range(1, 33)))
AT = datetime(2026, 3, 1, tzinfo=UTC)


def step(number: int, **public: object) -> Step:
    return Step(id=f"case/2026-{number // 4:06}/{number % 4}", kind="report", at=AT, public=public)


def steps(number: int, first: int = 0) -> list[bytes]:
    """Entries that are steps."""
    return [step(at, n=at).encode() for at in range(first, first + number)]


def leaves(number: int) -> list[bytes]:
    return [leaf_hash(at.to_bytes(4, "big")) for at in range(number)]


def reader(hashes: Sequence[bytes]) -> ReadHash:
    """The hashes of complete subtrees, each by its definition."""
    return lambda height, index: mth(list(hashes[index << height : (index + 1) << height]))


def signed(origin_key: SigningKey, edge: Edge) -> Note:
    text = Checkpoint(origin_key.name, edge.size, edge.root).text
    return Note(text, (origin_key.sign(text),))


def files_of(entries: Sequence[bytes], cuts: Sequence[int] = ()) -> tuple[Edge, dict[Tile, bytes]]:
    """The log that comes of appending ``entries`` in parts that end at ``cuts``, and all its files."""
    edge = Edge()
    files: dict[Tile, bytes] = {}
    borders = [0, *sorted({cut for cut in cuts if 0 < cut < len(entries)}), len(entries)]
    for start, end in pairwise(borders):
        growth = grow(edge, entries[start:end])
        edge = growth.edge
        files.update(growth.files)
    return edge, files
