"""The state folder as ``StatePaths`` describes it: folders, their owners and modes, and the feed's keys.

Where it stands: the supervisor makes it so before anything starts. Folders below it belong to the parts'
users, who may be compromised; so root opens them without following links and changes what it has opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rempart.model.configuration import Configuration, StatePaths
from rempart.model.dns_cookies import KEY_BYTES, key_of, key_text
from rempart.model.errors import EnvironmentLacks
from rempart.node.parts import parts_folder
from rempart.node.privileges import primary_group_id, user_id
from rempart.snapshot.signing import new_key_pair, private_key

PLAIN_BYTES_MAX = 65_536
COOKIE_KEY_SECONDS = 30 * 86_400.0
"""How old the key of DNS cookies may become: less than the 36 days of RFC 7873, section 7.1."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Owners:
    """User and group numbers of the parts. Without root all of them are whoever started."""

    controller: tuple[int, int]
    node: tuple[int, int]
    gate: tuple[int, int]
    haproxy: tuple[int, int]
    knot: tuple[int, int]
    shield: tuple[int, int]
    """Root's where there is no such user: the packet shield does not run there."""

    @classmethod
    def of(cls, configuration: Configuration, *, is_root: bool) -> Owners:
        """EnvironmentLacks naming the first user that does not exist."""
        if not is_root:
            me = (os.geteuid(), os.getegid())
            return cls(me, me, me, me, me, me)
        users = configuration.users

        def of(name: str) -> tuple[int, int]:
            return user_id(name), primary_group_id(name)

        return cls(
            controller=of(users.controller),
            node=of(users.node),
            gate=of(users.gate),
            haproxy=of(users.haproxy),
            knot=of(users.knot),
            shield=_if_there(users.shield),
        )


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that must exist like this."""

    path: Path
    owner: int
    group: int
    mode: int


def folders(paths: StatePaths, owners: Owners) -> tuple[Folder, ...]:
    """All of them, parents first.

    Some carry the set-group-ID bit, so that what is made in them belongs to the group that must reach it
    without its maker being a member: sockets in ``run/controller`` (the feed's, opened to the node by mode
    660, while the admin socket stays at 600), the engines' sockets, and the files the engines read.
    """
    root = (os.geteuid(), os.getegid())
    node_user, node_group = owners.node
    shared = 0o700 if owners.haproxy == owners.node else 0o2750
    return (
        Folder(paths.root, *root, 0o755),
        Folder(paths.controller, *owners.controller, 0o700),
        Folder(paths.public_log, *owners.controller, 0o755),
        Folder(paths.node, *owners.node, 0o700),
        Folder(paths.gate, node_user, owners.gate[1], 0o2750),
        # What visitors say; the operator's command line reads it as root.
        Folder(paths.receipts, *owners.gate, 0o700),
        Folder(paths.haproxy, node_user, owners.haproxy[1], shared),
        Folder(paths.knot, node_user, owners.knot[1], 0o2750),
        Folder(paths.knot_db, *owners.knot, 0o700),
        # The operator's command line writes lists and rules here, the part reads them.
        Folder(paths.shield, root[0], owners.shield[1], 0o2750),
        # Orders to the loops lie here, given by the operator alone; below, each loop's journal.
        Folder(paths.defence, *root, 0o755),
        Folder(paths.packet_journal, owners.shield[0], node_group, 0o2750),
        Folder(paths.request_journal, node_user, node_group, 0o2750),
        Folder(paths.log, *root, 0o755),
        Folder(paths.run, *root, 0o755),
        Folder(parts_folder(paths), *root, 0o755),
        Folder(paths.run / "controller", owners.controller[0], node_group, 0o2710),
        # HAProxy sends its log lines to the node's socket in here.
        Folder(paths.run / "node", node_user, owners.haproxy[1], 0o2750),
        # HAProxy brings visitors to the gate's socket in here.
        Folder(paths.run / "gate", owners.gate[0], owners.haproxy[1], 0o2750),
        # What the packet shield says about itself, for everybody.
        Folder(paths.run / "shield", *owners.shield, 0o755),
        # The engines make their sockets as their own users.
        Folder(paths.run / "haproxy", owners.haproxy[0], node_group, 0o2750),
        Folder(paths.run / "knot", *owners.knot, 0o2750),
    )


def _if_there(user: str) -> tuple[int, int]:
    try:
        return user_id(user), primary_group_id(user)
    except EnvironmentLacks:
        return os.geteuid(), os.getegid()


def prepare(configuration: Configuration, *, is_root: bool) -> Owners:
    """Make the state folder ready; applying it twice changes nothing.

    Raises EnvironmentLacks when a user is missing or a folder cannot be made.
    """
    owners = Owners.of(configuration, is_root=is_root)
    paths = configuration.paths
    try:
        paths.root.parent.mkdir(parents=True, exist_ok=True)
        for folder in folders(paths, owners):
            _make(folder)
        if is_root:
            # The operator's offline commands run as root and may have made files in here.
            hand_over(paths.controller, owners.controller)
            hand_over(paths.public_log, owners.controller)
            # Older versions started the engines as root.
            hand_over(paths.knot_db, owners.knot)
            share(paths.haproxy, owners.node[0], owners.haproxy[1])
        _make_file(paths.log / "edge.log", *owners.node, 0o640)
        for name in ("block", "allow", "capture"):
            # Whoever reads a list holds its lock, the packet shield's part too.
            _make_file(paths.shield / f"{name}.lock", os.geteuid(), owners.shield[1], 0o660)
        # The local CA's certificate, for everybody to read; the controller may not make files here.
        _make_file(paths.root_certificate, *owners.controller, 0o644)
    except OSError as error:
        raise EnvironmentLacks(
            str(error.filename or paths.root),
            f"cannot prepare {error.filename or paths.root}: {error.strerror}",
            hint="run this as root or as the user it was set up with, or choose another state folder",
        ) from error
    return owners


def prepare_keys(paths: StatePaths, owners: Owners) -> None:
    """The pair that deltas are signed with: the private key is the controller's, the public one the node's.

    Made at the first start. The public half is written again whenever it does not fit the private one.
    """
    secret = paths.controller / "feed.key"
    try:
        private_pem = read_plain(secret)
    except FileNotFoundError:
        private_pem, _ = new_key_pair()
        _write_new(secret, private_pem, *owners.controller, 0o600)
    except OSError as error:
        raise _unreadable(secret, error.strerror or str(error)) from error
    try:
        key = private_key(private_pem)
    except ValueError as error:
        raise _unreadable(secret, "it holds no Ed25519 key") from error
    public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    known = paths.feed_public_key
    try:
        fits = read_plain(known) == public_pem
    except OSError:
        fits = False
    if not fits:
        _write_new(known, public_pem, *owners.node, 0o600)


def prepare_cookie_key(paths: StatePaths, owners: Owners, *, now: float, is_running: bool) -> None:
    """The key of DNS cookies: the node gives it to the name server, root to the packet shield.

    A new one in place of one that is older than COOKIE_KEY_SECONDS at ``now`` (Unix seconds), but not while
    any part runs on with the old one. Nobody is cut off by a new key: a resolver that shows a cookie of the
    old one is like one without, and the next answer brings it a new one.
    """
    path = paths.dns_cookie_key
    if read_cookie_key(paths) is not None:
        age = now - path.lstat().st_mtime
        if is_running or age < COOKIE_KEY_SECONDS:
            return
    _write_new(path, key_text(secrets.token_bytes(KEY_BYTES)), *owners.node, 0o600)


def read_cookie_key(paths: StatePaths) -> bytes | None:
    """The key of DNS cookies; None when there is none that can be read."""
    try:
        return key_of(read_plain(paths.dns_cookie_key))
    except OSError:
        return None


def read_plain(path: Path, most: int = PLAIN_BYTES_MAX) -> bytes:
    """A short file in a folder of a less privileged user: OSError when it is anything but a plain file.

    No link is followed, nothing waits for the other end of a pipe, and ``most`` octets are all that is read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file", str(path))
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)


def _unreadable(path: Path, reason: str) -> EnvironmentLacks:
    return EnvironmentLacks(
        str(path), f"{path} cannot be used: {reason}", hint="put it back, or remove it: a new one is made"
    )


def write_private(path: Path, content: bytes) -> None:
    """Replace a file of our own that nobody else may read."""
    _write_new(path, content, os.geteuid(), os.getegid(), 0o600)


def _make(folder: Folder) -> None:
    with contextlib.suppress(FileExistsError):
        folder.path.mkdir(mode=0o700)
    descriptor = os.open(folder.path, _FOLDER)
    try:
        _set(descriptor, folder.owner, folder.group, folder.mode)
    finally:
        os.close(descriptor)


def _make_file(path: Path, owner: int, group: int, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, mode)
    try:
        _set(descriptor, owner, group, mode)
    finally:
        os.close(descriptor)


def _write_new(path: Path, content: bytes, owner: int, group: int, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    # Not os.write, which may stop half-way and only says so.
    with os.fdopen(descriptor, "wb") as file:
        _set(descriptor, owner, group, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def _set(descriptor: int, owner: int, group: int, mode: int) -> None:
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (owner, group):
        os.fchown(descriptor, owner, group)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        os.fchmod(descriptor, mode)


def hand_over(folder: Path, owner: tuple[int, int]) -> None:
    """Give root's files in a part's folder to the part. Never a file with a second name elsewhere."""
    for descriptor, found in _plain_below(folder):
        if found.st_uid == 0:
            os.fchown(descriptor, *owner)


def share(folder: Path, owner: int, group: int) -> None:
    """Let ``group`` read what ``owner`` has in a folder, as an older version has left it."""
    for descriptor, found in _plain_below(folder):
        if found.st_uid == owner and (found.st_gid != group or not found.st_mode & stat.S_IRGRP):
            _set(descriptor, owner, group, 0o2750 if stat.S_ISDIR(found.st_mode) else 0o640)


def _plain_below(folder: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Folders, and files without a second name, below ``folder``, each opened and looked at.

    Every step goes by descriptor: the folder's owner could put a link where a folder was a moment ago.
    """
    for _, names, files, place in os.fwalk(folder, follow_symlinks=False):
        for name in (*names, *files):
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
            except OSError:  # a link, a socket, or gone
                continue
            try:
                found = os.fstat(descriptor)
                if stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1):
                    yield descriptor, found
            finally:
                os.close(descriptor)
