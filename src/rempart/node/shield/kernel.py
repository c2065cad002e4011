"""The program in the kernel as the part sees it: told what the machine is like, read, kept clean. The rim.

Where it stands: between ``service.py`` and ``engines.shield``. Everything told is compared with what was told
last, so a beat in which nothing has changed writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from ipaddress import ip_network
from typing import Any, Self

from rempart.engines.shield import layout, lists, loader, ring, rules, tables
from rempart.engines.shield.entries import Batch
from rempart.engines.shield.layout import Meter, Reason, Verdict
from rempart.engines.shield.libbpf import Mode
from rempart.engines.shield.ring import Samples
from rempart.model.attacks import Measure, Records
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks, InvalidInput, RempartError
from rempart.model.shield import ShieldOrders, ShieldRule, When
from rempart.node.shield import choosing
from rempart.node.shield.capturing import end_forgotten
from rempart.node.shield.orders import orders
from rempart.node.shield.rule_files import kept_rules
from rempart.node.shield.rule_sets import derived, is_derived, mitigation_of, together
from rempart.node.shield.sampled import Rates, packet_records
from rempart.node.shield.sampling import Seen
from rempart.node.shield.state import ListSizes
from rempart.node.shield.surroundings import Surroundings
from rempart.node.shield.window_scale import window_scale

OBJECT = "shield.bpf.o"
SAMPLES_MAX = 5_000
"""Read at one beat; a flood's further ones are lost, and counted as such."""
CONFIGURED, BY_HAND = 1, 2
"""Tags of list entries: from ``shield.allow``, and from ``rempart shield block|allow``."""
_MODES = {"auto": None, "native": Mode.NATIVE, "generic": Mode.GENERIC}


@dataclass(frozen=True, slots=True)
class Readings:
    """What the program has counted so far."""

    counts: Mapping[str, tuple[int, int]]
    """Reason -> packets, bytes."""
    lost_samples: int
    lost_captures: int
    syn_cookies: bool
    dns_challenge: bool


def program_bytes() -> bytes:
    """The compiled program. EnvironmentLacks when it was not built."""
    try:
        return resources.files("rempart.engines.shield").joinpath(OBJECT).read_bytes()
    except OSError as error:
        raise EnvironmentLacks(
            OBJECT, f"the compiled packet program {OBJECT} is missing", hint="bin/setup compiles it"
        ) from error


class Kernel:
    """One loaded shield."""

    def __init__(self, configuration: Configuration, shield: loader.Shield) -> None:
        self._configuration = configuration
        self._shield = shield
        self._allowed = lists.allowed(shield)
        self._blocked = lists.blocked(shield)
        self._ring = ring.Ring(shield.maps["samples"])
        self._sizes = ListSizes()
        self._window_scale = window_scale()
        self._told: dict[str, Any] = {}
        self._place: tuple[Surroundings, tuple[str, ...]] = (Surroundings(), ())
        self._wish: tuple[Measure, int | None] = (Measure(0), None)
        self._of_loop: tuple[ShieldRule, ...] = ()
        self._rates = Rates(0, configuration.shield.sample_dropped)
        self.timestamps = False
        """The kernel takes options out of timestamps that are ours (``sysctls.py``)."""

    @classmethod
    def adopt(cls, configuration: Configuration) -> Self:
        """What is pinned for this node. Raises NotFound when nothing is, EnvironmentLacks."""
        return cls(configuration, loader.adopt(configuration.shield_pins))

    @property
    def program_id(self) -> int:
        return self._shield.program.id

    # --- telling -------------------------------------------------------------------------------

    def tell(self, found: Surroundings, interfaces: tuple[str, ...]) -> None:
        """Make the program's tables fit the machine: what it was told before goes on until then.

        Raises EngineRefused, Conflict (another process holds the lock).
        """
        section = self._configuration.shield
        self._place = (found, interfaces)
        own = choosing.own_addresses(found)[: choosing.OWN_ADDRESSES_MAX]
        wanted = self._orders()
        # The settings come last: until then a program that is new passes everything.
        steps = (
            ("own", own, lambda: tables.own(self._shield, own)),
            ("services", *self._services()),
            ("martians", *self._martians(found, interfaces)),
            ("allow", section.allow, self._allow),
            ("orders", wanted, lambda: tables.configure(self._shield, wanted)),
        )
        for name, value, write in steps:
            if self._told.get(name) != value:
                write()
                self._told[name] = value

    def follow(self, measures: Measure, sample_passed: int | None) -> None:
        """What the defence loop wishes from now on, beside the operator's section. Raises as ``tell``
        does."""
        self._wish = (measures, sample_passed)
        wanted = self._orders()
        if self._told.get("orders") not in (None, wanted):
            before = self._rates
            tables.configure(self._shield, wanted)
            self._told["orders"] = wanted
            if wanted.sample_passed != before.passed:
                now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
                self._rates = Rates(wanted.sample_passed, wanted.sample_dropped, now, before.passed)

    def _orders(self) -> ShieldOrders:
        found, interfaces = self._place
        measures, sample_passed = self._wish
        return orders(
            self._configuration.shield,
            found,
            interfaces,
            window_scale=self._window_scale,
            timestamps=self.timestamps,
            measures=measures,
            sample_passed=sample_passed,
        )

    def enforce(self, rules_: Sequence[ShieldRule]) -> None:
        """Have these rules of the defence loop, numbered by their mitigations, behind the operator's.

        Raises EngineRefused, Conflict.
        """
        self._of_loop = tuple(map(derived, rules_))
        try:
            given = kept_rules(self._configuration.paths)
        except InvalidInput:
            # Their file is spoilt, which is said elsewhere: what the program has of them stays.
            rules.replace(self._shield, self._of_loop, keep=lambda number: not is_derived(number))
        else:
            rules.replace(self._shield, together(given, self._of_loop))

    def derived(self) -> frozenset[int]:
        """The mitigations whose rules are in the program."""
        record = rules.active(self._shield)
        numbers = (int(one["id"]) for one in record["rule"][: int(record["count"])])
        return frozenset(mitigation_of(one) for one in numbers if is_derived(one))

    def hits(self) -> Mapping[int, int]:
        """Packets that the rules of the defence loop have met, by mitigation."""
        return {
            mitigation_of(number): count.packets
            for number, count in rules.hits(self._shield).items()
            if is_derived(number)
        }

    def _services(self) -> tuple[Any, Any]:
        wanted = choosing.services(self._configuration)
        return wanted, lambda: tables.serve(self._shield, wanted)

    def _martians(self, found: Surroundings, interfaces: tuple[str, ...]) -> tuple[Any, Any]:
        wanted = choosing.martians(found, interfaces)
        return wanted, lambda: tables.martians(self._shield, wanted)

    def _allow(self) -> None:
        """The configuration's prefixes on the list, and none that it no longer has."""
        wanted = [ip_network(one) for one in self._configuration.shield.allow]
        before = [one.network for one in self._allowed.entries() if one.tag == CONFIGURED]
        self._allowed.add(Batch.of(wanted, tag=CONFIGURED))
        for network in set(before) - set(wanted):
            self._allowed.remove(network)

    # --- interfaces ----------------------------------------------------------------------------

    def attach(self, interface: str, mode: str) -> loader.Attachment:
        """``mode``: native, generic, or auto.

        Raises NotFound, Conflict (something else is attached), EngineRefused (the driver cannot).
        """
        with self._shield.lock():
            return self._shield.attach(interface, _MODES[mode])

    def detach(self, interface: str) -> None:
        with self._shield.lock():
            self._shield.detach(interface)

    def attached(self) -> tuple[str, ...]:
        """Where it is now, whoever has attached it."""
        return tuple(one.interface for one in self._shield.attachments())

    def remove(self) -> None:
        """Off everywhere, and forgotten."""
        try:
            self._shield.remove()
        except PermissionError:
            # The empty folder, in root's. It is given to the next process as it is.
            if any(self._configuration.shield_pins.iterdir()):
                raise

    # --- reading -------------------------------------------------------------------------------

    def readings(self) -> Readings:
        counts = tables.counters(self._shield)
        lost_samples, lost_captures = tables.lost(self._shield)
        when = self._orders().dns_challenge
        challenge = tables.meter(self._shield, Meter.DNS).active
        return Readings(
            counts={one.name: (counts[one].packets, counts[one].bytes) for one in Reason},
            lost_samples=lost_samples,
            lost_captures=lost_captures,
            syn_cookies=self.cookies_are_made(),
            dns_challenge=when is When.ALWAYS or (when is When.ABOVE and challenge),
        )

    def cookies_are_made(self) -> bool:
        """As docs/shield.md, step 8, has it."""
        told = self._orders()
        return any(
            when is When.ALWAYS or (when is When.ABOVE and tables.meter(self._shield, meter).active)
            for when, meter in ((told.syn_cookies, Meter.SYN), (told.dns_challenge, Meter.DNS))
        )

    def totals(self) -> Any:
        """Packets and bytes by reason, as numbers (``tables.totals``)."""
        return tables.totals(self._shield)

    def take(self) -> Samples | None:
        """The samples that have come since the last call; None where none has."""
        raw = self._ring.read(SAMPLES_MAX)
        return ring.samples(raw) if raw else None

    def records(self, found: Samples, *, cookies: bool, most: int) -> Records:
        """Samples as the defence loop looks at them. ``cookies``: they were made all the while."""
        return packet_records(found, self._rates, cookies=cookies, most=most)

    def dropped(self, found: Samples) -> tuple[Seen, ...]:
        """Of samples, those of packets that were dropped or answered, for whoever asks from where they
        came."""
        section = self._configuration.shield
        rows = found.rows[found.rows["verdict"] != Verdict.PASS]
        return tuple(
            Seen(
                str(layout.address_of(row["vector"]["source"]["bytes"].tobytes())),
                Reason(int(row["reason"])).name,
                section.sample_dropped,
            )
            for row in rows
        )

    def sweep(self) -> int:
        """Remove what has expired, of as many entries as take little time; how many went."""
        end_forgotten(self._configuration.paths, self._shield)
        allowed, blocked = self._allowed.sweep(), self._blocked.sweep()
        self._sizes = ListSizes(
            allowed=allowed.entries,
            blocked=blocked.entries,
            rules=self._rules(),
        )
        return allowed.removed + blocked.removed

    def _rules(self) -> int:
        # The set in the kernel is a map of its own that only its number leads to, and opening a map by number
        # needs CAP_SYS_ADMIN.
        try:
            return len(together(kept_rules(self._configuration.paths), self._of_loop))
        except RempartError:
            return 0

    def sizes(self) -> ListSizes:
        """As of the last time the sweeper was through."""
        return self._sizes

    def restore(self) -> tuple[str, ...]:
        """Have the lists and rules that were given by hand, where the kernel has forgotten them.

        What could not be had, in words: a damaged list protects nobody from anything, and the rest does.
        """
        # Here and not above: it needs to know what is here.
        from rempart.node.shield.by_hand import Lists

        faults: list[str] = []
        # A list that ever had an entry has its flag; one that was being filled when we were killed has the
        # mark.
        mark = self._configuration.paths.shield_state.with_name("restoring")
        if mark.exists() or not tables.flags(self._shield) & tables.LISTS:
            try:
                mark.touch()
                faults += Lists(self._configuration, self._shield).restore()
                mark.unlink()
            except (RempartError, OSError) as error:
                faults.append(str(error))
        if self._shield.maps["rules"].lookup(bytes(4)) is None:
            try:
                if kept := kept_rules(self._configuration.paths):
                    rules.replace(self._shield, kept)
            except RempartError as error:
                faults.append(f"the rules of before do not hold: {error}")
        return tuple(faults)
