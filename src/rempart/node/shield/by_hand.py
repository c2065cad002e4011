"""Lists that people keep by hand: in the kernel, where they hold at once, and on disk, where they outlive it.

Where it stands: ``rempart shield block|allow`` and their opposites work through this without asking any
process, so they work while the node is dead; the part reads it when the kernel has forgotten. Checks come
before everything: what is refused has changed nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rempart.engines.shield import keeping, layout, lists, loader
from rempart.engines.shield.entries import Batch, Entry, Network
from rempart.engines.shield.store import ListStore
from rempart.model.configuration import Configuration
from rempart.model.errors import Conflict, InvalidInput, NotFound, RempartError
from rempart.node.shield import choosing, network
from rempart.node.shield.kernel import BY_HAND, CONFIGURED
from rempart.node.shield.prefix_files import CHUNK, Prefixes
from rempart.node.shield.surroundings import Address

BLOCK, ALLOW = "block", "allow"
BROAD4, BROAD6 = 8, 16
"""Shorter prefixes than these are meant rarely, and typed by mistake easily."""
VERIFIED = 1_000
"""Entries that are read back after a change; of more, so many that lie far from each other."""
REASON_TAGS = 16
"""Tags from here on stand for a reason in words."""
REASONS_MAX = 10_000
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One entry, for people."""

    network: Network
    until: int
    """Unix nanoseconds; 0: it does not expire."""
    reason: str
    packets: int = 0
    bytes: int = 0
    configured: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """What putting prefixes on a list came to."""

    entries: int
    live: bool
    """The kernel has them. Otherwise no shield is loaded, and they hold from its next start."""
    spared: tuple[Network, ...] = field(default=())
    """Allowed prefixes inside of blocked ones: still let through."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking one prefix off a list came to."""

    network: Network
    was_listed: bool
    live: bool
    covered_by: tuple[Listing, ...]
    """Shorter prefixes that hold for it still."""


@dataclass(frozen=True, slots=True)
class Takes:
    """What taking prefixes off a list came to."""

    removed: int
    """How many were on it by themselves."""
    live: bool
    each: tuple[Taken, ...]
    """Every one; of more than VERIFIED so many that lie far from each other."""


def opened(configuration: Configuration) -> loader.Shield | None:
    """The shield that is in the kernel; None when none is. EnvironmentLacks when this user may not."""
    try:
        return loader.adopt(configuration.shield_pins)
    except NotFound:
        return None


class Lists:
    """Both lists of one node. ``shield``: what is in the kernel, if anything."""

    def __init__(self, configuration: Configuration, shield: loader.Shield | None) -> None:
        self._configuration = configuration
        self._shield = shield
        folder = configuration.paths.shield
        self._folder = folder
        self._stores = {name: ListStore(folder, name) for name in (BLOCK, ALLOW)}

    def _kernel(self, name: str) -> lists.PrefixList | None:
        if self._shield is None:
            return None
        return lists.blocked(self._shield) if name == BLOCK else lists.allowed(self._shield)

    # --- changing ------------------------------------------------------------------------------

    def put(
        self,
        name: str,
        prefixes: Prefixes,
        *,
        seconds: int | None,
        reason: str,
        really: bool,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Put:
        """Put prefixes on a list, in the place of equal ones, and read them back.

        ``seconds``: how long they hold; None: until they are taken off. ``really``: also what is refused as
        dangerous. Raises InvalidInput for what is dangerous, Conflict for what would have no effect,
        EngineRefused when the kernel's table is full.
        """
        spared = self._check(name, prefixes, really=really)
        until = 0 if seconds is None else time.time_ns() + seconds * SECOND
        batch = prefixes.batch(until=until, tag=self._tag(reason))
        kernel = self._kernel(name)
        # On disk first: whatever then happens, the next start has it.
        self._stores[name].add(batch)
        if kernel is not None:
            done = 0
            for piece in _pieces(batch):
                done += kernel.add(piece)
                progress(done)
            self._verify(kernel, prefixes)
        return Put(len(prefixes), kernel is not None, spared)

    def take(
        self, name: str, prefixes: Prefixes, *, progress: Callable[[int], None] = lambda _: None
    ) -> Takes:
        """Take exactly these prefixes off, and look what holds for them still.

        Raises Conflict for an allowed one that the configuration has.
        """
        if name == ALLOW:
            self._refuse_configured(prefixes)
        kernel, reasons, few = self._kernel(name), self._reasons(), prefixes.few(VERIFIED)
        if kernel is None:
            stored = {one for one, _, _ in self._stores[name].load()}
            self._stores[name].remove(prefixes)
            each = tuple(Taken(one, one in stored, False, _around(one, stored)) for one in few)
            return Takes(sum(one in stored for one in prefixes), False, each)
        self._stores[name].remove(prefixes)
        taken = []
        for one in few:
            removal = kernel.remove(one)
            covering = tuple(_listing(entry, reasons) for entry in removal.covered_by)
            taken.append(Taken(one, removal.was_listed, True, covering))
        removed = done = sum(one.was_listed for one in taken)
        if len(prefixes) > len(taken):
            for piece in _pieces(prefixes.batch(until=0, tag=0)):
                removed += kernel.discard(piece)
                done += len(piece)
                progress(done)
        return Takes(removed, True, tuple(taken))

    def _check(self, name: str, prefixes: Prefixes, *, really: bool) -> tuple[Network, ...]:
        if name == ALLOW:
            self._refuse_broad(
                prefixes, really=really, words="everything from it would be let through unseen"
            )
            return ()
        self._refuse_broad(prefixes, really=really, words="it would drop a large part of the Internet")
        for address, whose in self._protected():
            hit = prefixes.those_with(address)
            if hit is not None and not really:
                raise InvalidInput(
                    f"{hit} holds {address}, {whose}",
                    field="PREFIX",
                    hint="nothing was changed; --yes-really blocks it all the same",
                )
        allowed = [one.network for one in self.entries(ALLOW)]
        for network_ in allowed:
            if hit := _within(prefixes, network_):
                raise Conflict(
                    f"{hit} is on the allow list (as {network_}), which comes first: "
                    "nothing of it would be dropped",
                    field="PREFIX",
                    hint=f"rempart shield disallow {network_}",
                )
        return tuple(one for one in allowed if prefixes.those_with(one.network_address) is not None)

    def _refuse_broad(self, prefixes: Prefixes, *, really: bool, words: str) -> None:
        for one in prefixes.networks:
            if one.prefixlen < (BROAD4 if one.version == 4 else BROAD6) and not really:
                raise InvalidInput(
                    f"{one} is very broad: {words}",
                    field="PREFIX",
                    hint="nothing was changed; --yes-really does it all the same",
                )

    def _protected(self) -> Iterator[tuple[Address, str]]:
        """Addresses whose blocking would cut off us, or whoever gives the command."""
        if self._shield is not None:
            for key in self._shield.maps["addresses"].keys():  # noqa: SIM118 - a map is no dict
                yield layout.address_of(key), "an address of this machine"
        else:
            for address in choosing.own_addresses(network.look()):
                yield address, "an address of this machine"
        with contextlib.suppress(ValueError, IndexError):
            # sshd(8): client address and port, server address and port.
            client = os.environ.get("SSH_CONNECTION", "").split()[0].partition("%")[0]
            yield ipaddress.ip_address(client), "from where you are connected by ssh"

    def _refuse_configured(self, networks: Iterable[Network]) -> None:
        configured = {ipaddress.ip_network(one) for one in self._configuration.shield.allow}
        for one in networks:
            if one in configured:
                raise Conflict(
                    f"{one} is allowed by shield.allow in the configuration",
                    field="PREFIX",
                    hint="take it out there and start rempart up again",
                )

    def _verify(self, kernel: lists.PrefixList, prefixes: Prefixes) -> None:
        for one in prefixes.few(VERIFIED):
            if not any(entry.network == one for entry in kernel.covering(one)):
                raise Conflict(
                    f"{one} was put on the list, and is not on it: another process takes entries off",
                    field="PREFIX",
                )

    # --- reading -------------------------------------------------------------------------------

    def entries(self, name: str) -> Iterator[Listing]:
        """All that hold, from the kernel, or from disk where no shield is loaded."""
        kernel, reasons = self._kernel(name), self._reasons()
        if kernel is not None:
            for entry in kernel.entries():
                yield _listing(entry, reasons)
            return
        if name == ALLOW:
            for text in self._configuration.shield.allow:
                yield Listing(ipaddress.ip_network(text), 0, "shield.allow", configured=True)
        for one, until, tag in self._stores[name].load().living(time.time_ns()):
            yield Listing(one, until, reasons.get(tag, ""))

    def most_hit(self, count: int) -> tuple[Listing, ...]:
        """Blocked entries that have dropped the most."""
        kernel, reasons = self._kernel(BLOCK), self._reasons()
        if kernel is None:
            return ()
        return tuple(_listing(one, reasons) for one in kernel.most_hit(count) if one.packets)

    def sizes(self) -> Mapping[str, int]:
        """Entries of each list, as of now."""
        found = {}
        for name in (BLOCK, ALLOW):
            kernel = self._kernel(name)
            stored = kernel.size() if kernel is not None else len(self._stores[name].load())
            found[name] = stored
        return found

    # --- for the part --------------------------------------------------------------------------

    def restore(self) -> tuple[str, ...]:
        """Put into the kernel what is on disk and has not expired; in words, what could not be had.

        For a kernel that has forgotten its lists: hits of what is on them begin anew. What is wrong with
        one list keeps nobody from having the other.
        """
        faults = []
        for name in (BLOCK, ALLOW):
            kernel = self._kernel(name)
            if kernel is None:
                continue
            try:
                keeping.restore(kernel, self._stores[name])
            except RempartError as error:
                faults.append(str(error))
        return tuple(faults)

    def compact(self) -> tuple[str, ...]:
        """Forget on disk what has expired; in words, what was damaged and moved aside for it. For root, whose
        the folder is."""
        return tuple(fault for store in self._stores.values() if (fault := keeping.compact(store)))

    # --- reasons in words ----------------------------------------------------------------------

    def _reasons(self) -> Mapping[int, str]:
        try:
            known = json.loads((self._folder / "reasons.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return {int(tag): str(words) for tag, words in known.items()} if isinstance(known, dict) else {}

    def _tag(self, reason: str) -> int:
        """The tag that stands for these words; a new one when nobody has given them before."""
        if not reason:
            return BY_HAND
        with _held(self._folder / "reasons.lock"):
            known = dict(self._reasons())
            for tag, words in known.items():
                if words == reason:
                    return tag
            if len(known) >= REASONS_MAX:
                raise InvalidInput(f"there are {REASONS_MAX:,} different reasons already", field="--reason")
            tag = max(known, default=REASON_TAGS - 1) + 1
            fresh = self._folder / ".reasons.json.new"
            fresh.write_text(json.dumps({**known, tag: reason}, ensure_ascii=False))
            fresh.chmod(0o640)
            fresh.replace(self._folder / "reasons.json")
        return tag


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _listing(entry: Entry, reasons: Mapping[int, str]) -> Listing:
    configured = entry.tag == CONFIGURED
    words = "shield.allow" if configured else reasons.get(entry.tag, "")
    return Listing(entry.network, entry.until, words, entry.packets, entry.bytes, configured)


def _pieces(batch: Batch) -> Iterator[Batch]:
    for start in range(0, len(batch.v4), CHUNK):
        yield Batch(v4=batch.v4[start : start + CHUNK])
    for start in range(0, len(batch.v6), CHUNK):
        yield Batch(v6=batch.v6[start : start + CHUNK])


def _around(one: Network, stored: Iterable[Network]) -> tuple[Listing, ...]:
    found = (other for other in stored if other != one and other.version == one.version)
    return tuple(Listing(other, 0, "") for other in found if _inside(one, other))


def _within(prefixes: Prefixes, around: Network) -> Network | None:
    """A given prefix that lies in ``around``."""
    for one in prefixes.networks:
        if one.version == around.version and _inside(one, around):
            return one
    if around.version == 4:
        first, last = int(around.network_address), int(around.broadcast_address)
        found = prefixes.hosts4[(prefixes.hosts4 >= first) & (prefixes.hosts4 <= last)]
        if len(found):
            return ipaddress.ip_network(int(found[0]))
    return None


def _inside(one: Network, around: Network) -> bool:
    return one.prefixlen >= around.prefixlen and one.network_address in around
