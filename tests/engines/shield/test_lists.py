"""Lists in the kernel: what is on them, at once and verified; what expires; a million entries."""

from __future__ import annotations

import threading
import time
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from pathlib import Path
from random import Random

import numpy as np
import pytest

from rempart.engines.shield import lists, loader, tables
from rempart.engines.shield.entries import Batch
from rempart.engines.shield.keeping import compact, restore
from rempart.engines.shield.layout import WHERE_ANY, WHERE_HOSTS, WHERE_NETS, Flag, Reason, Verdict
from rempart.engines.shield.lists import PrefixList
from rempart.engines.shield.loader import Shield
from rempart.engines.shield.refusals import BpfFailed
from rempart.engines.shield.store import ListStore, SpoiltList
from rempart.engines.shield.where import asked
from rempart.model.shield import ShieldOrders
from tests.engines.shield.frames import ethernet, ipv4, ipv6, raw, udp

pytestmark = pytest.mark.root

MILLION = 1_000_000
HOUR = 3_600 * 10**9
TICK = 10**8
"""The program's clock is coarse, some milliseconds."""


@pytest.fixture
def blocked(shield: Shield) -> PrefixList:
    tables.configure(shield, ShieldOrders(drop_martians=False, only_served=False))
    return lists.blocked(shield)


def verdict(shield: Shield, source: str) -> Verdict:
    payload = udp(4_000, 4_000, b"four")
    if ip_address(source).version == 4:
        packet = ipv4(raw(source), raw("192.0.2.1"), 17, payload)
    else:
        packet = ipv6(raw(source), raw("2001:db8::1"), 17, payload)
    return Verdict(shield.program.run(ethernet(packet)).verdict)


@pytest.mark.parametrize(
    ("prefix", "inside", "outside"),
    [
        ("198.51.100.7", "198.51.100.7", "198.51.100.8"),
        ("198.51.100.0/24", "198.51.100.255", "198.51.101.0"),
        ("0.0.0.0/0", "8.8.8.8", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7", "2001:db8::8"),
        ("2001:db8:0:7::/64", "2001:db8:0:7::1", "2001:db8:0:8::1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("2001:db8::/65", "2001:db8::1", "2001:db8:0:0:8000::"),
        ("::/0", "2001:db8::7", "8.8.8.8"),
    ],
)
def test_a_prefix_is_blocked_and_freed_at_once(
    shield: Shield, blocked: PrefixList, prefix: str, inside: str, outside: str
) -> None:
    blocked.put(prefix, tag=7)
    assert (verdict(shield, inside), verdict(shield, outside)) == (Verdict.DROP, Verdict.PASS)
    (entry,) = blocked.entries()
    assert (entry.network, entry.tag, entry.packets, entry.until) == (ip_network(prefix), 7, 1, 0)
    assert blocked.covering(inside) == (entry,)
    assert blocked.covering(outside) == ()
    removal = blocked.remove(prefix)
    assert (removal.was_listed, removal.is_free) == (True, True)
    assert verdict(shield, inside) == Verdict.PASS
    assert not blocked.remove(prefix).was_listed
    assert list(blocked.entries()) == []


def test_allowing_goes_before_blocking(shield: Shield, blocked: PrefixList) -> None:
    allowed = lists.allowed(shield)
    blocked.put("198.51.100.0/24")
    allowed.put("198.51.100.7")
    assert verdict(shield, "198.51.100.7") == Verdict.PASS
    assert verdict(shield, "198.51.100.8") == Verdict.DROP
    assert [one.packets for one in allowed.entries()] == [1]
    allowed.remove("198.51.100.7")
    assert verdict(shield, "198.51.100.7") == Verdict.DROP


def test_who_is_freed_and_still_covered_is_told_by_what(shield: Shield, blocked: PrefixList) -> None:
    for prefix in ("198.51.100.7", "198.51.100.0/24", "198.51.0.0/16", "198.51.100.0/25", "198.51.100.4/30"):
        blocked.put(prefix)
    blocked.put("198.0.0.0/8", until=time.time_ns() - HOUR)
    removal = blocked.remove("198.51.100.7")
    assert [str(one.network) for one in removal.covered_by] == [
        "198.51.100.4/30",
        "198.51.100.0/25",
        "198.51.100.0/24",
        "198.51.0.0/16",
    ]
    assert not removal.is_free
    assert [str(one.network) for one in blocked.remove("198.51.100.0/25").covered_by] == [
        "198.51.100.0/24",
        "198.51.0.0/16",
    ]


def test_ipv6_networks_are_told_too(blocked: PrefixList) -> None:
    for prefix in ("2001:db8::7", "2001:db8::/64", "2001:db8::/80", "2001:db8::/48"):
        blocked.put(prefix)
    covered = blocked.remove("2001:db8::7").covered_by
    assert [one.network.prefixlen for one in covered] == [80, 64, 48]
    assert [one.network.prefixlen for one in blocked.remove("2001:db8::/64").covered_by] == [48]


def test_an_entry_expires_by_the_clock(shield: Shield, blocked: PrefixList) -> None:
    now = time.time_ns()
    blocked.put("198.51.100.7", until=now + HOUR)
    blocked.put("198.51.100.8", until=now - TICK)
    assert verdict(shield, "198.51.100.7") == Verdict.DROP
    assert verdict(shield, "198.51.100.8") == Verdict.PASS
    (entry,) = blocked.entries()
    assert abs(entry.until - now - HOUR) < 10**9
    assert blocked.size() == 2
    swept = blocked.sweep()
    assert (swept.removed, swept.finished, swept.entries) == (1, True, 1)
    assert blocked.size() == 1


@pytest.mark.parametrize(
    ("longer", "shorter", "source"),
    [
        ("198.51.100.7", "198.51.100.0/24", "198.51.100.7"),
        ("198.51.100.0/25", "198.51.100.0/24", "198.51.100.7"),
        ("2001:db8::/64", "2001:db8::/48", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::/64", "2001:db8::1"),
    ],
)
def test_an_expired_longer_prefix_hides_a_shorter_one_until_it_is_swept(
    shield: Shield, blocked: PrefixList, longer: str, shorter: str, source: str
) -> None:
    blocked.put(longer, until=time.time_ns() - TICK)
    blocked.put(shorter)
    assert verdict(shield, source) == Verdict.PASS
    assert [str(one.network) for one in blocked.covering(source)] == [shorter]
    blocked.sweep()
    assert verdict(shield, source) == Verdict.DROP


@pytest.mark.parametrize("share", [1, 2, 7])
@pytest.mark.parametrize("budget", [1, 10, 64, 10_000])
def test_sweeping_in_small_turns_removes_what_has_expired_and_nothing_else(
    blocked: PrefixList, share: int, budget: int
) -> None:
    past, ahead = time.time_ns() - TICK, time.time_ns() + HOUR
    prefixes = [ip_network((index << 12, 22)) for index in range(1, 200)]
    prefixes += [ip_network((0x20010000 << 96 | index << 80, 48)) for index in range(200)]
    prefixes += [ip_network(index) for index in range(1, 100)]
    blocked.add(Batch.of(prefixes[::share], until=past))
    kept = set(prefixes) - set(prefixes[::share])
    blocked.add(Batch.of(kept, until=ahead))
    removed = 0
    for _ in range(len(prefixes) * 3):
        swept = blocked.sweep(budget)
        # A hash table gives whole buckets.
        assert swept.looked_at <= budget + 16
        removed += swept.removed
        if swept.finished and removed == len(prefixes[::share]):
            break
    assert {one.network for one in blocked.entries()} == kept
    assert blocked.size() == len(kept)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_to_a_list_the_longest_prefix_decides(
    shield: Shield, blocked: PrefixList, seed: int
) -> None:
    """Overlapping prefixes come, expire, go and come again; sources are at their edges and beside them."""
    random = Random(seed)
    pool = [_overlapping(random) for _ in range(60)]
    held: dict[IPv4Network, bool] = {}  # whether it is alive
    other = lists.blocked(shield)
    for _ in range(40):
        some = random.sample(pool, random.randrange(1, 12))
        match random.randrange(6):
            case 0 | 1:
                alive = random.random() < 0.7
                until = 0 if alive else time.time_ns() - TICK
                (blocked if random.random() < 0.5 else other).add(Batch.of(some, until=until))
                held |= dict.fromkeys(some, alive)
            case 2:
                assert blocked.remove(some[0]).was_listed == (some[0] in held)
                held.pop(some[0], None)
            case 3:
                assert other.discard(Batch.of(some)) == len(held.keys() & set(some))
                held = {one: alive for one, alive in held.items() if one not in some}
            case 4:
                while not blocked.sweep(random.choice((5, 10_000))).finished:
                    pass
                held = {one: alive for one, alive in held.items() if alive}
            case _ if random.random() < 0.2:
                assert blocked.clear() == len(held)
                held.clear()
        for source in _edges(some) + _edges(list(held)[-5:]):
            around = [one for one in held if source in one]
            longest = max(around, key=lambda one: one.prefixlen, default=None)
            expected = Verdict.DROP if longest is not None and held[longest] else Verdict.PASS
            assert verdict(shield, str(source)) == expected, (source, longest)
    assert {one.network for one in blocked.entries()} == {one for one, alive in held.items() if alive}


def _overlapping(random: Random) -> IPv4Network:
    address = 0xC6336400 ^ random.getrandbits(random.choice((2, 8, 9, 11, 16)))
    return IPv4Network((address, random.choice((32, 24, random.randrange(8, 33)))), strict=False)


def _edges(networks: list[IPv4Network]) -> list[IPv4Address]:
    found = []
    for one in networks:
        first, last = int(one.network_address), int(one.broadcast_address)
        found += [first, last, first - 1, last + 1]
    return [IPv4Address(one) for one in found]


def _asked(shield: Shield, source: str) -> int:
    return asked(shield.maps["blocked4_where"].memory(), int(IPv4Address(source)))


def test_a_source_beside_all_entries_is_asked_for_nowhere(shield: Shield, blocked: PrefixList) -> None:
    for one in ("198.51.100.7", "198.51.101.0/24", "198.51.102.64/26", "198.52.0.0/15", "2001:db8::/64"):
        blocked.put(one)
    assert _asked(shield, "198.51.100.200") == WHERE_HOSTS
    assert _asked(shield, "198.51.101.200") == WHERE_NETS
    assert _asked(shield, "198.51.102.200") == _asked(shield, "198.53.255.1") == WHERE_ANY
    assert _asked(shield, "198.51.103.1") == _asked(shield, "198.54.0.0") == 0


def test_removed_entries_are_forgotten_by_a_sweep(shield: Shield, blocked: PrefixList) -> None:
    prefixes = [ip_network((0xC6000000 + (index << 8), 24)) for index in range(100)]
    blocked.add(Batch.of(prefixes))
    blocked.remove(prefixes[0])
    assert blocked.sweep().finished
    # One in a hundred is not worth the reading of all.
    assert _asked(shield, "198.0.0.1") == WHERE_NETS
    blocked.discard(Batch.of(prefixes[:20]))
    assert blocked.sweep().finished
    assert _asked(shield, "198.0.0.1") == 0
    assert _asked(shield, "198.0.20.1") == WHERE_NETS
    blocked.clear()
    assert not shield.maps["blocked4_where"].memory().any()


def test_a_list_that_is_empty_is_not_asked(shield: Shield, blocked: PrefixList) -> None:
    asked = Flag.HAS_BLOCKED4 | Flag.HAS_BLOCKED6 | Flag.HAS_BLOCKED_HOSTS4 | Flag.HAS_BLOCKED_NETS6
    assert not tables.flags(shield) & asked
    blocked.put("198.51.100.7")
    assert tables.flags(shield) & asked == Flag.HAS_BLOCKED_HOSTS4
    blocked.put("198.51.100.0/24")
    blocked.put("2001:db8::/64")
    blocked.put("2001:db8::/48")
    assert tables.flags(shield) & asked == asked
    blocked.remove("198.51.100.7")
    blocked.sweep()
    assert tables.flags(shield) & asked == asked & ~Flag.HAS_BLOCKED_HOSTS4
    assert blocked.clear() == 3
    assert not tables.flags(shield) & asked
    tables.configure(shield, ShieldOrders())
    assert not tables.flags(shield) & asked


def test_orders_leave_the_lists_alone(shield: Shield, blocked: PrefixList) -> None:
    blocked.put("198.51.100.7")
    tables.configure(shield, ShieldOrders(drop_martians=False))
    assert verdict(shield, "198.51.100.7") == Verdict.DROP


def test_the_most_hit_come_first(shield: Shield, blocked: PrefixList) -> None:
    for hits, source in enumerate(("198.51.100.1", "198.51.100.2", "2001:db8::3"), 1):
        blocked.put(source)
        for _ in range(hits):
            verdict(shield, source)
    assert [(str(one.network), one.packets) for one in blocked.most_hit(2)] == [
        ("2001:db8::3/128", 3),
        ("198.51.100.2/32", 2),
    ]
    assert tables.counters(shield)[Reason.DROP_BLOCKED].packets == 6


def test_of_a_list_that_is_too_long_what_fits_holds(shield: Shield) -> None:
    tables.configure(shield, ShieldOrders(drop_martians=False))
    allowed = lists.allowed(shield)
    with pytest.raises(BpfFailed, match="allowed4, entry 4096: the map is full"):
        allowed.add(Batch.of([ip_network(index << 8) for index in range(1, 5_000)]))
    assert tables.flags(shield) & Flag.HAS_ALLOWED
    verdict(shield, str(ip_address(1 << 8)))
    assert tables.counters(shield)[Reason.PASS_ALLOWED].packets == 1


def test_a_listing_is_of_one_moment(pins: Path, blocked: PrefixList) -> None:
    """While another process takes entries off and puts them on."""
    prefixes = [ip_network((index << 8, 24)) for index in range(1, 3_000)]
    blocked.add(Batch.of(prefixes))
    other = lists.blocked(loader.adopt(pins))
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for one in prefixes[::7]:
                other.remove(one)
                other.put(one)

    thread = threading.Thread(target=change)
    thread.start()
    for _ in range(20):
        found = [one.network for one in blocked.entries()]
        assert len(found) == len(set(found))
        assert len(prefixes) - 1 <= len(found) <= len(prefixes)
    stop.set()
    thread.join()


def test_many_are_taken_off_at_once(blocked: PrefixList) -> None:
    prefixes = [ip_network((index << 8, 24)) for index in range(1, 1_000)]
    blocked.add(Batch.of(prefixes))
    absent = [ip_network("203.0.113.0/24"), ip_network("2001:db8::/64")]
    assert blocked.discard(Batch.of([*prefixes[:500], *absent, *prefixes[500:900]])) == 900
    assert {one.network for one in blocked.entries()} == set(prefixes[900:])


def test_what_is_on_disk_comes_back(blocked: PrefixList, tmp_path: Path) -> None:
    store = ListStore(tmp_path, "blocked")
    assert restore(blocked, store) == 0
    store.add(Batch.of([ip_network("198.51.100.0/24"), ip_network("2001:db8::/64")], tag=5))
    store.add(Batch.of([ip_network("203.0.113.0/24")], until=time.time_ns() - TICK))
    assert restore(blocked, store) == 2
    assert {(str(one.network), one.tag) for one in blocked.entries()} == {
        ("198.51.100.0/24", 5),
        ("2001:db8::/64", 5),
    }


def test_a_damaged_list_is_told_and_the_shield_goes_on_without(blocked: PrefixList, tmp_path: Path) -> None:
    store = ListStore(tmp_path, "blocked")
    store.add(Batch.of([ip_network("198.51.100.0/24")]))
    store.compact(0)
    store.list_path.write_bytes(store.list_path.read_bytes()[:-1])
    with pytest.raises(SpoiltList):
        restore(blocked, store)
    fault = compact(store)
    assert "damaged" in fault
    assert "it was moved to" in fault
    assert compact(store) == ""
    assert restore(blocked, store) == 0


@pytest.mark.slow
def test_a_million_entries_survive_a_restart(pins: Path, tmp_path: Path) -> None:
    numbers = np.random.default_rng(7)
    hosts = np.unique(numbers.integers(1 << 24, 223 << 24, MILLION, dtype=np.uint32))
    v6 = np.unique(numbers.integers(0x2001 << 48, 0x3FFF << 48, MILLION // 10, dtype=np.uint64))
    batch = Batch.of_hosts4(hosts, tag=3).joined(Batch.of_networks6(v6, tag=4))
    ListStore(tmp_path, "blocked").add(batch)
    shield = loader.load(loader.compiled(), pins)
    blocked = lists.blocked(shield)
    assert blocked.add(ListStore(tmp_path, "blocked").load()) == len(batch)
    assert blocked.size() == len(hosts) + len(v6)
    tables.configure(shield, ShieldOrders(drop_martians=False, only_served=False))
    for source in hosts[:: len(hosts) // 100]:
        assert verdict(shield, str(ip_address(int(source)))) == Verdict.DROP
    shield.remove()
    again = loader.load(loader.compiled(), pins)
    assert lists.blocked(again).size() == 0
    assert lists.blocked(again).add(ListStore(tmp_path, "blocked").load()) == len(batch)
