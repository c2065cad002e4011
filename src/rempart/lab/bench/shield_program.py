"""The shield as ``rempart bench shield`` needs it: loaded, its lists full, and set to whatever is
measured."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rempart import engines
from rempart.engines.shield import layout, lists, loader, rules, tables
from rempart.engines.shield.entries import ENTRY4, ENTRY6, Batch
from rempart.engines.shield.layout import Flag, Reason, Served
from rempart.engines.shield.loader import Shield
from rempart.lab.bench.shield_decisions import DNS, HTTPS, OURS
from rempart.lab.bench.shield_frames import Sources
from rempart.lab.bench.shield_paths import OURS6, Lists
from rempart.lab.bench.shield_prefixes import Prefixes
from rempart.lab.bench.shield_rules import rules as made_rules
from rempart.model.errors import EnvironmentLacks
from rempart.model.shield import ShieldOrders

_FIRST = bytes(4)
_BLOCKED = Flag.HAS_BLOCKED4 | Flag.HAS_BLOCKED6 | Flag.HAS_BLOCKED_HOSTS4 | Flag.HAS_BLOCKED_NETS6
_FLAGS = {Lists.NONE: Flag(0), Lists.BLOCKED: _BLOCKED, Lists.BOTH: _BLOCKED | Flag.HAS_ALLOWED}


def load() -> Shield:
    """A shield of our own: nothing is pinned, and all of it ends with this process."""
    place = Path(engines.__path__[0]) / "shield" / "shield.bpf.o"
    if not place.exists():
        raise EnvironmentLacks(
            "shield.bpf.o", "the packet program is not compiled", hint="bin/setup compiles it"
        )
    shield = loader.load(place.read_bytes(), None)
    tables.own(shield, (IPv4Address(OURS), IPv6Address(OURS6)))
    udp = layout.UDP_SERVICES
    tables.serve(
        shield,
        {
            HTTPS: Served.SERVED,
            DNS: Served.SERVED | Served.DNS,
            udp + HTTPS: Served.SERVED,
            udp + DNS: Served.SERVED | Served.DNS,
        },
    )
    return shield


def batch(prefixes: Prefixes) -> Batch:
    """A list as the shield takes it."""
    return _batch(prefixes.addresses, prefixes.lengths)


def _batch(addresses: Sources, lengths: object) -> Batch:
    v6 = addresses.shape[1] == 16
    rows = np.zeros(len(addresses), ENTRY6 if v6 else ENTRY4)
    rows["bytes"], rows["length"] = addresses, lengths
    return Batch(v6=rows) if v6 else Batch(v4=rows)


class Spent(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float


def fill(shield: Shield, blocked: dict[int, Prefixes], allowed: dict[int, Sources]) -> dict[int, Spent]:
    """Put everything on the lists; what the block list of each version took, from arrays into the kernel."""
    took = {}
    for version, prefixes in blocked.items():
        entries = batch(prefixes)
        wall, cpu = time.perf_counter(), time.thread_time()
        lists.blocked(shield).add(entries)
        took[version] = Spent(time.perf_counter() - wall, time.thread_time() - cpu)
    for addresses in allowed.values():
        lists.allowed(shield).add(_batch(addresses, addresses.shape[1] * 8))
    return took


def order(shield: Shield, orders: ShieldOrders, which: Lists, number_of_rules: int) -> None:
    """Set it to what is measured. Buckets begin empty: the seed is another."""
    shield.maps["config"].update(_FIRST, bytes(layout.CONFIG.itemsize))
    tables.configure(shield, orders)
    tables.set_flags(shield, _FLAGS[which])
    if int(rules.active(shield)["count"]) != number_of_rules:
        rules.replace(shield, made_rules(number_of_rules))


def packets(shield: Shield) -> dict[Reason, int]:
    """Packets so far, by how they ended."""
    return {reason: count.packets for reason, count in tables.counters(shield).items()}
