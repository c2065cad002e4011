"""How much of what the machine has is used: of the link, of the processors. The rim, around pure shares.

The link: octets that the packet program has counted, dropped ones too, against the speeds that the guarded
interfaces name; one that names none (a bridge, many virtual cards) has no share. The processors: the one
with the most work of interrupts, and, where a control group has a quota, how much of it is used.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rempart.model.attacks import Saturation

LOOK_SECONDS = 0.5
WINDOW_SECONDS = 1.0
_SIOCETHTOOL, _ETHTOOL_GSET = 0x8946, 0x1
_SPEED_UNKNOWN = 0xFFFF_FFFF
_MEGABIT = 1_000_000
_STAT, _CGROUP = Path("/proc/stat"), Path("/sys/fs/cgroup")
_MICROSECONDS = 1_000_000


class Used(NamedTuple):
    """Counters at one moment. Of times only differences mean something."""

    at: float
    octets: int
    processors: tuple[tuple[float, float], ...]
    """Of each, what went into interrupts, and all of its time, in clock ticks."""
    group: float = 0.0
    """Processor seconds that the control group has used."""


def saturation(before: Used, now: Used, bits_per_second: int, group_processors: float | None) -> Saturation:
    """Shares between two moments. ``group_processors``: how many the group may use; None: all."""
    seconds = max(now.at - before.at, 1e-3)
    link = (now.octets - before.octets) * 8 / seconds / bits_per_second if bits_per_second else 0.0
    pairs = zip(before.processors, now.processors, strict=False)
    cpu = max(((new[0] - old[0]) / max(new[1] - old[1], 1.0) for old, new in pairs), default=0.0)
    if group_processors:
        cpu = max(cpu, (now.group - before.group) / seconds / group_processors)
    return Saturation(link=_share(link), cpu=_share(cpu))


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def processor_times(stat: str) -> tuple[tuple[float, float], ...]:
    """Of each processor in ``/proc/stat`` (proc(5)), what went into interrupts, hard and soft, and all of it.

    A flood of packets is work of interrupts; that processors are busy otherwise says nothing of packets.
    """
    found = []
    for line in stat.splitlines():
        name, *words = line.split()
        if not name.startswith("cpu") or name == "cpu":
            continue
        numbers = [float(one) for one in words[:8]]  # guests are counted in user already
        found.append((numbers[5] + numbers[6], sum(numbers)))
    return tuple(found)


class Gauge:
    """Looks now and then; what it says is of the last second."""

    def __init__(self) -> None:
        self._seen: list[Used] = []
        self._bits = 0
        self._processors, self._usage = _group(_CGROUP)

    def interfaces(self, names: Sequence[str]) -> None:
        """Which links count from now on."""
        self._bits = sum(speeds(names))

    def read(self, octets: int, now: float) -> Saturation:
        """``octets``: all that came, ever."""
        if not self._seen or now - self._seen[-1].at >= LOOK_SECONDS:
            self._seen.append(self._used(octets, now))
            while len(self._seen) > 2 and self._seen[-1].at - self._seen[1].at >= WINDOW_SECONDS:
                self._seen.pop(0)
        if len(self._seen) < 2:
            return Saturation()
        return saturation(self._seen[0], self._seen[-1], self._bits, self._processors)

    def _used(self, octets: int, now: float) -> Used:
        return Used(
            now,
            octets,
            processor_times(_STAT.read_text()),
            _group_seconds(self._usage) if self._usage else 0.0,
        )


def speeds(names: Iterable[str]) -> Iterable[int]:
    """Bits a second of each interface that names its speed (ethtool(8)), in this network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in names:
            # struct ethtool_cmd: speed at 12, its upper half at 28 (linux/ethtool.h).
            command = array.array("B", struct.pack("=I40x", _ETHTOOL_GSET))
            address, _ = command.buffer_info()
            request = struct.pack("16sP16x", name.encode(), address)
            try:
                fcntl.ioctl(asking, _SIOCETHTOOL, request)
            except OSError:
                continue
            (low,), (high,) = struct.unpack_from("=H", command, 12), struct.unpack_from("=H", command, 28)
            megabits = high << 16 | low
            if megabits not in (0, 0xFFFF, _SPEED_UNKNOWN):
                yield megabits * _MEGABIT


def _group(root: Path) -> tuple[float | None, Path | None]:
    """How many processors this process' control group may use, and where what it has used is counted."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None, None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            folder = root / path.lstrip("/")
            try:
                quota, period = (folder / "cpu.max").read_text().split()
                if quota != "max":
                    return int(quota) / int(period), folder / "cpu.stat"
            except (OSError, ValueError):
                continue
        elif "cpu" in controllers.split(","):
            folder = root / "cpu" / path.lstrip("/")
            try:
                quota_us = int((folder / "cpu.cfs_quota_us").read_text())
                if quota_us > 0:
                    period_us = int((folder / "cpu.cfs_period_us").read_text())
                    return quota_us / period_us, root / "cpuacct" / path.lstrip("/") / "cpuacct.usage"
            except (OSError, ValueError):
                continue
    return None, None


def _group_seconds(path: Path) -> float:
    try:
        text = path.read_text()
    except OSError:
        return 0.0
    if path.name == "cpuacct.usage":
        return int(text) / 1e9
    found = next((line for line in text.splitlines() if line.startswith("usage_usec ")), "usage_usec 0")
    return int(found.split()[1]) / _MICROSECONDS
