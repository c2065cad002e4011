"""One write: rows are changed through it; ``settle`` compiles what they touch, checks the plan, publishes.

A write that ends in an exception leaves nothing behind. A write that changes no item publishes nothing, and
one that changes no row either is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from rempart.controller.intents.actor import Actor, ActorKind
from rempart.controller.intents.compilation import Compilation, Source
from rempart.controller.intents.reading import chunks
from rempart.controller.store import views
from rempart.controller.store.database import Store
from rempart.controller.store.published import body_of
from rempart.controller.store.tables import (
    AccountRow,
    AuditRow,
    CounterRow,
    DependencyRow,
    PublishedRow,
    ResolutionRow,
    SecondaryRow,
    ZoneRow,
)
from rempart.model.accounts import DEFAULT_ACCOUNT
from rempart.model.by_hand import ByHand
from rempart.model.configuration import SafetySection
from rempart.model.errors import NeedsConfirmation
from rempart.model.zones import Zone
from rempart.snapshot.build import standing_keys
from rempart.snapshot.items import Item
from rempart.snapshot.plan import Action, Before, Plan
from rempart.snapshot.surroundings import Surroundings

T = TypeVar("T")
SUMMARY_LINES = 20
"""Lines of a plan that its audit entry keeps."""


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """What a write came to. ``revision`` is the store's newest, whether or not this write raised it."""

    value: T
    revision: int
    plan: Plan


class Transaction:
    """A write in progress. ``session`` already holds the store's writing lock."""

    def __init__(
        self,
        store: Store,
        session: Session,
        actor: Actor,
        surroundings: Surroundings,
        safety: SafetySection,
        now: datetime,
        on_hand: Callable[[ByHand], None] = lambda _: None,
    ) -> None:
        """``on_hand`` is told before it happens; when it raises, nothing does."""
        self.session = session
        self.actor = actor
        self.surroundings = surroundings
        self.now = now
        self._store = store
        self._safety = safety
        self._on_hand = on_hand
        self._owners: dict[str, str] = {}
        self.compilation = Compilation(store, session)

    def touch(self, zone: Zone, name: str) -> None:
        """The records or the site of ``name`` change."""
        self._owners[zone.name] = zone.account_id
        self.compilation.touch(zone.id, zone.name, name)

    def touch_zone(self, zone: Zone) -> None:
        """Something changes that all names of the zone depend on."""
        self._owners[zone.name] = zone.account_id
        self.compilation.touch_zone(zone.id)

    def touch_zone_item(self, zone: Zone) -> None:
        """Only what the zone itself is served with changes."""
        self._owners[zone.name] = zone.account_id
        self.compilation.touch_zone_item(zone.id)

    def drop_zone(self, zone: Zone) -> None:
        """The zone's rows are deleted: everything published from it goes."""
        self._owners[zone.name] = zone.account_id
        self.compilation.drop_zone(zone.id, zone.name)

    def touch_resolution(self, name: str) -> None:
        """The addresses of an outside name change."""
        self.compilation.touch_resolution(name)

    def put(self, key: str, item: Item | None) -> None:
        """The item under ``key``, for items that are not compiled from a zone's rows."""
        self.compilation.put(key, item)

    def touch_everything(self) -> None:
        """The surroundings change."""
        for zone in self.session.scalars(select(ZoneRow)):
            self.touch_zone(views.zone(zone))

    def settle(
        self,
        value: T,
        action: str,
        subject: str,
        *,
        zone: str | None = None,
        account: str | None = None,
        confirm: str | None = None,
        explicit: bool = False,
        unconditional: bool = False,
        losses: tuple[str, ...] = (),
        recorded: bool = True,
    ) -> Written[T]:
        """Compile, check and publish. ``unconditional``: the plan needs nobody's confirmation.

        ``losses``: what of the owner's goes, in words, so that it must be confirmed however little it is.
        ``recorded``: an audit entry is written even when no item changes. ``account``: whose affair it
        is, where neither actor nor zone tells. Raises NeedsConfirmation.
        """
        self.session.flush()
        self.surroundings = with_secondaries(self.session, self.surroundings)
        self.compilation.run(self.surroundings)
        planned = self.compilation.plan()
        if not unconditional:
            self._check(planned, confirm, explicit, losses)
        self._tell_by_hand(action, planned)
        revision = self._publish(planned)
        self._write_dependencies()
        if planned or recorded:
            owner = account or self.actor.account_id or (None if zone is None else self._owners.get(zone))
            self._record(action, subject, owner, zone, revision, planned)
        return Written(value, revision, planned)

    def _tell_by_hand(self, action: str, planned: Plan) -> None:
        """Cases are carried out by the controller itself; what is left is what the operator does alone."""
        if self.actor.kind is not ActorKind.OPERATOR:
            return
        if all(step.action is Action.ADD for step in planned.steps):
            return
        mine = self.session.scalars(select(AccountRow.id).where(AccountRow.name == DEFAULT_ACCOUNT)).one()
        theirs = tuple(sorted(zone for zone, account in self._owners.items() if account != mine))
        if theirs:
            counts = planned.summary(0).splitlines()[0]
            self._on_hand(
                ByHand(action=action, zones=theirs, plan=planned.digest, counts=counts, at=self.now)
            )

    def _check(self, planned: Plan, confirm: str | None, explicit: bool, losses: tuple[str, ...]) -> None:
        reasons = losses or planned.reasons(self._safety, self._before(planned), explicit=explicit)
        if reasons and confirm != planned.digest:
            raise NeedsConfirmation(
                "; ".join(reasons), digest=planned.digest, reasons=reasons, summary=planned.summary()
            )

    def _before(self, planned: Plan) -> Before:
        """Counts as of before the plan, counted no further than the thresholds can tell apart."""
        standing = frozenset(
            key for zone in planned.zones_losing for key in standing_keys(zone, self.surroundings)
        )
        rrsets = {
            zone: self._count(f"rrset/{zone}/", self._enough(planned.deletions(zone, standing)), standing)
            for zone in planned.zones_losing
        }
        gone = planned.site_deletions
        sites = self._count("site/", self._enough(gone)) if gone else 0
        return Before(rrsets=rrsets, sites=sites, standing=standing)

    def _enough(self, gone: int) -> int:
        return max(self._safety.delete_minimum, int(gone / self._safety.delete_share)) + 2

    def _count(self, prefix: str, most: int, without: frozenset[str] = frozenset()) -> int:
        """Items whose key begins with ``prefix`` (which ends in a slash), ``most`` at most."""
        end = prefix[:-1] + chr(ord("/") + 1)
        keys = select(PublishedRow.key).where(
            PublishedRow.key >= prefix,
            PublishedRow.key < end,
            PublishedRow.body.is_not(None),
            PublishedRow.key.not_in(without),
        )
        return self.session.scalars(select(func.count()).select_from(keys.limit(most).subquery())).one()

    def _publish(self, planned: Plan) -> int:
        counter = self.session.scalars(select(CounterRow)).one()
        moved = [
            {"key": key, "zone": source.zone, "owner": source.owner}
            for key in self.compilation.moved()
            for source in (self.compilation.source_of(key),)
        ]
        if moved:
            self.session.execute(update(PublishedRow), moved)
        if not planned:
            return counter.revision
        counter.revision += 1
        fresh: list[dict[str, object]] = []
        changed: list[dict[str, object]] = []
        for step in planned.steps:
            source = self.compilation.source_of(step.key)
            columns = self._columns(step.key, step.item.kind, step.after, source, counter.revision)
            (changed if self.compilation.has_row(step.key) else fresh).append(columns)
        if fresh:
            self.session.execute(insert(PublishedRow), fresh)
        if changed:
            self.session.execute(update(PublishedRow), changed)
        return counter.revision

    def _columns(
        self, key: str, kind: str, item: Item | None, source: Source, revision: int
    ) -> dict[str, object]:
        return {
            "key": key,
            "revision": revision,
            "kind": kind,
            "zone": source.zone,
            "owner": source.owner,
            "body": None if item is None else body_of(item, self._store.seal),
            "changed_on": self.now,
        }

    def _write_dependencies(self) -> None:
        for zone_id, wanted in self.compilation.dependencies.items():
            if self.session.get(ZoneRow, zone_id) is None:
                continue
            held: set[tuple[str, str]] = set()
            for chunk in chunks(wanted):
                rows = select(DependencyRow.name, DependencyRow.key).where(
                    DependencyRow.zone_id == zone_id, DependencyRow.name.in_(chunk)
                )
                held.update((name, key) for name, key in self.session.execute(rows))
            needed = {(name, key) for name, keys in wanted.items() for key in keys}
            for name, key in held - needed:
                self.session.execute(
                    delete(DependencyRow).where(
                        DependencyRow.zone_id == zone_id,
                        DependencyRow.name == name,
                        DependencyRow.key == key,
                    )
                )
            added = [{"zone_id": zone_id, "name": name, "key": key} for name, key in needed - held]
            if added:
                self.session.execute(insert(DependencyRow), added)
                self._want_resolved({row["key"] for row in added})

    def _want_resolved(self, keys: set[str]) -> None:
        names = sorted(key.partition("/")[2] for key in keys if key.startswith("resolution/"))
        for chunk in chunks(names):
            known = set(self.session.scalars(select(ResolutionRow.name).where(ResolutionRow.name.in_(chunk))))
            fresh = [
                {
                    "name": name,
                    "addresses": [],
                    "ttl": 0,
                    "asked": False,
                    "refresh_at": self.now,
                    "problem": "",
                }
                for name in chunk
                if name not in known
            ]
            if fresh:
                self.session.execute(insert(ResolutionRow), fresh)

    def _record(
        self,
        action: str,
        subject: str,
        account: str | None,
        zone: str | None,
        revision: int,
        planned: Plan,
    ) -> None:
        self.session.add(
            AuditRow(
                at=self.now,
                actor_kind=self.actor.kind.value,
                actor_id=self.actor.id,
                action=action,
                subject=subject,
                account_id=account,
                zone=zone,
                revision=revision,
                digest=planned.digest,
                summary=planned.summary(SUMMARY_LINES),
            )
        )


def with_secondaries(session: Session, surroundings: Surroundings) -> Surroundings:
    """The surroundings with the names of the secondaries that there are now."""
    names = session.scalars(select(SecondaryRow.ns_name).where(SecondaryRow.ns_name.is_not(None)))
    return surroundings.model_copy(update={"secondary_names": tuple(sorted(name for name in names if name))})
