"""From root to a user that can do nothing but its work; for good.

Where it stands: ``rempart service`` calls ``become`` and ``harden`` before it serves anybody.
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from rempart.model.errors import EnvironmentLacks

# linux/prctl.h and linux/capability.h
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522
CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF = 12, 38, 39
SETUP_HINT = "bin/setup makes the users of the parts"


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def user_id(name: str) -> int:
    """The number of a user; EnvironmentLacks when there is none of that name."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise EnvironmentLacks(f"user {name}", f"there is no user {name}", hint=SETUP_HINT) from error


def primary_group_id(name: str) -> int:
    """The number of a user's own group; EnvironmentLacks when there is no such user."""
    try:
        return pwd.getpwnam(name).pw_gid
    except KeyError as error:
        raise EnvironmentLacks(f"user {name}", f"there is no user {name}", hint=SETUP_HINT) from error


def become(user: str, groups: Sequence[int] = (), *, keep: Sequence[int] = ()) -> None:
    """Become ``user`` with its own group and ``groups``, without any capability but those in ``keep``, and
    never gain one again.

    Raises EnvironmentLacks when the user is missing or the kernel refuses a step; the caller must then end.
    """
    uid, gid = user_id(user), primary_group_id(user)
    kept = sum(1 << capability for capability in set(keep))
    try:
        _drop_bounding_set()
        os.setgroups(sorted({gid, *groups}))
        os.setresgid(gid, gid, gid)
        if kept:
            _prctl(PR_SET_KEEPCAPS, 1)
        os.setresuid(uid, uid, uid)
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
        _set_capabilities(kept)
    except OSError as error:
        raise EnvironmentLacks(f"user {user}", f"cannot become {user}: {error.strerror}") from error
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid) or capabilities() != kept:
        raise EnvironmentLacks(f"user {user}", f"could not leave root behind for {user}")
    os.environ.update({"HOME": "/", "USER": user, "LOGNAME": user})


def harden() -> None:
    """What holds for every service, root or not: no gain of privileges, no core with keys, private files."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_DUMPABLE, 0)
    os.umask(0o077)
    os.chdir("/")


def group_id(name: str) -> int:
    """The number of a group; EnvironmentLacks when there is none of that name."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise EnvironmentLacks(f"group {name}", f"there is no group {name}", hint=SETUP_HINT) from error


def capabilities() -> int:
    """All capabilities this process has or could pass on, as one bit mask; see capabilities(7)."""
    mask = 0
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            mask |= int(value, 16)
    return mask


def _drop_bounding_set() -> None:
    capability = 0
    while True:
        try:
            present = _prctl(PR_CAPBSET_READ, capability)
        except OSError:  # EINVAL: this kernel knows no more capabilities
            return
        if present:
            _prctl(PR_CAPBSET_DROP, capability)
        capability += 1


def _set_capabilities(mask: int) -> None:
    """Have these, effective and permitted, and pass none of them on."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = _Header(CAPABILITY_VERSION_3, 0)
    words = [(mask >> shift) & 0xFFFFFFFF for shift in (0, 32)]
    sets = (_Sets * 2)(*(_Sets(word, word, 0) for word in words))
    if libc.capset(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _prctl(option: int, argument: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    unused = ctypes.c_ulong(0)
    result: int = libc.prctl(option, ctypes.c_ulong(argument), unused, unused, unused)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
