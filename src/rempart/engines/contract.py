"""What every engine's controller offers to the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from rempart.model.base import Value
from rempart.model.zone_keys import ZoneKeys
from rempart.snapshot.items import Item, ItemChange


class Refusal(Value):
    """One item that the engine did not take, and its words."""

    key: str
    reason: str


class ApplyReport(Value):
    """What an application did. Items that were refused leave the engine as it was for them."""

    commands: int = 0
    """Commands (or transactions) carried out; 0 when the engine was equal already."""
    refusals: tuple[Refusal, ...] = ()
    pending: bool = False
    """Something must be tried again soon (a draining server not yet deletable, a full pool)."""
    incomplete: bool = False
    """What is pending is not served yet; when it is only tidying up, this is False."""
    needs_reload: bool = False
    """The engine must be reloaded from new boot files before everything is live."""


class ItemView(Protocol):
    """The node's whole desired state, read by key or by kind. Backed by the node's last-good store."""

    def get(self, key: str) -> Item | None: ...

    def under(self, prefix: str) -> Iterable[Item]:
        """Items whose key begins with ``prefix``, in key order: ``site/``, ``rrset/example.org/`` …"""
        ...


class ItemTable:
    """A desired state held in memory: for measurements, tests, and whoever has no store of items."""

    def __init__(self, items: Mapping[str, Item]) -> None:
        self._items = dict(sorted(items.items()))

    @classmethod
    def of(cls, *items: Item) -> ItemTable:
        return cls({item.key: item for item in items})

    def get(self, key: str) -> Item | None:
        return self._items.get(key)

    def under(self, prefix: str) -> Iterable[Item]:
        return [item for key, item in self._items.items() if key.startswith(prefix)]


class Engine(Protocol):
    """An engine as the node sees it. All methods block and are called from one thread at a time."""

    name: str

    def write_boot_files(self, view: ItemView) -> None:
        """Write, atomically, the files from which the engine starts in the desired state."""
        ...

    def apply(self, changes: Sequence[ItemChange], view: ItemView) -> ApplyReport:
        """Make the running engine follow ``changes``; ``view`` already holds them. Idempotent.

        Raises EnvironmentLacks when the engine cannot be reached.
        """
        ...

    def reconcile(self, view: ItemView) -> ApplyReport:
        """Read what the running engine has, and make it equal to ``view``."""
        ...

    def alive(self) -> bool:
        """True when the engine answers its control socket."""
        ...


@runtime_checkable
class LooksAfter(Protocol):
    """An engine with work that comes due by the clock alone."""

    def look_after(self) -> None:
        """Do what is due. Called about once a second while the engine answers; raises EnvironmentLacks."""
        ...


@runtime_checkable
class ServesSites(Protocol):
    """An engine that passes visitors on to origins."""

    def sites_down(self) -> tuple[str, ...]:
        """Hosts of the sites no origin of which can serve, sorted. Raises EnvironmentLacks."""
        ...


@runtime_checkable
class TellsKeys(Protocol):
    """An engine that makes keys which must outlive it."""

    def keys_to_tell(self) -> ZoneKeys | None:
        """Keys that the controller does not know of; None when there are none. Raises EnvironmentLacks."""
        ...

    def forget_keys(self, zone: str) -> None:
        """They need not be told again."""
        ...
