"""The rules in the kernel: swapped whole, counted each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rempart.engines.shield import compile as compiler
from rempart.engines.shield import layout
from rempart.engines.shield.libbpf import Map, MapType
from rempart.engines.shield.loader import Shield
from rempart.engines.shield.pinning import RULE_SET, RULE_SET_COMING, pin
from rempart.engines.shield.tables import Count
from rempart.model.shield import ShieldRule

_FIRST = bytes(4)
_U32 = 2**32


def replace(
    shield: Shield, rules: Sequence[ShieldRule], *, keep: Callable[[int], bool] = lambda _: False
) -> int:
    """Make ``rules`` the set, all of them at one moment; its generation.

    Rules that stay (by id) keep counter and bucket; those of new rules begin at zero. ``keep``: of the rules
    that are there, those that stay behind the new ones as they are, by id, as far as they fit. Raises
    InvalidInput and then changes nothing.
    """
    with shield.lock():
        before = active(shield)
        slots = _slots(before)
        wanted = compiler.assign_slots([one.id for one in rules], slots)
        generation = (int(before["generation"]) + 1) % _U32
        record = compiler.rule_set(rules, wanted, generation)
        staying = [one for one in before["rule"][: int(before["count"])] if keep(int(one["id"]))]
        compiler.extend(record, staying, before)
        for id_, slot in wanted.items():
            if id_ not in slots:
                _begin(shield, slot)
        # Not one the program may be reading: a set is written before it is seen, and never again.
        inner = Map.create(MapType.ARRAY, RULE_SET, 4, layout.RULE_SET.itemsize, 1)
        inner.update(_FIRST, record.tobytes())
        if shield.folder is not None:
            pin(shield.folder, inner, RULE_SET_COMING)
        shield.maps["rules"].update(_FIRST, inner.fd.to_bytes(4, "little"))
        if shield.folder is not None:
            (shield.folder / RULE_SET_COMING).rename(shield.folder / RULE_SET)
        shield.rule_set = inner
    return generation


def active(shield: Shield) -> Any:
    """The set that the program follows, a record of ``layout.RULE_SET``; empty when there is none."""
    raw = shield.maps["rules"].lookup(_FIRST)
    if raw is None:
        return np.zeros(1, layout.RULE_SET)[0]
    inner = _inner(shield, int.from_bytes(raw, "little"))
    return np.frombuffer(inner.lookup(_FIRST) or b"", layout.RULE_SET)[0]


def _inner(shield: Shield, number: int) -> Map:
    """The map of this id. To open a map by its id needs CAP_SYS_ADMIN, and the outer map tells ids alone; so
    each set is pinned too, under another name until the outer map has it."""
    if shield.rule_set is not None and shield.rule_set.id == number:
        return shield.rule_set
    for name in (RULE_SET, RULE_SET_COMING) if shield.folder is not None else ():
        with contextlib.suppress(FileNotFoundError):
            found = Map.pinned(shield.folder / name)  # type: ignore[operator]
            if found.id == number:
                shield.rule_set = found
                return found
    return Map.by_id(number)


def hits(shield: Shield) -> Mapping[int, Count]:
    """Packets and bytes that the rules of the set have matched, by rule's id, in the set's order."""
    rows = shield.maps["rule_counters"].lookup_all_cpus(layout.COUNT)
    packets, octets = rows["packets"].sum(axis=1), rows["bytes"].sum(axis=1)
    return {id_: Count(int(packets[slot]), int(octets[slot])) for id_, slot in _slots(active(shield)).items()}


def _slots(record: Any) -> dict[int, int]:
    rules = record["rule"][: int(record["count"])]
    return {int(one["id"]): int(one["slot"]) for one in rules}


def _begin(shield: Shield, slot: int) -> None:
    counters, key = shield.maps["rule_counters"], slot.to_bytes(4, "little")
    counters.update(key, bytes(len(counters.lookup(key) or b"")))
    shield.maps["rule_limits"].update(key, bytes(8))
