"""The door to all intents: made once per process, shared by its threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from rempart.controller.intents.accounts import AccountIntents
from rempart.controller.intents.actor import SYSTEM
from rempart.controller.intents.audit import AuditTrail
from rempart.controller.intents.bundles import BundleIntents
from rempart.controller.intents.certificates import CertificateIntents
from rempart.controller.intents.context import Context
from rempart.controller.intents.records import RecordIntents
from rempart.controller.intents.resolutions import ResolutionIntents
from rempart.controller.intents.secondaries import SecondaryIntents
from rempart.controller.intents.sites import SiteIntents
from rempart.controller.intents.tokens import TokenIntents
from rempart.controller.intents.transaction import Written, with_secondaries
from rempart.controller.intents.zone_keys import ZoneKeyIntents
from rempart.controller.intents.zones import ZoneIntents
from rempart.controller.store import epochs
from rempart.controller.store.database import Store
from rempart.controller.store.published import Published, forget
from rempart.controller.store.tables import CounterRow
from rempart.model.by_hand import ByHand
from rempart.model.configuration import Configuration
from rempart.snapshot.build import BUILD_VERSION
from rempart.snapshot.surroundings import Surroundings


def _now() -> datetime:
    return datetime.now(UTC)


class Intents:
    """``accounts``, ``tokens``, ``zones``, ``zone_keys``, ``bundles``, ``records``, ``sites``,
    ``certificates``, ``secondaries``, ``resolutions``, ``audit``; and ``published``, what nodes are fed
    from."""

    def __init__(
        self,
        store: Store,
        configuration: Configuration,
        *,
        edge_addresses: tuple[str, ...] = (),
        own_addresses: tuple[str, ...] = (),
        clock: Callable[[], datetime] = _now,
        on_commit: Callable[[], None] = lambda: None,
        on_hand: Callable[[ByHand], None] = lambda _: None,
    ) -> None:
        """``edge_addresses`` stand in for a configuration that names none; ``own_addresses`` are the
        machine's, which no origin may be at the edge's ports. ``on_commit`` is called, from the writing
        thread, after every commit that raised the revision. ``on_hand``: see ``Transaction``."""
        surroundings = Surroundings.of(
            configuration, edge_addresses=edge_addresses, own_addresses=own_addresses
        )
        self._context = Context(store, configuration, surroundings, clock, on_commit, on_hand)
        self.published = Published(store)
        self.accounts = AccountIntents(self._context)
        self.tokens = TokenIntents(self._context)
        self.zones = ZoneIntents(self._context)
        self.zone_keys = ZoneKeyIntents(self._context)
        self.bundles = BundleIntents(self._context)
        self.records = RecordIntents(self._context)
        self.sites = SiteIntents(self._context)
        self.certificates = CertificateIntents(self._context)
        self.secondaries = SecondaryIntents(self._context)
        self.resolutions = ResolutionIntents(self._context)
        self.audit = AuditTrail(self._context)

    @property
    def context(self) -> Context:
        """What other rooms of the controller write through."""
        return self._context

    def apply_configuration(self) -> Written[bool]:
        """Begin an epoch of the store's history. Compile everything again if configuration, edge addresses or
        Rempart's own compiler changed since the store was last compiled; the value says whether that was so.
        Call it at every start.

        Needs no confirmation: the operator's configuration is one.
        """
        with self._context.writing(SYSTEM) as write:
            epochs.begin(write.session)
            surroundings = with_secondaries(write.session, self._context.surroundings)
            digest = hashlib.sha256(f"{BUILD_VERSION} {surroundings.model_dump_json()}".encode()).hexdigest()
            counter = write.session.get_one(CounterRow, 1)
            changed = counter.surroundings != digest
            if changed:
                write.touch_everything()
                counter.surroundings = digest
            return write.settle(changed, "configuration.apply", "", unconditional=True, recorded=changed)

    def forget_deletions(self, before: datetime) -> int:
        """Drop deletions published before ``before`` (see ``FORGET_AFTER``); how many went."""
        with self._context.store.writing() as session:
            return forget(session, before)
