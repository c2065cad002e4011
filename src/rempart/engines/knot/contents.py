"""What is in a zone: read from the running server, compared with the items, made equal in one transaction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence

from rempart.engines.contract import ItemView
from rempart.engines.knot.membership import Connect
from rempart.engines.knot.records import Records, RRsetKey, absolute, differences, owned, parse_item
from rempart.engines.knot.session import BLOCKING, CONTENTS_AND_JOURNAL, FORCED, ControlSession
from rempart.engines.knot.soa import (
    Soa,
    desired_soa,
    first_serial,
    parse_soa,
    same_but_serial,
    serial_add,
    serial_greater,
)
from rempart.engines.knot.transactions import Tally, commit
from rempart.model.errors import EngineRefused, InvalidInput
from rempart.snapshot.items import RRsetItem, ZoneItem

SIGNED_AT_ONCE_MAX = 1_000
"""RRsets of an unsigned zone that Knot is let sign by itself.

Knot 3.2.6 signs in a background thread, whose stack (1 MiB) ends in a recursion over the names of an unsigned
zone: knotd was seen to die from 5,000 names on, and again at each start. Filled anew, a zone is signed by the
commit, on another path and in a thread with another stack: 60,000 names were.
"""
EMPTY_DEADLINE_S = 30.0
EMPTY_POLL_S = 0.01
WHOLE_FROM = 64
"""From this many changed RRsets on, one reading of the whole zone is cheaper than one for each."""


class Contents:
    """The contents of zones in the running server."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._last_serials: dict[str, int] = {}

    def remember_serial(self, name: str) -> None:
        """Called before ``name`` is removed: should it come back at once, its serial goes on from there.

        Only a serial that the clock has not yet passed is worth remembering, so nothing gathers here.
        """
        now = int(time.time())
        self._last_serials = {
            zone: serial for zone, serial in self._last_serials.items() if not serial_greater(now, serial)
        }
        try:
            serial = self.serial(name)
        except EngineRefused:
            return  # knotd does not serve it
        if serial is not None and not serial_greater(now, serial):
            self._last_serials[name] = serial

    def serial(self, name: str) -> int | None:
        """The serial the zone is served under; None when it has no contents. Raises EngineRefused."""
        zone = absolute(name)
        with self._connect() as session:
            soa = _soa(session.read(zone, (zone, "SOA")))
        return soa.serial if soa else None

    def equalise(
        self, item: ZoneItem, view: ItemView, tally: Tally, rrsets: Sequence[tuple[str, str]] | None = None
    ) -> None:
        """Make the zone equal to ``item`` and its RRsets; with ``rrsets``, look at these (name, type) alone.

        Raises EngineRefused when Knot does not know the zone.
        """
        zone = absolute(item.name)
        with self._connect() as session:
            if rrsets is not None and len(rrsets) < WHOLE_FROM:
                keys = _readable(rrsets)
                apex = [(zone, "SOA"), (zone, "RRSIG")]
                rows = [row for key in (*apex, *keys) for row in session.read(zone, key)]
                if _soa(rows) is not None and _is_signed(rows, zone) is item.dnssec:
                    wanted = [view.get(f"rrset/{item.name}/{name}/{type_}") for name, type_ in rrsets]
                    rows = [row for row in rows if row.key in keys or row.type == "SOA"]
                    self._commit(session, item, rows, wanted, tally)
                    return
            rows = session.read(zone)
            if item.dnssec and _soa(rows) is not None and not _is_signed(rows, zone):
                # A zone that has just become signed. A commit would sign only what it touches.
                if len(rows) > SIGNED_AT_ONCE_MAX:
                    self._empty(session, item.name, rows)
                else:
                    session.execute("zone-sign", zone=zone, flags=BLOCKING)
                tally.commands += 1
                tally.changed.add(zone)
                rows = session.read(zone)
            self._commit(session, item, rows, view.under(f"rrset/{item.name}/"), tally)

    def prepare_signing(self, name: str, tally: Tally) -> None:
        """Empty the zone when it is too large to be signed as it is; to be called before it becomes signed.

        It answers SERVFAIL until it is filled again, some seconds for ten thousand names.
        """
        zone = absolute(name)
        with self._connect() as session:
            rows = session.read(zone)
            if len(rows) > SIGNED_AT_ONCE_MAX and not _is_signed(rows, zone):
                self._empty(session, name, rows)
                tally.commands += 1

    def _empty(self, session: ControlSession, name: str, rows: Iterable[Records]) -> None:
        soa = _soa(rows)
        if soa is not None:
            self._last_serials[name] = soa.serial
        zone = absolute(name)
        session.execute("zone-purge", zone=zone, flags=FORCED + BLOCKING, filters=CONTENTS_AND_JOURNAL)
        deadline = time.monotonic() + EMPTY_DEADLINE_S
        while session.read(zone, (zone, "SOA")):
            if time.monotonic() > deadline:
                raise EngineRefused("knot", "the zone was not emptied", item=name)
            time.sleep(EMPTY_POLL_S)

    def _commit(
        self,
        session: ControlSession,
        item: ZoneItem,
        rows: Sequence[Records],
        wanted: Iterable[object],
        tally: Tally,
    ) -> None:
        desired: dict[RRsetKey, Records] = {}
        for one in wanted:
            if isinstance(one, RRsetItem):
                try:
                    records = parse_item(one, signed=item.dnssec)
                except InvalidInput as error:
                    tally.refuse(one.key, str(error))
                    continue
                desired[records.key] = records
        changes = differences(desired, owned(rows, item.name, signed=item.dnssec))
        soa = self._next_soa(item, _soa(rows))
        if soa is not None or changes:
            commit(session, absolute(item.name), soa, changes, tally)

    def _next_soa(self, item: ZoneItem, observed: Soa | None) -> Soa | None:
        """The SOA to set; None when the one there is right. Knot counts the serial up on other changes."""
        if observed is None:
            return desired_soa(item, first_serial(int(time.time()), self._last_serials.get(item.name)))
        if same_but_serial(desired_soa(item, observed.serial), observed):
            return None
        return desired_soa(item, serial_add(observed.serial, 1))


def _readable(rrsets: Iterable[tuple[str, str]]) -> frozenset[RRsetKey]:
    """Keys of the RRsets that can be there at all; an item under an impossible name is refused elsewhere."""
    keys: set[RRsetKey] = set()
    for name, type_ in rrsets:
        with contextlib.suppress(InvalidInput):
            keys.add((absolute(name), type_))
    return frozenset(keys)


def _soa(rows: Iterable[Records]) -> Soa | None:
    return next((parse_soa(row.rdata[0], row.ttl) for row in rows if row.type == "SOA"), None)


def _is_signed(rows: Iterable[Records], zone: str) -> bool:
    return any(row.type == "RRSIG" and row.owner == zone for row in rows)
