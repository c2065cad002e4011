"""Which zones knotd serves and secondaries follow: the two catalogs, and waiting for their effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from rempart.engines.knot import catalog
from rempart.engines.knot.records import Records, RRsetKey, absolute, differences
from rempart.engines.knot.session import NO_SUCH_ZONE, ControlSession, Reply
from rempart.engines.knot.soa import first_serial
from rempart.engines.knot.transactions import Tally, commit
from rempart.model.errors import EngineRefused, EnvironmentLacks

DEADLINE_S = 60.0
"""Seconds a change of the catalog may take to become zones; 10,000 took 0.2 s."""
POLL_S = 0.005
WHOLE_FROM = 64
"""From this many zones on, one reading of the whole is cheaper than one for each."""

Connect = Callable[[], ControlSession]


class CatalogZone:
    """A catalog zone in the running server."""

    def __init__(self, connect: Connect, name: str) -> None:
        self._connect = connect
        self._name = name
        self._zone = absolute(name)

    def follow(
        self, members: Mapping[str, str | None], others: Iterable[str], tally: Tally
    ) -> dict[str, str | None]:
        """Make ``members`` (name → group) members and ``others`` not; the rest stays as it is.

        Returns those of them that were members before.
        """
        keys = {key for zone in (*members, *others) for key in catalog.member_keys(self._name, zone)}
        if len(keys) >= WHOLE_FROM:
            rows = self._read()
        else:
            rows = [row for key in (*keys, (self._zone, "SOA")) for row in self._read(key)]
        observed = {row.key: row for row in rows if row.key in keys}
        desired = {
            row.key: row
            for zone, group in members.items()
            for row in catalog.member_records(self._name, zone, group)
        }
        if _born(rows):
            desired |= {row.key: row for row in catalog.apex_records(self._name)}
        return self._carry(rows, observed, desired, tally)

    def equalise(self, members: Mapping[str, str | None], tally: Tally) -> dict[str, str | None]:
        """Make ``members`` (name → group) all there are. Returns those there were before."""
        rows = self._read()
        observed = {row.key: row for row in rows if row.type != "SOA"}
        return self._carry(rows, observed, catalog.desired_records(self._name, members), tally)

    def members(self) -> frozenset[str]:
        """The zones that are members."""
        return frozenset(catalog.members(self._read()))

    def _read(self, key: RRsetKey | None = None) -> list[Records]:
        try:
            with self._connect() as session:
                return session.read(self._zone, key)
        except EngineRefused as error:
            raise EnvironmentLacks(
                "knotd",
                f"the name server does not have the catalog {self._name}: {error.message}",
                hint="it was started from another configuration; start it again",
            ) from None

    def _carry(
        self,
        rows: Iterable[Records],
        observed: Mapping[RRsetKey, Records],
        desired: Mapping[RRsetKey, Records],
        tally: Tally,
    ) -> dict[str, str | None]:
        changes = differences(desired, observed)
        soa = catalog.soa(first_serial(int(time.time()), None)) if _born(rows) else None
        if changes or soa:
            with self._connect() as session:
                commit(session, self._zone, soa, changes, tally)
        return catalog.members(observed.values())


class Membership:
    """The zones of this name server: made by the local catalog, told to secondaries by the public one."""

    def __init__(self, connect: Connect, *, local: str, public: str) -> None:
        self._connect = connect
        self._local = CatalogZone(connect, local)
        self._public = CatalogZone(connect, public)

    def served(self) -> frozenset[str]:
        """The zones knotd is told to serve."""
        return self._local.members()

    def becoming_signed(self, wanted: Mapping[str, bool | None]) -> tuple[str, ...]:
        """Those of ``wanted`` that are to be signed and are served unsigned now."""
        signed = [zone for zone, value in wanted.items() if value]
        running = self._running(dict.fromkeys(signed))
        return tuple(zone for zone in signed if running.get(zone) == catalog.UNSIGNED)

    def follow(self, wanted: Mapping[str, bool | None], tally: Tally) -> frozenset[str]:
        """Make zones of ``wanted`` (name → signed) and drop others (name → None). Any other zone stays.

        Returns the zones that are new, or moved between signed and unsigned. The new ones are not yet told to
        secondaries, who would come for them before there is anything in them: see publish.
        """
        groups, others = _groups(wanted)
        if others:
            self._public.follow({}, others, tally)
        before = self._local.follow(groups, others, tally)
        return self._settle(groups, before, tally)

    def equalise(self, wanted: Mapping[str, bool], tally: Tally) -> frozenset[str]:
        """Make ``wanted`` (name → signed) all the zones there are. Returns what follow does."""
        groups, _ = _groups(wanted)
        extra = self._public.members() - frozenset(wanted)
        if extra:
            self._public.follow({}, extra, tally)
        before = self._local.equalise(groups, tally)
        return self._settle(groups, before, tally)

    def publish(self, zones: Iterable[str], tally: Tally, *, all_there_are: bool = False) -> None:
        """Tell secondaries of ``zones``, whose contents are in place."""
        members = dict.fromkeys(zones)
        if all_there_are:
            self._public.equalise(members, tally)
        elif members:
            self._public.follow(members, (), tally)

    def _settle(
        self, groups: Mapping[str, str | None], before: Mapping[str, str | None], tally: Tally
    ) -> frozenset[str]:
        """Wait until knotd has made zones of its members, and dropped those that no longer are.

        Knot takes a catalog's changes up in the background, after a commit and after a start.
        """
        expected: dict[str, str | None] = {**dict.fromkeys(before), **groups}
        deadline = time.monotonic() + DEADLINE_S
        while True:
            running = self._running(expected)
            arrived = frozenset(zone for zone, group in expected.items() if running.get(zone) == group)
            if len(arrived) == len(expected):
                break
            if time.monotonic() > deadline:
                tally.pending = True
                break
            time.sleep(POLL_S)
        return frozenset(zone for zone in arrived if zone in groups and before.get(zone) != groups[zone])

    def _running(self, zones: Mapping[str, object]) -> dict[str, str]:
        """Which of ``zones`` knotd serves, and in which group; perhaps others too."""
        with self._connect() as session:
            if len(zones) >= WHOLE_FROM:
                return _status(session.execute("zone-status"))
            found: dict[str, str] = {}
            for zone in zones:
                try:
                    found |= _status(session.execute("zone-status", zone=absolute(zone)))
                except EngineRefused as error:
                    if error.message != NO_SUCH_ZONE:
                        raise
            return found


def _born(rows: Iterable[Records]) -> bool:
    """True when the catalog has no SOA: it is yet to be made."""
    return not any(row.type == "SOA" for row in rows)


def _groups(wanted: Mapping[str, bool | None]) -> tuple[dict[str, str | None], frozenset[str]]:
    """Members by group, and who is not to be one."""
    members: dict[str, str | None] = {
        zone: catalog.group(signed) for zone, signed in wanted.items() if signed is not None
    }
    return members, frozenset(wanted) - frozenset(members)


def _status(replies: Iterable[Reply]) -> dict[str, str]:
    """From ``zone-status``: members of an interpreted catalog say ``catalog: NAME.#GROUP``."""
    return {
        reply.zone.rstrip("."): reply.data.rpartition("#")[2]
        for reply in replies
        if reply.type == "catalog" and "#" in reply.data
    }
