"""A shield's folder on the bpf file system: its lock, its pins, and what it says about them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rempart.engines.shield.libbpf import Descriptor, Map, MapType
from rempart.engines.shield.locking import LOCK_SECONDS, lock
from rempart.model.errors import NotFound

STAMP, NEXT = "loader", "next-"
RULE_SET, RULE_SET_COMING = "rule_set", "rule_set_coming"
"""The set inside of the map ``rules``, by a name of its own: see ``rules``."""


@contextlib.contextmanager
def hold(folder: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a folder; the kernel drops it with its holder. Raises Conflict, NotFound."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise NotFound(f"no packet shield runs under {folder} any more") from None
    try:
        lock(descriptor, f"changes {folder}", seconds)
        yield
    finally:
        os.close(descriptor)


def pin(folder: Path, descriptor: Descriptor, name: str) -> None:
    """Pin for the folder's owner, whoever we are."""
    path = folder / name
    path.unlink(missing_ok=True)
    descriptor.pin(path)
    owner = folder.stat()
    if os.geteuid() != owner.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid)


class Stamp(NamedTuple):
    """Of which object all this is (SHA-256), and of which layout what is in each map.

    The kernel tells the latter to CAP_SYS_ADMIN alone.
    """

    object: str
    contents: Mapping[str, str]


def read_stamp(folder: Path | None) -> Stamp:
    if folder is not None:
        with contextlib.suppress(FileNotFoundError, ValueError), Map.pinned(folder / STAMP) as mark:
            raw = json.loads((mark.lookup(bytes(4)) or b"").rstrip(b"\0"))
            return Stamp(raw["object"], raw["contents"])
    return Stamp("", {})


def current_generation(folder: Path | None) -> int | None:
    """A number that changes whenever other maps are put in place: the id of the stamp."""
    if folder is not None:
        with contextlib.suppress(FileNotFoundError), Map.pinned(folder / STAMP) as mark:
            return mark.id
    return None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    raw = json.dumps(stamp._asdict()).encode()
    with Map.create(MapType.ARRAY, STAMP, 4, len(raw), 1) as mark:
        mark.update(bytes(4), raw)
        pin(folder, mark, f"{NEXT}{STAMP}")
    (folder / f"{NEXT}{STAMP}").rename(folder / STAMP)
