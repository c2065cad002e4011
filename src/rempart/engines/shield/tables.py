"""Settings, counters and the small tables of a loaded shield: services, our addresses, martians."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

import numpy as np

from rempart.engines.shield import compile as compiler
from rempart.engines.shield import layout
from rempart.engines.shield.entries import Network
from rempart.engines.shield.layout import Flag, Meter, Reason, Served
from rempart.engines.shield.libbpf import Map
from rempart.engines.shield.loader import Shield
from rempart.engines.shield.locking import LOCK_SECONDS
from rempart.model.errors import InvalidInput
from rempart.model.shield import ShieldOrders

LISTS = (
    Flag.HAS_ALLOWED
    | Flag.HAS_BLOCKED4
    | Flag.HAS_BLOCKED6
    | Flag.HAS_BLOCKED_HOSTS4
    | Flag.HAS_BLOCKED_NETS6
)
"""Flags that say that a list has something in it; they are the lists' business, not the orders'."""
_FIRST = bytes(4)
SECOND = 1_000_000_000


class Count(NamedTuple):
    """Packets, and the bytes of their frames."""

    packets: int
    bytes: int


class Metered(NamedTuple):
    """A rate over the whole node."""

    active: bool
    """The measure that belongs to it is being taken."""
    seen: int
    """Packets in the current window of 100 ms."""


def configure(shield: Shield, orders: ShieldOrders) -> None:
    """Make the program follow ``orders``. What the lists have said stays; so do the hash's seed and a capture
    that runs."""
    with shield.lock():
        before = _config(shield)
        record = compiler.config(
            orders,
            seed=int(before["seed"]) or secrets.randbits(64) or 1,
            wall=_wall(),
            flags=Flag(int(before["flags"])) & (LISTS | Flag.CAPTURING),
            capture_mask=int(before["capture_mask"]),
        )
        shield.maps["config"].update(_FIRST, record.tobytes())


def capture(shield: Shield, every: int | None, *, seconds: float = LOCK_SECONDS) -> None:
    """Have one packet in ``every`` (a power of two) put into the ring ``captures``; None: none.

    ``seconds``: how long to wait for the shield's lock. Raises Conflict, NotFound.
    """
    with shield.lock(seconds):
        record = _config(shield)
        flags = Flag(int(record["flags"]))
        record["flags"] = int(flags & ~Flag.CAPTURING if every is None else flags | Flag.CAPTURING)
        record["capture_mask"] = layout.SAMPLE_NONE if every is None else every - 1
        shield.maps["config"].update(_FIRST, record.tobytes())


def keep_time(shield: Shield) -> bool:
    """Tell the program the time of day, by which it checks DNS cookies; True when the clock was set since.

    For whoever looks after the shield: now and then, for clocks are set after a start.
    """
    with shield.lock():
        record = _config(shield)
        wall = _wall()
        # A division that falls on the other side of a second is no change.
        if abs(int(record["wall"]) - wall) <= 1:
            return False
        record["wall"] = wall
        shield.maps["config"].update(_FIRST, record.tobytes())
    return True


def set_flags(shield: Shield, flags: Flag, *, cleared: Flag = Flag(0)) -> None:  # noqa: B008
    """Set and clear flags of the settings. The shield's lock is held by whoever calls."""
    record = _config(shield)
    wanted = Flag(int(record["flags"])) & ~cleared | flags
    if wanted != int(record["flags"]):
        record["flags"] = int(wanted)
        shield.maps["config"].update(_FIRST, record.tobytes())


def flags(shield: Shield) -> Flag:
    """What is switched on, and which lists have anything in them."""
    return Flag(int(_config(shield)["flags"]))


def counters(shield: Shield) -> Mapping[Reason, Count]:
    """Packets and bytes by reason since the map was made, summed over the CPUs."""
    rows = shield.maps["counters"].lookup_all_cpus(layout.COUNT)
    packets, octets = rows["packets"].sum(axis=1), rows["bytes"].sum(axis=1)
    return {one: Count(int(packets[one]), int(octets[one])) for one in Reason}


def totals(shield: Shield) -> Any:
    """The same as numbers: shape (reasons, 2), packets and bytes."""
    rows = shield.maps["counters"].lookup_all_cpus(layout.COUNT)
    return np.stack([rows["packets"].sum(axis=1), rows["bytes"].sum(axis=1)], axis=1).astype(np.int64)


def lost(shield: Shield) -> tuple[int, int]:
    """Samples and captures that did not fit into their rings."""
    rows = shield.maps["lost"].lookup_all_cpus(np.dtype(np.uint64)).sum(axis=1)
    return int(rows[0]), int(rows[1])


def meter(shield: Shield, which: Meter) -> Metered:
    """Whether SYN cookies are made, or DNS sources challenged, because of the rate."""
    raw = shield.maps["meters"].lookup(int(which).to_bytes(4, "little"))
    rate = np.frombuffer(raw or bytes(layout.RATE.itemsize), layout.RATE)[0]
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return Metered(now < int(rate["active_until"]), int(rate["seen"]))


def serve(shield: Shield, services: Mapping[int, Served | int]) -> int:
    """Make the table of services equal to ``services``: index → flags; how many writes that took."""
    wanted = np.zeros(layout.SERVICES, np.uint32)
    for index, value in services.items():
        if not 0 <= index < layout.SERVICES:
            raise InvalidInput(f"{index} is no place in the table of services", field="services")
        wanted[index] = int(value)
    with shield.lock():
        table = shield.maps["services"]
        keys, values = _all(table)
        before = np.zeros(layout.SERVICES, np.uint32)
        before[keys.view(np.uint32).reshape(-1)] = values.view(np.uint32).reshape(-1)
        different = np.flatnonzero(before != wanted).astype(np.uint32)
        # What is served anew is served before anything else is not.
        order = np.argsort(wanted[different] == 0, kind="stable")
        return table.update_batch(different[order], wanted[different][order])


def own(shield: Shield, addresses: Iterable[IPv4Address | IPv6Address]) -> int:
    """Make the table of our addresses equal to ``addresses``; how many writes that took."""
    one = (1).to_bytes(4, "little")
    return _equal(shield, "addresses", {layout.address_bytes(address): one for address in addresses})


def martians(shield: Shield, prefixes: Mapping[Network, bool]) -> int:
    """Make the martians equal to ``prefixes``: whether nobody can send from it; how many writes that took."""
    done = 0
    for version in (4, 6):
        wanted = {
            layout.prefix_key(prefix): int(is_martian).to_bytes(4, "little")
            for prefix, is_martian in prefixes.items()
            if prefix.version == version
        }
        done += _equal(shield, f"martians{version}", wanted)
    return done


def _equal(shield: Shield, name: str, wanted: Mapping[bytes, bytes]) -> int:
    table = shield.maps[name]
    if len(wanted) > table.max_entries:
        raise InvalidInput(f"{len(wanted)} entries, and {table.max_entries} fit", field=name)
    with shield.lock():
        keys, values = _all(table)
        before = {key.tobytes(): value.tobytes() for key, value in zip(keys, values, strict=True)}
        gone = [key for key in before if key not in wanted]
        changed = [(key, value) for key, value in wanted.items() if before.get(key) != value]
        room = table.max_entries - len(before)
        # First what comes, so that there is no moment with less than there was and shall be.
        for key, value in changed[:room]:
            table.update(key, value)
        for key in gone:
            table.delete(key)
        for key, value in changed[room:]:
            table.update(key, value)
    return len(changed) + len(gone)


def _all(table: Map) -> tuple[Any, Any]:
    rows = list(table.lookup_batches())
    if not rows:
        return np.zeros((0, table.key_size), np.uint8), np.zeros((0, table.value_size), np.uint8)
    return np.concatenate([keys for keys, _ in rows]), np.concatenate([values for _, values in rows])


def _wall() -> int:
    """Unix time, in seconds, at which the program's clock was 0."""
    return (time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)) // SECOND


def _config(shield: Shield) -> Any:
    raw = shield.maps["config"].lookup(_FIRST)
    return np.frombuffer(raw or bytes(layout.CONFIG.itemsize), layout.CONFIG)[0].copy()
