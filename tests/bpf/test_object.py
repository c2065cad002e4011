"""The built object against the page that describes it."""

from __future__ import annotations

import re
from pathlib import Path

from rempart.engines.shield.libbpf import MapDefinition, MapType, Object
from tests.engines.shield.program import OBJECT

ROOT = Path(__file__).parents[2]
TYPES = {
    "array": MapType.ARRAY,
    "per-CPU array": MapType.PERCPU_ARRAY,
    "LPM": MapType.LPM_TRIE,
    "hash": MapType.HASH,
    "LRU hash": MapType.LRU_HASH,
    "ring buffer": MapType.RINGBUF,
}


def opened() -> dict[str, MapDefinition]:
    with Object(OBJECT.read_bytes(), "shield") as binary:
        return {name: one for name, one in binary.maps.items() if not one.internal}


def described() -> dict[str, tuple[MapType, int]]:
    """The table of maps: name → type, entries (bytes of a ring buffer)."""
    page = (ROOT / "docs" / "shield.md").read_text().split("## Maps")[1]
    found = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| `"):
            continue
        kind = MapType.ARRAY_OF_MAPS if cells[1].startswith("array of maps") else TYPES[cells[1]]
        names, sizes = re.findall(r"`(\w+)`", cells[0]), cells[3].split(", ")
        for name, size in zip(names, sizes if len(sizes) > 1 else sizes * len(names), strict=True):
            found[name] = kind, number(size)
    return found


def number(words: str) -> int:
    if "^" in words:
        return 1 << int(words.removeprefix("2^"))
    if words.endswith(" MiB"):
        return int(words.removesuffix(" MiB")) << 20
    return int(words.replace(",", ""))


def test_the_page_lists_the_maps_that_there_are() -> None:
    assert described() == {
        name: (MapType(one.shape.type), one.shape.max_entries) for name, one in opened().items()
    }


def test_names_are_whole_in_the_kernel() -> None:
    assert [name for name in opened() if len(name) > 15] == []


def test_no_path_of_the_machine_that_built_it_is_inside() -> None:
    assert str(ROOT).encode() not in OBJECT.read_bytes()
