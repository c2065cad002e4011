"""The kernel's settings that SYN cookies from the program need, and putting them back. The rim.

``tcp_syncookies`` 1 is enough in peace, 2 is set while cookies are being made: with 1 the kernel makes one,
for itself and for us, only when a listener's queue is full, so the queue stays full as long as the flood
lasts; with 2 it makes one for every SYN and the queue drains. With cookies a connection loses what no cookie
holds (TCP Fast Open, the repeated SYN-ACK), which is why 2 does not stay.

``tcp_timestamps`` must be 2: with 1 the kernel subtracts an offset of its own from a timestamp that comes
back before it reads the options out of it (``cookie_v4_check``), and ours have none. What is lost with the
offset is that strangers can tell how long the machine has been up.

CAP_NET_ADMIN in the network namespace is enough to write them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from rempart.model.configuration import StatePaths
from rempart.model.errors import EnvironmentLacks

FOLDER = Path("/proc/sys/net/ipv4")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
COOKIES = "tcp_syncookies"
NEEDED: Mapping[str, str] = {
    COOKIES: "1",
    "tcp_timestamps": "2",
    "tcp_window_scaling": "1",
    "tcp_sack": "1",
}


class Sysctls:
    """Those of this network namespace. ``memory``: a file in which the values from before are kept until they
    are put back, so that whoever comes after a killed process knows them."""

    def __init__(self, memory: Path, folder: Path = FOLDER) -> None:
        self._memory = memory
        self._folder = folder
        self._before = self._remembered()
        self._cookies: bool | None = None

    @classmethod
    def of(cls, paths: StatePaths) -> Self:
        return cls(paths.shield_state.with_name("sysctls.json"))

    def prepare(self) -> Mapping[str, str]:
        """Make them what they must be; what was changed, with its value before.

        Raises EnvironmentLacks when the kernel has no such setting or does not let us.
        """
        now = {name: _read(self._folder / name) for name in NEEDED}
        if not self._before:
            # First what was, then the change: whoever dies in between has only remembered too much.
            self._before = now
            self._remember()
        changed = {}
        for name, wanted in NEEDED.items():
            if now[name] != wanted and not (name == COOKIES and now[name] == "2"):
                _write(self._folder / name, wanted)
                changed[name] = now[name]
        return changed

    def cookies(self, *, made: bool) -> None:
        """Whether they are being made now; called as often as one likes."""
        if made is not self._cookies:
            calm = "2" if self._before.get(COOKIES) == "2" else NEEDED[COOKIES]
            _write(self._folder / COOKIES, "2" if made else calm)
            self._cookies = made

    def restore(self) -> Mapping[str, str]:
        """Put back what was before; what was put back. What somebody else has changed since stays theirs."""
        restored = {}
        for name, before in self._before.items():
            ours = ("1", "2") if name == COOKIES else (NEEDED[name],)
            now = _read(self._folder / name)
            if now != before and now in ours:
                _write(self._folder / name, before)
                restored[name] = before
        with contextlib.suppress(FileNotFoundError):
            self._memory.unlink()
        self._before, self._cookies = {}, None
        return restored

    def _remembered(self) -> dict[str, str]:
        try:
            found = json.loads(self._memory.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict) or found.get("boot") != _boot():
            return {}  # with the machine everything began anew
        return {name: str(found[name]) for name in NEEDED if name in found}

    def _remember(self) -> None:
        fresh = self._memory.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(json.dumps({"boot": _boot(), **self._before}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._memory)


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
