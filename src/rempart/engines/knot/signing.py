"""Which keys a zone is signed with: those it brings along, and word of those that Knot has made for it.

A zone that is new here, or becomes signed, is signed with the keys of its item when it has one: before
anything is in it, so that no answer ever bears another key. A zone that is signed already keeps the keys it
has, whatever an item says: taking them away would lose it to every resolver that knows its DS. What it has is
told to the controller instead, which then knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rempart.engines.contract import ItemView
from rempart.engines.knot.keys import KeyExchange
from rempart.engines.knot.membership import Connect
from rempart.engines.knot.records import absolute
from rempart.engines.knot.session import BLOCKING
from rempart.engines.knot.transactions import Tally
from rempart.model.errors import EngineRefused, NotFound
from rempart.model.zone_keys import ZoneKeys, canonical_dnskey
from rempart.snapshot.items import KeysItem, ZoneItem


class Signing:
    """The keys of the running server's zones, as far as anybody beside Knot has to do with them."""

    def __init__(self, connect: Connect, exchange: KeyExchange) -> None:
        self._connect = connect
        self._exchange = exchange
        self._untold: dict[str, None] = {}

    def prepare(self, item: ZoneItem, view: ItemView, tally: Tally, *, moved: bool) -> None:
        """Bring the keys of a zone that is empty, or has just become signed (``moved``), when it has any."""
        held = _held(view, item.name)
        if not item.dnssec or held is None:
            return
        zone = absolute(item.name)
        try:
            with self._connect() as session:
                empty = not session.read(zone, (zone, "SOA"))
                if not empty and not moved:
                    return
            self._exchange.bring(held)
            tally.commands += 1
            if not empty:
                # Perhaps Knot has begun to sign by itself, with a key of its own.
                with self._connect() as session:
                    session.execute("zone-sign", zone=zone, flags=BLOCKING)
        except EngineRefused as error:
            tally.refuse(f"keys/{item.name}", error.message)

    def look_at(
        self,
        items: Iterable[ZoneItem],
        view: ItemView,
        *,
        served: Callable[[str], tuple[str, ...]] | None = None,
    ) -> None:
        """Note the signed zones of ``items`` whose keys the controller does not know of, or that ``served``
        shows to be signed with others than it knows."""
        for item in items:
            held = _held(view, item.name)
            if item.dnssec and (held is None or (served is not None and _differs(held, served))):
                self._untold[item.name] = None
            else:
                self._untold.pop(item.name, None)

    def next(self) -> ZoneKeys | None:
        """The keys of a zone that was noted; None when none was."""
        for zone in list(self._untold):
            try:
                found = self._exchange.take(zone)
            except EngineRefused:
                # Gone, or keys of no use to others: the next reconciliation looks again.
                del self._untold[zone]
                continue
            if found is not None:
                return found
        return None

    def told(self, zones: Iterable[str]) -> None:
        """Their keys are known."""
        for zone in zones:
            self._untold.pop(zone, None)


def _held(view: ItemView, zone: str) -> ZoneKeys | None:
    item = view.get(f"keys/{zone}")
    return item.held if isinstance(item, KeysItem) else None


def _differs(held: ZoneKeys, served: Callable[[str], tuple[str, ...]]) -> bool:
    try:
        return any(canonical_dnskey(one) not in held.public for one in served(held.zone))
    except NotFound:
        return False
