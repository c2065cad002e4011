"""The kernel's settings that SYN cookies from the program need, and putting them back. The rim.

``bpf_tcp_gen_syncookie`` makes a cookie only with ``tcp_syncookies`` 2 (unless the listener's queue is full
already, which is too late). With 2 the kernel's own answers to SYNs that the shield lets through carry
cookies as well: options travel in the timestamp, so connections lose nothing that they have today but TCP
Fast Open. ``tcp_timestamps`` must be 2: with 1 the kernel subtracts an offset of its own from a timestamp
that comes back before it reads the options out of it (``cookie_v4_check``), and ours have none. What is lost
with the offset is that strangers can tell how long the machine has been up.

CAP_NET_ADMIN in the network namespace is enough to write them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from rempart.model.errors import EnvironmentLacks

FOLDER = Path("/proc/sys/net/ipv4")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NEEDED: Mapping[str, str] = {
    "tcp_syncookies": "2",
    "tcp_timestamps": "2",
    "tcp_window_scaling": "1",
    "tcp_sack": "1",
}


def set_needed(memory: Path, folder: Path = FOLDER) -> Mapping[str, str]:
    """Make them so; what was changed, with its value before.

    ``memory``: where the values before are kept until they are put back. What is in it already is older, and
    right: this process may be the second one since. EnvironmentLacks when the kernel has no such setting or
    does not let us.
    """
    remembered = _remembered(memory)
    changed: dict[str, str] = {}
    for name, wanted in NEEDED.items():
        before = _read(folder / name)
        if before == wanted:
            continue
        changed[name] = before
        if name not in remembered:
            remembered[name] = before
            # First what was, then the change: whoever dies in between has only remembered too much.
            _remember(memory, remembered)
        _write(folder / name, wanted)
    return changed


def restore(memory: Path, folder: Path = FOLDER) -> Mapping[str, str]:
    """Put back what was before; what was put back. A setting that somebody has changed since stays theirs."""
    restored: dict[str, str] = {}
    for name, before in _remembered(memory).items():
        if _read(folder / name) == NEEDED[name]:
            _write(folder / name, before)
            restored[name] = before
    with contextlib.suppress(FileNotFoundError):
        memory.unlink()
    return restored


def _remembered(memory: Path) -> dict[str, str]:
    try:
        found = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict) or found.get("boot") != _boot():
        return {}  # with the machine everything began anew
    return {name: str(value) for name, value in found.items() if name in NEEDED}


def _remember(memory: Path, values: Mapping[str, str]) -> None:
    fresh = memory.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(json.dumps({"boot": _boot(), **values}))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(memory)


def _boot() -> str:
    return BOOT_ID.read_text().strip()


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise EnvironmentLacks(str(path), f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        raise EnvironmentLacks(
            str(path),
            f"{path} cannot be set to {value}: {error.strerror}",
            hint='SYN cookies need it; shield.syn_cookies = "never" does without',
        ) from error
