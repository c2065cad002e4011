"""Doing something inside a network namespace from this process: a thread enters it, acts and ends."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rempart.model.errors import RempartError

NAMESPACES = Path("/run/netns")

_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


def inside(namespace: str, act: Callable[[], T]) -> T:
    """What ``act`` gives when it runs in a thread that is in this namespace. Sockets it makes stay there."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def enter_and_act() -> None:
        try:
            handle = os.open(NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _checked(_libc.setns(handle, _CLONE_NEWNET), f"entering {namespace}")
            finally:
                os.close(handle)
            outcome.append(act())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=enter_and_act)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def unshare_network() -> None:
    """Put the calling thread into a new, empty namespace, which lasts as long as something holds it."""
    _checked(_libc.unshare(_CLONE_NEWNET), "a network namespace of our own")


def set_sysctls(namespace: str, settings: dict[str, str]) -> None:
    """Write settings of ``/proc/sys/net`` (``ipv4/ip_forward``), which are the namespace's own."""

    def write() -> None:
        for name, value in settings.items():
            place = Path("/proc/sys/net") / name
            if place.exists():
                place.write_text(value)

    inside(namespace, write)


def write_sysfs(namespace: str, settings: dict[str, str]) -> None:
    """Write below ``/sys/class/net`` of a namespace: seen only in a sysfs that is mounted from within it,
    which the thread does where nobody else sees it."""

    def write() -> None:
        _checked(_libc.unshare(_CLONE_NEWNS), "a mount namespace of our own")
        _checked(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "making mounts private")
        _checked(_libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None), "mounting sysfs")
        for name, value in settings.items():
            (Path("/sys/class/net") / name).write_text(value)

    inside(namespace, write)


def is_a_labs() -> bool:
    """Whether this process is in a namespace of a lab: one that was made under the lab's name."""
    own = Path("/proc/self/ns/net").stat().st_ino
    return any(place.stat().st_ino == own for place in NAMESPACES.glob("rp-*"))


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise RempartError(f"{what}: {os.strerror(ctypes.get_errno())}")
