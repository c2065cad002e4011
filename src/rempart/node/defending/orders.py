"""What a person orders the loops to do: signatures that must not come back, and who is only observed.

One file, written by the operator (root, or whoever started ``rempart up`` without root) and by nobody
else, read by both loops ten times a second (a ``stat``). It says what is to hold, not what is to be done,
so a loop that was dead follows it when it starts, and a revocation sticks because it stands here. The
loops answer in their accounts: ``orders`` is the number of the last order they have followed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from rempart.model.attacks import Layer, Mode, Signature
from rempart.model.base import Value
from rempart.model.configuration import StatePaths
from rempart.model.errors import EnvironmentLacks

REVOCATIONS_MOST = 256
"""Of each layer, the newest: as many as the loop remembers."""
MODES_MOST = 10_000
RELEASES_MOST = 1_000
"""The newest. Each goes when its time is over."""


class Revocation(Value):
    """A mitigation that a person has called wrong."""

    id: str
    layer: Layer
    subject: str
    signature: Signature
    at: datetime


class Release(Value):
    """A client of one site that a person has let through its limits and its challenge, for a time."""

    receipt: str
    host: str
    """The site's, as it was asked for."""
    address: str
    """An IPv4 address, or an IPv6 /64."""
    at: datetime
    until: datetime


class Orders(Value):
    """All that holds. ``number`` grows with each change."""

    number: int = Field(default=0, ge=0)
    revocations: tuple[Revocation, ...] = Field(default=(), max_length=2 * REVOCATIONS_MOST)
    modes: dict[str, Mode] = Field(default_factory=dict, max_length=MODES_MOST)
    """By subject."""
    releases: tuple[Release, ...] = Field(default=(), max_length=RELEASES_MOST)


def orders_file(paths: StatePaths) -> Path:
    return paths.defence / "orders.json"


def read_orders(paths: StatePaths) -> Orders:
    """None were given where there is no file. Raises EnvironmentLacks when it is spoilt or may not be
    read."""
    path = orders_file(paths)
    try:
        return Orders.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Orders()
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise EnvironmentLacks(
            str(path),
            f"{path} cannot be used: {reason}",
            hint="remove it: revocations and modes are then forgotten",
        ) from error


def change(paths: StatePaths, made: Callable[[Orders], Orders]) -> Orders:
    """Replace the orders by what ``made`` makes of them; they get the next number. Raises
    EnvironmentLacks."""
    path = orders_file(paths)
    try:
        with _alone(path.with_suffix(".lock")):
            before = read_orders(paths)
            wanted = made(before)
            if wanted == before:
                return before
            wanted = wanted.model_copy(update={"number": before.number + 1})
            fresh = path.with_suffix(".new")
            with fresh.open("w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(wanted.model_dump_json() + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            return wanted
    except OSError as error:
        raise EnvironmentLacks(
            str(path),
            f"{path} cannot be written: {error.strerror}",
            hint="run the command as root, or as the user that started rempart up",
        ) from error


def revoked(before: Orders, one: Revocation) -> Orders:
    """With one more revocation; the oldest of its layer goes when there are too many."""
    kept = [other for other in before.revocations if not _same(other, one)]
    mine = [other for other in kept if other.layer is one.layer][-REVOCATIONS_MOST + 1 :]
    others = [other for other in kept if other.layer is not one.layer]
    return before.model_copy(update={"revocations": (*others, *mine, one)})


def permitted(before: Orders, identity: str) -> Orders:
    """Without the revocation of this id."""
    return before.model_copy(
        update={"revocations": tuple(one for one in before.revocations if one.id != identity)}
    )


def released(before: Orders, one: Release, now: datetime) -> Orders:
    """With one more release; those whose time is over go, and with them their addresses."""
    same = (one.host, one.address)
    kept = [other for other in before.releases if other.until > now and (other.host, other.address) != same]
    return before.model_copy(update={"releases": (*kept[-RELEASES_MOST + 1 :], one)})


def taken_back(before: Orders, receipt: str, now: datetime) -> Orders:
    """Without the release of this receipt, and without those whose time is over."""
    kept = tuple(one for one in before.releases if one.receipt != receipt and one.until > now)
    return before.model_copy(update={"releases": kept})


def with_mode(before: Orders, subject: str, mode: Mode | None) -> Orders:
    """``mode`` None: as the configuration has it."""
    modes = {one: value for one, value in before.modes.items() if one != subject}
    return before.model_copy(update={"modes": modes | ({subject: mode} if mode is not None else {})})


class OrdersFile:
    """The file as a loop sees it: read when it has changed, asked as often as one likes."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._seen: tuple[int, int, int] | None = None
        self.orders = Orders()

    def changed(self) -> bool:
        """Whether ``orders`` are other ones than at the last call. Raises EnvironmentLacks, once for each
        state
        of the file."""
        try:
            found = orders_file(self._paths).stat()
            mark = (found.st_mtime_ns, found.st_ino, found.st_size)
        except OSError:
            mark = None
        if mark == self._seen:
            return False
        self._seen = mark
        before, self.orders = self.orders, read_orders(self._paths)
        return self.orders != before


def _same(one: Revocation, other: Revocation) -> bool:
    return one.id == other.id or (
        (one.layer, one.subject, one.signature) == (other.layer, other.subject, other.signature)
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
