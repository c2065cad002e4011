"""The packet program in the kernel: load, attach, pin, and take over what an earlier loader has left.

What must outlive us is pinned in one folder of the bpf file system, and a loader that finds it goes on with
it: a packet is never judged by nothing because a process was killed. What is in the folder:

    NAME            each map, by its name in the program
    program         what is attached
    link-INDEX      its hold on an interface
    rule_set        what is inside of the map ``rules``
    loader          of which object all this is, and of which layout each map
    next-…          of a change that was not carried through; removed by the next loader
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rempart.engines.shield import bpffs, nets4
from rempart.engines.shield.btf import Types
from rempart.engines.shield.libbpf import (
    Link,
    Map,
    MapDefinition,
    MapType,
    Mode,
    Object,
    Program,
    attached,
)
from rempart.engines.shield.locking import LOCK_SECONDS
from rempart.engines.shield.pinning import (
    NEXT,
    RULE_SET,
    RULE_SET_COMING,
    STAMP,
    Stamp,
    current_generation,
    hold,
    pin,
    read_stamp,
    write_stamp,
)
from rempart.engines.shield.refusals import BpfFailed, BrokenObject
from rempart.model.errors import Conflict, EnvironmentLacks, NotFound

PROGRAM = "shield"
_LINK = "link-"
_NO_MAPS = frozenset({"program", STAMP, RULE_SET, RULE_SET_COMING})
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
        self,
        folder: Path | None,
        program: Program,
        maps: Mapping[str, Map],
        loaded: Loaded,
        generation: int | None,
    ) -> None:
        self.folder = folder
        self.program = program
        self.maps = maps
        self.loaded = loaded
        self.rule_set: Map | None = None
        """The set inside of the map ``rules``, when this process has made it or met it."""
        self._generation = generation
        self._links: dict[int, Link] = {}

    @contextlib.contextmanager
    def lock(self, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Alone among all processes that change this shield. Not to be taken twice.

        Raises Conflict when another process keeps it for ``seconds``, or when another loader has put other
        maps in place of these, which nobody reads any more; NotFound when the shield was removed.
        """
        if self.folder is None:
            yield
            return
        with hold(self.folder, seconds):
            if not self.is_current:
                raise Conflict(
                    f"another program was loaded under {self.folder} meanwhile", hint="do it once more"
                )
            yield

    @property
    def is_current(self) -> bool:
        """No other loader has put other maps in place of these, and nobody has removed them."""
        return self.folder is None or current_generation(self.folder) == self._generation

    def attach(self, interface: str, mode: Mode | None = None) -> Attachment:
        """Put the program on an interface of this network namespace, or find it there.

        ``mode`` None: native, or generic where the driver cannot. Raises NotFound without such an interface,
        Conflict when something else is attached, EngineRefused when the driver cannot do the mode demanded.
        Of several processes that attach at the same time each holds ``lock``.
        """
        ifindex = index_of(interface)
        found = self._own_link(interface, ifindex)
        if found is not None:
            now = attached(ifindex).mode or Mode.NATIVE
            if mode in (None, now):
                if found.program_id != self.program.id:
                    found.update(self.program)
                self._links[ifindex] = found
                return Attachment(interface, ifindex, now, True, "")
            # A device has one mode at a time: this is the one change that leaves a moment without protection.
            self._release(ifindex, found)
        link, used, words = self._hold(interface, ifindex, mode)
        if self.folder is not None:
            pin(self.folder, link, f"{_LINK}{ifindex}")
        self._links[ifindex] = link
        return Attachment(interface, ifindex, used, False, words)

    def _own_link(self, interface: str, ifindex: int) -> Link | None:
        for number in self._indexes():
            link = self._link(number)
            if link is not None and not link.ifindex:  # its interface is gone
                self._release(number, link)
        link = self._link(ifindex)
        if link is not None and attached(ifindex).program_id != link.program_id:
            raise Conflict(
                f"the shield in {self.folder} guards an interface of another network namespace",
                field=interface,
                hint="detach it there first, or give this node another name",
            )
        return link

    def _link(self, ifindex: int) -> Link | None:
        """Our link to an interface, read anew."""
        link = self._links.get(ifindex)
        if link is None and self.folder is not None:
            with contextlib.suppress(FileNotFoundError):
                link = Link.pinned(self.folder / f"{_LINK}{ifindex}")
        if link is not None:
            link.read()
        return link

    def _indexes(self) -> list[int]:
        """Interfaces that we have a link to; by index: names change, and may have dots, unlike pins."""
        pinned = self.folder.glob(f"{_LINK}*") if self.folder is not None else ()
        return sorted({*self._links, *(int(one.name.removeprefix(_LINK)) for one in pinned)})

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
        """Take the program off; False when it was not there, or there is no such interface. Maps stay."""
        try:
            ifindex = index_of(interface)
        except NotFound:
            return False
        link = self._link(ifindex)
        if link is None:
            return False
        self._release(ifindex, link)
        return True

    def _release(self, ifindex: int, link: Link) -> None:
        with contextlib.suppress(BpfFailed):  # the interface is gone
            link.detach()
        self._links.pop(ifindex, None)
        link.close()
        if self.folder is not None:
            (self.folder / f"{_LINK}{ifindex}").unlink(missing_ok=True)

    def attachments(self) -> tuple[Attachment, ...]:
        """Where the program is, in this network namespace."""
        found = []
        for ifindex in self._indexes():
            link = self._link(ifindex)
            if link is None or not link.ifindex:
                continue
            with contextlib.suppress(BpfFailed, OSError):  # it is none of this namespace's
                now = attached(ifindex)
                if now.program_id == link.program_id:
                    name = socket.if_indextoname(ifindex)
                    found.append(Attachment(name, ifindex, now.mode or Mode.NATIVE, True, ""))
        return tuple(found)

    def remove(self) -> None:
        """Detach everywhere and forget everything: programs, maps, counters, lists in the kernel."""
        for ifindex, link in list(self._links.items()):
            self._release(ifindex, link)
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
        return _load(data, None, constants, "")
    bpffs.prepare(folder)
    digest = hashlib.sha256(data + repr(sorted(constants.items())).encode()).hexdigest()
    with hold(folder):
        for one in folder.glob(f"{NEXT}*"):
            one.unlink()
        if read_stamp(folder).object == digest:
            with contextlib.suppress(FileNotFoundError):
                return _adopt(folder)
        return _load(data, folder, constants, digest)


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
    # Before the maps: when others are put in place meanwhile, it is noticed at the first change.
    generation = current_generation(folder)
    program = Program.pinned(folder / "program")
    names = sorted(
        one.name
        for one in folder.iterdir()
        if one.name not in _NO_MAPS and not one.name.startswith((_LINK, NEXT))
    )
    maps = {name: Map.pinned(folder / name) for name in names}
    return Shield(folder, program, maps, Loaded(True, tuple(names), ()), generation)


def _load(data: bytes, folder: Path | None, constants: Mapping[str, int], digest: str) -> Shield:
    stamp = read_stamp(folder)
    with Object(data, PROGRAM) as found:
        types = Types(found.btf)
        _set_constants(found, types, constants)
        definitions = {name: one for name, one in found.maps.items() if not one.internal}
        contents = {name: _contents(one, types) for name, one in definitions.items()}
        before = _pinned_maps(folder, definitions)
        fitting = {name for name in before if stamp.contents.get(name) == contents[name]}
        kept = {name: before[name] for name in fitting if definitions[name].shape == before[name].shape}
        for name, one in kept.items():
            definitions[name].reuse(one)
        found.load()
        maps = {name: kept.get(name) or one.open() for name, one in definitions.items()}
        program = found.program(PROGRAM)
        # Unpinned, for measurements and tests: the program's own variables.
        internal = {name: one for name, one in found.maps.items() if one.internal and folder is None}
        extra = {name: one.open() for name, one in internal.items()}
    notes = tuple(
        _migrate(name, before[name], maps[name], name in fitting)
        for name in sorted(set(before) - set(kept))
        if before[name].next_key(None) is not None
    )
    if folder is not None:
        if nets4.WHERE not in kept and (note := nets4.take_over(maps)):
            notes += (note,)
        # Until all is in place, only of these is it known which layout is pinned.
        write_stamp(folder, Stamp("", {name: contents[name] for name in fitting}))
        _put_in_place(folder, program, maps, set(kept))
        # With all of it known nothing is lost if this is cut off, and without a digest it is done again.
        write_stamp(folder, Stamp("", contents))
        nets4.forget(maps)
        write_stamp(folder, Stamp(digest, contents))
    loaded = Loaded(False, tuple(sorted(kept)), notes)
    return Shield(folder, program, {**maps, **extra}, loaded, current_generation(folder))


def _put_in_place(folder: Path, program: Program, maps: Mapping[str, Map], kept: set[str]) -> None:
    """Whenever this is cut off, what is pinned is a shield that works, and the next loader begins anew."""
    fresh = {name: one for name, one in maps.items() if name not in kept}
    for name, one in {**fresh, "program": program}.items():
        pin(folder, one, f"{NEXT}{name}")
    for path in folder.glob(f"{_LINK}*"):
        with Link.pinned(path) as link:
            if link.ifindex:
                link.update(program)
    for name in (*fresh, "program"):
        (folder / f"{NEXT}{name}").rename(folder / name)
    stays = {*maps, "program", STAMP, *((RULE_SET, RULE_SET_COMING) if "rules" in kept else ())}
    for path in folder.iterdir():
        if path.name not in stays and not path.name.startswith(_LINK):
            path.unlink()


def _contents(definition: MapDefinition, types: Types) -> str:
    """A digest of what lies where in a map's keys and values, and in maps inside of it."""
    inner = definition.inner
    described = [types.description(one) if one else "" for one in definition.btf_ids]
    inside = (inner.shape, _contents(inner, types)) if inner is not None else ()
    shape = definition.shape
    text = repr((shape.type, shape.key_size, shape.value_size, described, inside))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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


def _migrate(name: str, old: Map, new: Map, is_fitting: bool) -> str:
    if not is_fitting or old.type in (MapType.RINGBUF, MapType.ARRAY_OF_MAPS):
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
