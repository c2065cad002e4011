"""Which zones knotd serves: changes to the catalog, and waiting until they have become zones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from rempart.engines.knot import catalog
from rempart.engines.knot.records import Records, RRsetKey, absolute, differences
from rempart.engines.knot.session import NO_SUCH_ZONE, ControlSession, Reply
from rempart.engines.knot.soa import first_serial
from rempart.engines.knot.transactions import Tally, commit
from rempart.model.errors import EngineRefused

DEADLINE_S = 60.0
"""Seconds a change of the catalog may take to become zones; 10,000 took 0.2 s."""
POLL_S = 0.005
WHOLE_FROM = 64
"""From this many zones on, one reading of the catalog is cheaper than one for each."""

Connect = Callable[[], ControlSession]


class Membership:
    """The catalog zone in the running server."""

    def __init__(self, connect: Connect, catalog_name: str) -> None:
        self._connect = connect
        self._name = catalog_name
        self._zone = absolute(catalog_name)

    def follow(self, wanted: Mapping[str, bool | None], tally: Tally) -> frozenset[str]:
        """Make the members of ``wanted`` (name → signed; None: not a member) so. Others stay as they are.

        Returns the zones that were added, or moved between signed and unsigned.
        """
        keys = {key for zone in wanted for key in catalog.member_keys(self._name, zone)}
        with self._connect() as session:
            if len(wanted) >= WHOLE_FROM:
                rows = session.read(self._zone)
            else:
                rows = [row for key in keys for row in session.read(self._zone, key)]
                rows += session.read(self._zone, (self._zone, "SOA"))
        born = not any(row.type == "SOA" for row in rows)
        observed = {row.key: row for row in rows if row.key in keys}
        signed = {zone: value for zone, value in wanted.items() if value is not None}
        desired = {
            row.key: row
            for zone, value in signed.items()
            for row in catalog.member_records(self._name, zone, value)
        }
        if born:
            desired |= {row.key: row for row in catalog.apex_records(self._name)}
        return self._carry(observed, desired, signed, born, tally)

    def equalise(self, wanted: Mapping[str, bool], tally: Tally) -> frozenset[str]:
        """Make ``wanted`` (name → signed) all the members there are. Returns what ``follow`` does."""
        with self._connect() as session:
            rows = session.read(self._zone)
        born = not any(row.type == "SOA" for row in rows)
        observed = {row.key: row for row in rows if row.type != "SOA"}
        return self._carry(observed, catalog.desired_records(self._name, wanted), wanted, born, tally)

    def listed(self) -> frozenset[str]:
        """The catalog's members."""
        with self._connect() as session:
            return frozenset(catalog.members(session.read(self._zone)))

    def _carry(
        self,
        observed: Mapping[RRsetKey, Records],
        desired: Mapping[RRsetKey, Records],
        wanted: Mapping[str, bool],
        born: bool,
        tally: Tally,
    ) -> frozenset[str]:
        changes = differences(desired, observed)
        before = catalog.members(observed.values())
        soa = catalog.soa(first_serial(int(time.time()), None)) if born else None
        if changes or soa:
            with self._connect() as session:
                commit(session, self._zone, soa, changes, tally)
        removed = dict.fromkeys(zone for zone in before if zone not in wanted)
        arrived = self._wait({**wanted, **removed}, tally)
        return frozenset(zone for zone in arrived if zone in wanted and before.get(zone) is not wanted[zone])

    def _wait(self, expected: Mapping[str, bool | None], tally: Tally) -> frozenset[str]:
        """Wait until knotd has made zones of the catalog's members; those it has are returned.

        Knot takes a catalog's changes up in the background, after a commit and after a start.
        """
        deadline = time.monotonic() + DEADLINE_S
        while True:
            served = self._served(expected)
            arrived = frozenset(zone for zone, signed in expected.items() if served.get(zone) is signed)
            if len(arrived) == len(expected):
                return arrived
            if time.monotonic() > deadline:
                tally.pending = True
                return arrived
            time.sleep(POLL_S)

    def _served(self, zones: Iterable[str]) -> dict[str, bool]:
        """Which of ``zones`` knotd serves, and whether as signed; perhaps others too."""
        asked = tuple(zones)
        with self._connect() as session:
            if len(asked) >= WHOLE_FROM:
                return _groups(session.execute("zone-status"))
            found: dict[str, bool] = {}
            for zone in asked:
                try:
                    found |= _groups(session.execute("zone-status", zone=absolute(zone)))
                except EngineRefused as error:
                    if error.message != NO_SUCH_ZONE:
                        raise
            return found


def _groups(replies: Iterable[Reply]) -> dict[str, bool]:
    """From ``zone-status``: members of an interpreted catalog say ``catalog: NAME.#GROUP``."""
    return {
        reply.zone.rstrip("."): reply.data.rpartition("#")[2] == catalog.SIGNED
        for reply in replies
        if reply.type == "catalog" and "#" in reply.data
    }
