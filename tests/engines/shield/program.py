"""The real program with a clock of ours: tables are written to its maps, frames run through it one by one."""

from __future__ import annotations

import ctypes as c
import mmap
import os
from pathlib import Path
from struct import Struct, pack, unpack
from typing import NamedTuple, Self

import numpy as np

from rempart.engines.shield import layout
from rempart.engines.shield.libbpf import Map, MapType, Object, library
from rempart.engines.shield.libbpf.declarations import TestRunOptions
from rempart.engines.shield.model.state import State
from rempart.engines.shield.model.tables import Config, Prefix, Prefixes, RuleSet, Tables
from rempart.engines.shield.ring import Ring
from rempart.engines.shield.where import mark

from .worlds import rule_bytes

OBJECT = Path(os.environ.get("REMPART_SHIELD_OBJECT", Path(layout.__file__).parent / "shield.bpf.o"))
PAGE = mmap.PAGESIZE
_POSITION = Struct("<Q")
_SAMPLE_SIZE = layout.SAMPLE.itemsize
_CAPTURED_AT = 16


class Answer(NamedTuple):
    """What the program did with a frame; records of the rings up to the bytes that they say are there."""

    verdict: int
    frame: bytes
    samples: list[bytes]
    captures: list[bytes]


class Shield:
    """The program, loaded for itself and attached nowhere."""

    def __init__(self, compiled: Path = OBJECT) -> None:
        with Object(compiled.read_bytes(), "shield") as binary:
            constants = next(one for name, one in binary.maps.items() if name.endswith(".rodata"))
            c.memmove(constants.initial_value(), pack("<Q", 1), 8)
            binary.load()
            self.maps = {name: one.open() for name, one in binary.maps.items()}
            self.program = binary.program("shield")
        clock = next(one for name, one in self.maps.items() if name.endswith(".bss") and one.value_size == 8)
        self._clock = mmap.mmap(clock.fd, PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self.samples = Ring(self.maps["samples"])
        self.captures = Ring(self.maps["captures"])
        self._in, self._out = c.create_string_buffer(4096), c.create_string_buffer(4096)
        self._options = TestRunOptions(
            sz=c.sizeof(TestRunOptions),
            data_in=c.addressof(self._in),
            data_out=c.addressof(self._out),
            repeat=1,
        )
        self._where = self.maps["blocked4_where"].memory()
        self._run = library().bpf_prog_test_run_opts
        self._options_at = c.byref(self._options)
        self._lost = [0, 0]
        self._listed: list[tuple[str, bytes]] = []
        self._rules: RuleSet | None = None
        self._inner: Map | None = None
        self._writes = 0
        self._addresses: frozenset[bytes] = frozenset()
        self._services: frozenset[int] = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_inner()
        self.samples.close()
        self.captures.close()
        self._clock.close()
        for one in self.maps.values():
            one.close()
        self.program.close()

    def run(self, frame: bytes, now: int) -> Answer:
        """One frame at a time of ours. The kernel wants at least 14 bytes."""
        _POSITION.pack_into(self._clock, 0, now)
        options = self._options
        c.memmove(self._in, frame, len(frame))
        options.data_size_in, options.data_size_out = len(frame), 4096
        if self._run(self.program.fd, self._options_at) < 0:
            raise OSError(c.get_errno(), f"BPF_PROG_TEST_RUN: {os.strerror(c.get_errno())}", frame.hex())
        frame_out = c.string_at(self._out, options.data_size_out)
        return Answer(
            options.retval, frame_out, *(_cut(ring.read()) for ring in (self.samples, self.captures))
        )

    def fill(self, frame: bytes, now: int, times: int) -> tuple[int, int]:
        """Run a frame again and again with nobody reading; how many samples and captures there are then."""
        _POSITION.pack_into(self._clock, 0, now)
        c.memmove(self._in, frame, len(frame))
        for _ in range(times):
            self._options.data_size_in, self._options.data_size_out = len(frame), 4096
            if self._run(self.program.fd, self._options_at) < 0:
                raise OSError(c.get_errno(), "BPF_PROG_TEST_RUN")
        self._lost = self.lost()  # as it was meant
        return len(self.samples.read()), len(self.captures.read())

    def lost(self) -> list[int]:
        """Samples and captures that found no room."""
        return [int(row.sum()) for row in self.maps["lost"].lookup_all_cpus(np.dtype("<u8"))]

    def enter(self, tables: Tables) -> None:
        """Write all tables anew. What was remembered stays, but for the hits of lists."""
        for name, key in self._listed:
            self.maps[name].delete(key)
        self._listed.clear()
        self._list("allowed4", tables.allowed4)
        self._list("allowed6", tables.allowed6)
        self._list("blocked4", tables.blocked4)
        # Exactly: a bit too many would hide that one is missing.
        self._where[:] = 0
        entries = list(tables.blocked4.entries)
        mark(
            self._where,
            np.array([one.network << (32 - one.length) for one in entries], np.uint64),
            np.array([one.length for one in entries], np.uint32),
        )
        self._list("blocked6", tables.blocked6)
        for name, prefixes in (("martians4", tables.martians4), ("martians6", tables.martians6)):
            for prefix, value in prefixes.entries.items():
                self._put(name, _key(prefixes.bits, prefix), pack("<I", value))
        for address in self._addresses - tables.addresses:
            self.maps["addresses"].delete(address)
        for address in tables.addresses:
            self.maps["addresses"].update(address, pack("<I", 1))
        self._addresses = tables.addresses
        for index in self._services | tables.services.keys():
            self.maps["services"].update(pack("<I", index), pack("<I", tables.services.get(index, 0)))
        self._services = frozenset(tables.services)
        self._rule_set(tables.rules)
        self.maps["config"].update(bytes(4), config_bytes(tables.config))

    def _list(self, name: str, prefixes: Prefixes) -> None:
        for prefix, until in prefixes.entries.items():
            place, key = list_place(name, prefixes.bits, prefix)
            self._put(place, key, pack("<QQQII", until, 0, 0, 7, prefix.length))

    def _put(self, name: str, key: bytes, value: bytes) -> None:
        self.maps[name].update(key, value)
        self._listed.append((name, key))

    def _rule_set(self, rules: RuleSet | None) -> None:
        """Mostly written over where it stands: at a swap the kernel waits for a grace period."""
        if rules == self._rules:
            return
        self._rules = rules
        if rules is None:
            self.maps["rules"].delete(bytes(4))
            self._forget_inner()
            return
        head = pack("<IIII", len(rules.rules), 1, rules.needs, rules.qname_labels)
        value = (head + b"".join(map(rule_bytes, rules.rules))).ljust(layout.RULE_SET.itemsize, b"\0")
        self._writes += 1
        if self._inner is not None and self._writes % 16:
            self._inner.update(bytes(4), value)
            return
        self._forget_inner()
        self._inner = Map.create(MapType.ARRAY, "rule_set", 4, len(value), 1)
        self._inner.update(bytes(4), value)
        self.maps["rules"].update(bytes(4), pack("<I", self._inner.fd))

    def _forget_inner(self) -> None:
        if self._inner is not None:
            self._inner.close()
        self._inner = None

    def differences(self, state: State, tables: Tables, *, buckets: bool = True) -> list[str]:
        """Where what the program remembers is not what the oracle does. Reading `buckets` takes a while."""
        found: list[str] = []

        def compare(what: str, program: object, oracle: object) -> None:
            if program != oracle:
                found.append(f"{what}: program {program}, oracle {oracle}")

        counters = self.maps["counters"].lookup_all_cpus(layout.COUNT)
        for reason, count in state.counters.items():
            pair = tuple(int(counters[reason][field].sum()) for field in ("packets", "bytes"))
            compare(f"counter {reason.name}", pair, (count.packets, count.size))
        compare("packets of no reason", int(counters["packets"].sum()), sum(_totals(state)))
        matched = self.maps["rule_counters"].lookup_all_cpus(layout.COUNT)
        for slot, count in state.rule_counters.items():
            pair = tuple(int(matched[slot][field].sum()) for field in ("packets", "bytes"))
            compare(f"rule slot {slot}", pair, (count.packets, count.size))
        for name, bits, prefixes, hits in (
            ("allowed4", 4, tables.allowed4, state.allowed),
            ("allowed6", 6, tables.allowed6, state.allowed),
            ("blocked4", 4, tables.blocked4, state.blocked),
            ("blocked6", 6, tables.blocked6, state.blocked),
        ):
            for prefix in prefixes.entries:
                place, key = list_place(name, prefixes.bits, prefix)
                value = self.maps[place].lookup(key)
                hit = hits.get((bits, prefix))
                pair = (hit.packets, hit.size) if hit else (0, 0)
                compare(f"hits of {name} {prefix}", value and unpack("<QQ", value[8:24]), pair)
        arrays = {"rule_limits": state.rule_limits}
        if buckets:
            arrays |= {"source_buckets": state.source_buckets, "prefix_buckets": state.prefix_buckets}
        for name, expected in arrays.items():
            held = np.concatenate([rows[1].view("<u8").ravel() for rows in self.maps[name].lookup_batches()])
            used = {int(index): int(held[index]) for index in np.flatnonzero(held)}
            compare(name, used, {index: value for index, value in expected.items() if value})
        held_proven = {
            unpack("<QQ", key): unpack("<QQ", self.maps["proven"].lookup(key) or bytes(16))
            for key in self.maps["proven"].keys()  # noqa: SIM118 a map of the kernel's
        }
        compare("proven", held_proven, {key: (one.until, one.bucket) for key, one in state.proven.items()})
        for meter, rate in state.meters.items():
            value = self.maps["meters"].lookup(pack("<I", meter)) or bytes(24)
            compare(f"meter {meter.name}", unpack("<QQQ", value), (rate.window, rate.seen, rate.active_until))
        compare("lost", self.lost(), self._lost)
        return found


def _totals(state: State) -> list[int]:
    return [count.packets for count in state.counters.values()]


def _cut(records: list[bytes]) -> list[bytes]:
    cut = []
    for record in records:
        captured = record[_CAPTURED_AT] | record[_CAPTURED_AT + 1] << 8
        cut.append(record[: _SAMPLE_SIZE + captured])
    return cut


def _key(bits: int, prefix: Prefix) -> bytes:
    number = prefix.network << (bits - prefix.length)
    return pack("<I", prefix.length) + number.to_bytes(bits // 8, "big")


def list_place(name: str, bits: int, prefix: Prefix) -> tuple[str, bytes]:
    """In which map an entry of a list stands, and under which key."""
    key = _key(bits, prefix)
    if name == "blocked4" and prefix.length == 32:
        return "blocked4_hosts", key[4:]
    if name == "blocked4" and prefix.length == 24:
        return "blocked4_nets", key[4:7]
    if name == "blocked6" and prefix.length == 64:
        return "blocked6_nets", key[4:12]
    return name, key


def config_bytes(config: Config) -> bytes:
    """`struct config` of a little-endian machine."""
    limits = [
        number
        for one in (*config.source, *config.prefix, config.proven_syn)
        for number in (one.interval, one.depth)
    ]
    return (
        pack(
            "<I4BHH6I4xQQQQ",
            config.flags,
            config.syn_cookies,
            config.dns_challenge,
            config.dns_slip,
            config.window_scale,
            config.mss4,
            config.mss6,
            config.syn_threshold,
            config.dns_threshold,
            config.sample_mask,
            config.drop_sample_mask,
            config.capture_mask,
            config.ack_threshold,
            config.hold,
            config.seed,
            config.proven_for,
            config.wall,
        )
        + config.dns_cookie_key
        + pack(f"<{len(limits)}Q", *limits)
    )
