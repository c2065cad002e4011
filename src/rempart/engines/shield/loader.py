"""The packet program in the kernel: load, attach, pin, and take over what an earlier loader has left.

What must outlive us is pinned in one folder of the bpf file system, and a loader that finds it goes on with
it: a packet is never judged by nothing because a process was killed. What is in the folder:

    NAME            each map, by its name in the program
    program         what is attached
    link-INTERFACE  its hold on an interface
    loader          of which object all this is
    next-…          of a change that was not carried through; removed by the next loader
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rempart.engines.shield import bpffs
from rempart.engines.shield.btf import Types
from rempart.engines.shield.libbpf import Link, Map, MapDefinition, MapType, Mode, Object, Program, attached
from rempart.engines.shield.refusals import BpfFailed, BrokenObject
from rempart.model.errors import Conflict, EnvironmentLacks, NotFound

PROGRAM = "shield"
LOCK_SECONDS = 10.0
_STAMP, _NEXT, _LINK = "loader", "next-", "link-"
OBJECT = Path(__file__).with_name("shield.bpf.o")
_DRIVER_CANNOT = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOMEM, errno.ERANGE, 524})
"""What drivers answer when they have no XDP, or not with this MTU or this many queues."""


class Loaded(NamedTuple):
    """How a program came to be there, to be told to people."""

    adopted: bool
    """The program that was pinned runs on; nothing was loaded."""
    kept: tuple[str, ...]
    """Maps that an earlier program has filled."""
    notes: tuple[str, ...]
    """What became of maps whose layout has changed."""


class Attachment(NamedTuple):
    """The program on an interface."""

    interface: str
    ifindex: int
    mode: Mode
    adopted: bool
    """It was there before."""
    words: str
    """Why it is not native, when it could not be."""


class Shield:
    """A packet program in the kernel, with its maps. Made by ``load`` or ``adopt``."""

    def __init__(
        self, folder: Path | None, program: Program, maps: Mapping[str, Map], loaded: Loaded
    ) -> None:
        self.folder = folder
        self.program = program
        self.maps = maps
        self.loaded = loaded
        self._links: dict[str, Link] = {}

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Alone among all processes that change this shield. Not to be taken twice.

        Raises Conflict when another process keeps it.
        """
        if self.folder is None:
            yield
            return
        with hold(self.folder):
            yield

    def attach(self, interface: str, mode: Mode | None = None) -> Attachment:
        """Put the program on an interface of this network namespace, or find it there.

        ``mode`` None: native, or generic where the driver cannot. Raises NotFound without such an interface,
        Conflict when something else is attached, EngineRefused when the driver cannot do the mode demanded.
        """
        ifindex = index_of(interface)
        found = self._own_link(interface, ifindex)
        if found is not None:
            now = attached(ifindex).mode or Mode.NATIVE
            if mode in (None, now):
                if found.program_id != self.program.id:
                    found.update(self.program)
                self._links[interface] = found
                return Attachment(interface, ifindex, now, True, "")
            # A device has one mode at a time: this is the one change that leaves a moment without protection.
            self._release(interface, found)
        link, used, words = self._hold(interface, ifindex, mode)
        if self.folder is not None:
            link.pin(self.folder / _link_name(interface))
        self._links[interface] = link
        return Attachment(interface, ifindex, used, False, words)

    def _own_link(self, interface: str, ifindex: int) -> Link | None:
        if interface in self._links:
            link: Link | None = self._links[interface]
        else:
            link = _pinned_link(self.folder, interface)
        if link is None:
            return None
        link.read()
        if link.ifindex == ifindex and attached(ifindex).program_id == link.program_id:
            return link
        if link.ifindex and attached_or_none(link.ifindex) != link.program_id:
            raise Conflict(
                f"the shield in {self.folder} guards {interface} of another network namespace",
                field=interface,
                hint="detach it there first, or give this node another name",
            )
        # The interface is gone, and one of its name has come; or it has another name now.
        self._release(interface, link)
        return None

    def _hold(self, interface: str, ifindex: int, mode: Mode | None) -> tuple[Link, Mode, str]:
        words = ""
        for one in (mode,) if mode else (Mode.NATIVE, Mode.GENERIC):
            try:
                return Link.attach(self.program, ifindex, one), one, words
            except BpfFailed as error:
                if error.errno in (errno.EBUSY, errno.EEXIST):
                    raise _occupied(interface, ifindex) from error
                if error.errno not in _DRIVER_CANNOT or one == Mode.GENERIC or mode is not None:
                    raise
                words = f"the driver of {interface} cannot do it natively: {error.message}"
        raise AssertionError("a mode is always tried")

    def detach(self, interface: str) -> bool:
        """Take the program off; False when it was not there. Maps stay."""
        link = self._links.get(interface) or _pinned_link(self.folder, interface)
        if link is None:
            return False
        self._release(interface, link)
        return True

    def _release(self, interface: str, link: Link) -> None:
        with contextlib.suppress(BpfFailed):  # the interface is gone
            link.detach()
        self._links.pop(interface, None)
        link.close()
        if self.folder is not None:
            (self.folder / _link_name(interface)).unlink(missing_ok=True)

    def attachments(self) -> tuple[Attachment, ...]:
        """Where the program is, in this network namespace."""
        names = set(self._links)
        if self.folder is not None:
            names |= {_interface_name(one.name) for one in self.folder.glob(f"{_LINK}*")}
        found = []
        for name in sorted(names):
            link = self._links.get(name) or _pinned_link(self.folder, name)
            if link is None:
                continue
            link.read()
            if link.ifindex and attached_or_none(link.ifindex) == link.program_id:
                mode = attached(link.ifindex).mode or Mode.NATIVE
                found.append(Attachment(name, link.ifindex, mode, True, ""))
        return tuple(found)

    def remove(self) -> None:
        """Detach everywhere and forget everything: programs, maps, counters, lists in the kernel."""
        for interface in list(self._links):
            self.detach(interface)
        if self.folder is not None:
            remove(self.folder)
        self.close()

    def close(self) -> None:
        """Let go of it. What is pinned goes on; what is not ends."""
        for descriptor in (*self._links.values(), self.program, *self.maps.values()):
            descriptor.close()
        self._links.clear()


def load(data: bytes, folder: Path | None, constants: Mapping[str, int] | None = None) -> Shield:
    """Have the program of the object ``data`` in the kernel, with what another has left in ``folder``.

    With the same object and constants the pinned program is adopted and nothing is loaded. Otherwise the new
    one is loaded, uses every pinned map whose layout is the same, and takes the old one's place everywhere,
    with no packet in between. ``folder`` None: nothing is pinned and all of it ends with this process.
    ``constants``: read-only data of the program by name, for example ``{"frozen_clock": 1}``.

    Raises EnvironmentLacks (libbpf1, CAP_BPF, kernel, bpffs), EngineRefused (BrokenObject, VerifierRefused,
    BpfFailed), Conflict when another process is at it.
    """
    constants = constants or {}
    if folder is None:
        return _load(data, None, constants, b"")
    bpffs.prepare(folder)
    stamp = hashlib.sha256(data + repr(sorted(constants.items())).encode()).digest()
    with hold(folder):
        for one in folder.glob(f"{_NEXT}*"):
            one.unlink()
        if (_stamp(folder) or b"").startswith(stamp):
            with contextlib.suppress(FileNotFoundError):
                return _adopt(folder)
        return _load(data, folder, constants, stamp)


def compiled() -> bytes:
    """The compiled packet program that Rempart comes with. Raises EnvironmentLacks."""
    try:
        return OBJECT.read_bytes()
    except OSError as error:
        raise EnvironmentLacks(
            "packet program",
            f"{OBJECT} cannot be read: {error.strerror}",
            hint="bin/setup compiles it; a wheel brings it along",
        ) from None


def adopt(folder: Path) -> Shield:
    """What is pinned in ``folder``. Raises NotFound when nothing is, EnvironmentLacks."""
    try:
        return _adopt(folder)
    except FileNotFoundError:
        raise NotFound(
            f"no packet shield runs under {folder}", hint="rempart up starts it, as root"
        ) from None
    except PermissionError as error:
        raise EnvironmentLacks(
            "root", f"{folder} may not be read: {error.strerror}", hint="run this as root"
        ) from None


def remove(folder: Path) -> bool:
    """Detach and forget all that is pinned in ``folder``; False when nothing was."""
    if not folder.is_dir():
        return False
    for path in sorted(folder.glob(f"{_LINK}*")):
        with Link.pinned(path) as link, contextlib.suppress(BpfFailed):
            link.detach()
        path.unlink()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return True


@contextlib.contextmanager
def hold(folder: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a folder; the kernel drops it with its holder. Raises Conflict."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Conflict(
                        f"another process changes {folder} and does not end",
                        hint="wait for it, or end it",
                    ) from None
                time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def index_of(interface: str) -> int:
    """Raises NotFound."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise NotFound(f"there is no interface {interface}", hint="ip link shows them") from None


def attached_or_none(ifindex: int) -> int | None:
    """The program on an interface; None when there is no such interface here."""
    try:
        return attached(ifindex).program_id
    except BpfFailed:
        return None


def _adopt(folder: Path) -> Shield:
    program = Program.pinned(folder / "program")
    names = sorted(
        one.name
        for one in folder.iterdir()
        if one.name not in ("program", _STAMP) and not one.name.startswith((_LINK, _NEXT))
    )
    maps = {name: Map.pinned(folder / name) for name in names}
    return Shield(folder, program, maps, Loaded(True, tuple(names), ()))


def _load(data: bytes, folder: Path | None, constants: Mapping[str, int], stamp: bytes) -> Shield:
    with Object(data, PROGRAM) as found:
        types = Types(found.btf)
        _set_constants(found, types, constants)
        definitions = {name: one for name, one in found.maps.items() if not one.internal}
        before = _pinned_maps(folder, definitions)
        inner = _inner_layout(definitions, types)
        is_inner_same = inner == (_stamp(folder) or b"")[len(stamp) :]
        kept = {
            name: one
            for name, one in before.items()
            if definitions[name].shape == one.shape
            and _same_contents(definitions[name], types, one)
            and (definitions[name].inner is None or is_inner_same)
        }
        for name, one in kept.items():
            definitions[name].reuse(one)
        found.load()
        maps = {name: kept.get(name) or one.open() for name, one in definitions.items()}
        program = found.program(PROGRAM)
        # Unpinned, for measurements and tests: the program's own variables.
        extra = (
            {name: one.open() for name, one in found.maps.items() if one.internal} if folder is None else {}
        )
    changed = sorted(set(before) - set(kept))
    notes = tuple(
        _migrate(name, before[name], maps[name], types, definitions[name])
        for name in changed
        if before[name].next_key(None) is not None
    )
    if folder is not None:
        _put_in_place(
            folder, program, {name: one for name, one in maps.items() if name not in kept}, stamp + inner
        )
        for path in folder.iterdir():
            if path.name not in (*maps, "program", _STAMP) and not path.name.startswith(_LINK):
                path.unlink()
    return Shield(folder, program, {**maps, **extra}, Loaded(False, tuple(sorted(kept)), notes))


def _put_in_place(folder: Path, program: Program, maps: Mapping[str, Map], stamp: bytes) -> None:
    """Whenever this is cut off, what is pinned is a shield that works, and the next loader begins anew."""
    (folder / _STAMP).unlink(missing_ok=True)
    for name, one in maps.items():
        one.pin(folder / f"{_NEXT}{name}")
    program.pin(folder / f"{_NEXT}program")
    for path in folder.glob(f"{_LINK}*"):
        with Link.pinned(path) as link:
            if link.ifindex:
                link.update(program)
    for name in (*maps, "program"):
        (folder / f"{_NEXT}{name}").rename(folder / name)
    with Map.create(MapType.ARRAY, "loader", 4, len(stamp), 1) as mark:
        mark.update(bytes(4), stamp)
        mark.pin(folder / _STAMP)


def _stamp(folder: Path | None) -> bytes | None:
    """SHA-256 of the object, and of the layout of maps inside of maps, which the kernel does not tell."""
    if folder is None:
        return None
    try:
        with Map.pinned(folder / _STAMP) as mark:
            return mark.lookup(bytes(4))
    except FileNotFoundError:
        return None


def _set_constants(found: Object, types: Types, constants: Mapping[str, int]) -> None:
    if not constants:
        return
    places = types.variables(".rodata")
    section = next((one for name, one in found.maps.items() if name.endswith(".rodata")), None)
    for name, value in constants.items():
        if section is None or name not in places:
            raise BrokenObject(f"it has no constant {name}", ())
        offset, size = places[name]
        struct.pack_into({1: "B", 2: "H", 4: "I", 8: "Q"}[size], section.initial_value(), offset, value)


def _pinned_maps(folder: Path | None, definitions: Mapping[str, MapDefinition]) -> dict[str, Map]:
    found = {}
    for name in definitions if folder is not None else ():
        with contextlib.suppress(FileNotFoundError):
            found[name] = Map.pinned(folder / name)  # type: ignore[operator]
    return found


def _inner_layout(definitions: Mapping[str, MapDefinition], types: Types) -> bytes:
    inside = [
        (name, one.inner.shape, *map(types.description, one.inner.btf_ids))
        for name, one in sorted(definitions.items())
        if one.inner is not None
    ]
    return hashlib.sha256(repr(inside).encode()).digest()


def _same_contents(definition: MapDefinition, types: Types, existing: Map) -> bool:
    if (definition.shape.key_size, definition.shape.value_size) != (existing.key_size, existing.value_size):
        return False
    theirs = existing.btf
    if theirs is None or not all(definition.btf_ids):
        return True
    old = Types(theirs[0])
    return all(
        types.description(new) == old.description(number)
        for new, number in zip(definition.btf_ids, theirs[1:], strict=True)
    )


def _migrate(name: str, old: Map, new: Map, types: Types, definition: MapDefinition) -> str:
    movable = old.type == new.type and old.type not in (MapType.RINGBUF, MapType.ARRAY_OF_MAPS)
    if not movable or not _same_contents(definition, types, old):
        return f"{name}: its layout has changed, it begins empty"
    moved = lost = 0
    if new.type.per_cpu or new.type == MapType.ARRAY:
        for key in old.keys():  # noqa: SIM118 - a map is no dict
            value = old.lookup(key)
            try:
                if value is not None:
                    new.update(key, value)
                    moved += 1
            except BpfFailed:
                lost += 1
    else:
        for keys, values in old.lookup_batches():
            try:
                moved += new.update_batch(keys, values)
            except BpfFailed:
                lost += len(keys)
    left = f", {lost} did not fit" if lost else ""
    return f"{name}: its size has changed, {moved} entries were moved{left}"


def _occupied(interface: str, ifindex: int) -> Conflict:
    number = attached_or_none(ifindex)
    name = ""
    if number:
        with contextlib.suppress(BpfFailed, EnvironmentLacks), Program.by_id(number) as other:
            name = f" {other.name!r}"
    return Conflict(
        f"{interface} has an XDP program already:{name} (id {number})",
        field=interface,
        hint=f"ip link set dev {interface} xdp off removes it, unless a link of another tool holds it",
    )


def _pinned_link(folder: Path | None, interface: str) -> Link | None:
    if folder is None:
        return None
    try:
        return Link.pinned(folder / _link_name(interface))
    except FileNotFoundError:
        return None


def _link_name(interface: str) -> str:
    # The bpf file system takes no dots, which VLAN interfaces have in their names.
    return _LINK + re.sub(r"[%.]", lambda match: f"%{ord(match[0]):02x}", interface)


def _interface_name(link: str) -> str:
    return re.sub(r"%([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), link.removeprefix(_LINK))
