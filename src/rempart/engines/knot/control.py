"""The name server as an engine: makes a running knotd equal to the items."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.dnssectypes import DSDigest
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.dnskeybase import Flag

from rempart.engines.contract import ApplyReport, ItemView
from rempart.engines.knot.boot import BootFiles
from rempart.engines.knot.changes import sort_changes
from rempart.engines.knot.compile import CONTROL_TIMEOUT_S, catalog_name, local_catalog_name
from rempart.engines.knot.contents import Contents
from rempart.engines.knot.keys import KeyExchange
from rempart.engines.knot.membership import Membership
from rempart.engines.knot.records import absolute
from rempart.engines.knot.reminders import Reminders
from rempart.engines.knot.session import NO_SUCH_ZONE, ControlSession
from rempart.engines.knot.signing import Signing
from rempart.engines.knot.statistics import Counter, KnotStatistics, statistics
from rempart.engines.knot.transactions import Tally
from rempart.model.configuration import Configuration
from rempart.model.errors import EngineRefused, EnvironmentLacks, InvalidInput, NotFound
from rempart.model.zone_keys import ZoneKeys
from rempart.snapshot.items import ItemChange, ZoneItem

ALIVE_TIMEOUT_S = 5


class KnotEngine:
    """Knot DNS as the node sees it; see engines.contract.Engine.

    A zone that is removed is purged by Knot: contents, journal, timers, and its DNSSEC keys as Knot knows
    them. What Knot signs a zone with is told to the controller (``keys_to_tell``), which keeps it and has any
    Knot sign with it that the zone comes to; see ``signing``. Signing off and on again keeps the key.
    """

    name = "knot"

    def __init__(self, config: Configuration) -> None:
        """Raises InvalidInput when the catalog's name is not a domain name."""
        self._socket = config.paths.knot_socket
        self._reserved = frozenset({catalog_name(config), local_catalog_name(config)})
        self._boot = BootFiles(config)
        self._membership = Membership(
            self._connect, local=local_catalog_name(config), public=catalog_name(config)
        )
        self._contents = Contents(self._connect)
        self._signing = Signing(self._connect, KeyExchange(self._connect, config.paths.knot))
        self._reminders = Reminders()

    def _connect(self, timeout_s: int = CONTROL_TIMEOUT_S) -> ControlSession:
        return ControlSession(self._socket, timeout_s)

    def write_boot_files(self, view: ItemView) -> None:
        """Write knot.conf. Zones are not in it: knotd finds them in its own database.

        Raises EnvironmentLacks when it cannot be written, EngineRefused when Knot would not start from it.
        """
        self._boot.write(view)

    def alive(self) -> bool:
        try:
            with self._connect(ALIVE_TIMEOUT_S) as session:
                session.execute("status")
        except (EnvironmentLacks, EngineRefused):
            return False
        return True

    def apply(self, changes: Sequence[ItemChange], view: ItemView) -> ApplyReport:
        """Follow ``changes``. RRsets whose zone is not yet in ``view`` wait: it brings them along."""
        tally = Tally()
        asked = sort_changes(changes)
        if asked.secondaries:
            self._boot.follow(self._connect, view, tally)
        items = {one.name: self._zone(view.get(f"zone/{one.name}"), tally) for one in asked.zones}
        wanted = {one.name: _signing(items[one.name]) for one in asked.zones if one.zone}
        moved = self._follow_membership(wanted, tally)
        for one in asked.zones:
            item = items[one.name]
            if one.zone and item is not None:
                self._signing.prepare(item, view, tally, moved=one.name in moved)
            if item is not None:
                self._follow_contents(item, None if one.name in moved else one.rrsets, view, tally)
        self._signing.look_at((item for one in asked.zones if one.zone and (item := items[one.name])), view)
        self._signing.told(asked.keys)
        self._membership.publish((name for name, signed in wanted.items() if signed is not None), tally)
        self._remember_to_remind(view, tally)
        return _report(tally)

    def reconcile(self, view: ItemView) -> ApplyReport:
        """Read every zone knotd serves and mend what differs from ``view``."""
        tally = Tally()
        self._boot.follow(self._connect, view, tally)
        items = [item for found in view.under("zone/") if (item := self._zone(found, tally))]
        wanted = {item.name: item.dnssec for item in items}
        wanted = {name: signed is True for name, signed in self._prepare_signing(wanted, tally).items()}
        for name in self._membership.served():
            if name not in wanted:
                self._contents.remember_serial(name)
        moved = self._membership.equalise(wanted, tally)
        for item in items:
            self._signing.prepare(item, view, tally, moved=item.name in moved)
            self._follow_contents(item, None, view, tally)
        self._signing.look_at(items, view, served=self.dnskey_records)
        self._membership.publish(wanted, tally, all_there_are=True)
        self._remember_to_remind(view, tally)
        return _report(tally)

    def look_after(self) -> None:
        """Notify secondaries once more of what changed a while ago. Raises EnvironmentLacks."""
        zones = self._reminders.take(time.monotonic())
        if not zones:
            return
        with self._connect() as session:
            for zone in zones:
                with contextlib.suppress(EngineRefused):  # it is gone meanwhile
                    session.execute("zone-notify", zone=zone)

    def keys_to_tell(self) -> ZoneKeys | None:
        """The keys of one zone that the controller does not know of; None when there is none. Raises
        EnvironmentLacks. It is asked for again until an item of them comes, or until ``forget``."""
        return self._signing.next()

    def forget_keys(self, zone: str) -> None:
        """Nobody wants the zone's keys."""
        self._signing.told((zone,))

    def _remember_to_remind(self, view: ItemView, tally: Tally) -> None:
        if tally.changed and any(True for _ in view.under("secondary/")):
            self._reminders.changed(tally.changed, time.monotonic())

    def _zone(self, item: object, tally: Tally) -> ZoneItem | None:
        """``item`` when it is a zone that can be served."""
        if not isinstance(item, ZoneItem):
            return None
        try:
            if absolute(item.name) != f"{item.name}.":
                raise InvalidInput("not in lower case, or with a trailing dot", field="name")
            if item.name in self._reserved:
                raise InvalidInput("the name of a catalog zone", field="name")
        except InvalidInput as error:
            tally.refuse(item.key, str(error))
            return None
        return item

    def _follow_membership(self, wanted: Mapping[str, bool | None], tally: Tally) -> frozenset[str]:
        """Returns the zones whose contents must be looked at whole."""
        if not wanted:
            return frozenset()
        for name, signing in wanted.items():
            if signing is None:
                self._contents.remember_serial(name)
        return self._membership.follow(self._prepare_signing(wanted, tally), tally)

    def _prepare_signing(self, wanted: Mapping[str, bool | None], tally: Tally) -> dict[str, bool | None]:
        """``wanted``, less the signing of zones that cannot be made ready for it."""
        ready = dict(wanted)
        for name in self._membership.becoming_signed(wanted):
            try:
                self._contents.prepare_signing(name, tally)
            except EngineRefused as error:
                tally.refuse(f"zone/{name}", error.message)
                ready[name] = False
        return ready

    def _follow_contents(
        self, item: ZoneItem, rrsets: Sequence[tuple[str, str]] | None, view: ItemView, tally: Tally
    ) -> None:
        try:
            try:
                self._contents.equalise(item, view, tally, rrsets)
            except EngineRefused as error:
                if error.message != NO_SUCH_ZONE:
                    raise
                # Knot lost it, or never had it: what a reconciliation would find, mended on the spot.
                self._membership.follow({item.name: item.dnssec}, tally)
                self._contents.equalise(item, view, tally)
                self._membership.publish((item.name,), tally)
        except (EngineRefused, InvalidInput) as error:
            tally.refuse(item.key, str(error))

    def zone_serial(self, zone: str) -> int | None:
        """The serial ``zone`` is served under; None while it is empty. Raises NotFound, EnvironmentLacks."""
        try:
            return self._contents.serial(zone)
        except EngineRefused as error:
            raise NotFound(error.message, field=zone) from None

    def dnskey_records(self, zone: str) -> tuple[str, ...]:
        """The zone's DNSKEY rdata in presentation format; empty when it is not signed.

        Raises NotFound when knotd does not serve the zone, EnvironmentLacks when it does not answer.
        """
        apex = absolute(zone)
        try:
            with self._connect() as session:
                rows = session.read(apex, (apex, "DNSKEY"))
        except EngineRefused as error:
            raise NotFound(error.message, field=zone) from None
        return tuple(text for row in rows for text in row.rdata)

    def ds_records(self, zone: str) -> tuple[str, ...]:
        """DS rdata for the parent (SHA-256, RFC 4509), one for each key that may sign the others.

        Raises as dnskey_records does.
        """
        name = dns.name.from_text(absolute(zone))
        found: list[str] = []
        for text in self.dnskey_records(zone):
            key = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DNSKEY, text)
            if isinstance(key, DNSKEY) and key.flags & Flag.SEP:
                found.append(dns.dnssec.make_ds(name, key, DSDigest.SHA256).to_text())
        return tuple(sorted(found))

    def statistics(self) -> KnotStatistics:
        """What knotd has counted since it started. Raises EnvironmentLacks when it does not answer."""
        with self._connect() as session:
            replies = session.execute("stats")
        return statistics(
            Counter(reply.section, reply.item, reply.id, int(reply.data)) for reply in replies if reply.data
        )


def _signing(item: ZoneItem | None) -> bool | None:
    return item.dnssec if item is not None else None


def _report(tally: Tally) -> ApplyReport:
    return ApplyReport(
        commands=tally.commands,
        refusals=tuple(tally.refusals),
        pending=tally.pending,
        incomplete=tally.pending,  # a zone that Knot has not taken up yet
    )
