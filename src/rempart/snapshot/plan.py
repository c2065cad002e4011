"""What a change would do before it is done: a diff of items, its digest, and whether it must be confirmed.

Every write passes here between compilation and publication. A plan that deletes a large share, touches an
apex NS RRset or leaves a zone empty is carried out only when it is repeated with the digest of exactly
what it would do. Thresholds: ``SafetySection``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from rempart.model.configuration import SafetySection
from rempart.snapshot.items import (
    CertificateItem,
    EdgeOrigin,
    Item,
    ItemChange,
    KeysItem,
    RRsetItem,
    SecondaryItem,
    SiteItem,
    ZoneItem,
)

LINES_MAX = 200


class Action(StrEnum):
    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"


_SIGN = {Action.ADD: "+", Action.CHANGE: "~", Action.DELETE: "-"}


@dataclass(frozen=True, slots=True)
class Step:
    """One item before and after. At least one of them is there, and they differ."""

    key: str
    before: Item | None
    after: Item | None

    @property
    def action(self) -> Action:
        if self.before is None:
            return Action.ADD
        return Action.DELETE if self.after is None else Action.CHANGE

    @property
    def item(self) -> Item:
        """The item after the step, or the one that goes."""
        item = self.after if self.after is not None else self.before
        assert item is not None, self.key  # noqa: S101 - true of every Step that plan() makes
        return item

    @property
    def line(self) -> str:
        """The step for people: sign, kind, what it is, old → new."""
        subject, old, new = _subject(self.item), _content(self.before), _content(self.after)
        content = f"{old} → {new}" if self.action is Action.CHANGE else old or new
        return f"{_SIGN[self.action]} {self.item.kind} {subject} {content}".rstrip()


@dataclass(frozen=True, slots=True)
class Count:
    """How many items of one kind a plan adds, changes and deletes."""

    kind: str
    add: int
    change: int
    delete: int


@dataclass(frozen=True, slots=True)
class Before:
    """How much there was before a plan. Counts may stop once they are too large to matter for a threshold."""

    rrsets: Mapping[str, int]
    """Zone → its RRsets, those without its owner's doing (apex NS and glue) left out."""
    sites: int = 0
    standing: frozenset[str] = frozenset()
    """Keys of the RRsets that were left out."""


@dataclass(frozen=True)
class Plan:
    """Steps in key order."""

    steps: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)

    @cached_property
    def digest(self) -> str:
        """16 hex digits over what would be done: equal plans have equal ones, now and later.

        Secrets and identifiers drawn at random for each attempt are left out.
        """
        sha = hashlib.sha256()
        for line in sorted(f"{_sign_of(step)}\0{_identity(step)}" for step in self.steps):
            sha.update(line.encode())
            sha.update(b"\n")
        return sha.hexdigest()[:16]

    @cached_property
    def counts(self) -> tuple[Count, ...]:
        """Counts per kind, kinds in alphabetical order."""
        found = Counter((step.item.kind, step.action) for step in self.steps)
        return tuple(
            Count(kind, *(found[kind, action] for action in Action))
            for kind in sorted({kind for kind, _ in found})
        )

    @property
    def zones_losing(self) -> frozenset[str]:
        """Zones of which RRsets are deleted."""
        return frozenset(
            step.item.zone
            for step in self.steps
            if isinstance(step.item, RRsetItem) and step.action is Action.DELETE
        )

    def deletions(self, zone: str, standing: frozenset[str] = frozenset()) -> int:
        """RRsets of ``zone`` that would go, standing ones left out. A name whose addresses are written
        another way afterwards (A instead of CNAME, say, when it is proxied) loses none of them."""
        return sum(
            step.key not in standing and not self._is_replaced(step.item)
            for step in self._rrset_steps(zone, Action.DELETE)
        )

    @property
    def site_deletions(self) -> int:
        return sum(step.action is Action.DELETE for step in self.steps if step.item.kind == "site")

    def lines(self, limit: int = LINES_MAX) -> Iterator[str]:
        """The steps for people; what is beyond ``limit`` is counted in a last line."""
        for step in self.steps[:limit]:
            yield step.line
        if len(self.steps) > limit:
            yield f"… and {len(self.steps) - limit} more"

    def summary(self, limit: int = LINES_MAX) -> str:
        """Counts, then the lines."""
        heads = [f"{one.kind}: +{one.add} ~{one.change} -{one.delete}" for one in self.counts]
        return "\n".join([", ".join(heads) or "no change", *self.lines(limit)])

    def reasons(self, safety: SafetySection, before: Before, *, explicit: bool = False) -> tuple[str, ...]:
        """Why the plan must be confirmed; empty when it need not be.

        ``explicit``: the plan is one command naming the one thing that goes, so that emptying something
        small is what was asked for.
        """
        reasons = [
            f"changes the apex NS RRset of {step.item.zone}"
            for step in self.steps
            if _is_apex_ns(step.item) and _names_others(step) and not self._drops_zone(step.item)
            if isinstance(step.item, RRsetItem)
        ]
        for zone in sorted(self.zones_losing):
            gone = self.deletions(zone, before.standing)
            there = before.rrsets.get(zone, 0)
            left = there - self._count(zone, Action.DELETE, before) + self._count(zone, Action.ADD, before)
            reasons += _reasons_of_share(f"RRsets of {zone}", gone, there, left, safety, explicit)
        gone, there = self.site_deletions, before.sites
        added = sum(step.action is Action.ADD for step in self.steps if step.item.kind == "site")
        return tuple(
            reasons + _reasons_of_share("sites", gone, there, there - gone + added, safety, explicit)
        )

    def _rrset_steps(self, zone: str, action: Action) -> Iterator[Step]:
        return (
            step
            for step in self.steps
            if step.action is action and isinstance(step.item, RRsetItem) and step.item.zone == zone
        )

    def _count(self, zone: str, action: Action, before: Before) -> int:
        return sum(step.key not in before.standing for step in self._rrset_steps(zone, action))

    def _is_replaced(self, item: Item) -> bool:
        return isinstance(item, RRsetItem) and _is_address(item) and item.rrset.name in self._newly_addressed

    @cached_property
    def _newly_addressed(self) -> frozenset[str]:
        """Names that get an address RRset of a type they did not have."""
        return frozenset(
            step.after.rrset.name
            for step in self.steps
            if step.action is Action.ADD and isinstance(step.after, RRsetItem) and _is_address(step.after)
        )

    def _drops_zone(self, item: Item) -> bool:
        return isinstance(item, RRsetItem) and item.zone in self._zones_dropped

    @cached_property
    def _zones_dropped(self) -> frozenset[str]:
        return frozenset(
            step.before.name
            for step in self.steps
            if isinstance(step.before, ZoneItem) and step.after is None
        )


def plan(before: Mapping[str, Item], changes: Iterable[ItemChange]) -> Plan:
    """The plan that ``changes`` make of the published items ``before``. What changes nothing is left out."""
    steps = (Step(change.key, before.get(change.key), change.item) for change in changes)
    return Plan(
        tuple(sorted((step for step in steps if step.before != step.after), key=lambda step: step.key))
    )


def _reasons_of_share(
    what: str, gone: int, there: int, left: int, safety: SafetySection, explicit: bool
) -> list[str]:
    if gone == 0:
        return []
    counts = there >= safety.delete_minimum
    if left <= 0 and (counts or not explicit):
        return [f"deletes all {gone} {what}"]
    if counts and gone / there > safety.delete_share:
        return [f"deletes {gone} of {there} {what}, more than {safety.delete_share:.0%}"]
    return []


def _is_apex_ns(item: Item) -> bool:
    return isinstance(item, RRsetItem) and item.rrset.type == "NS" and item.rrset.name == item.zone


def _names_others(step: Step) -> bool:
    """Whether an RRset that was there is gone, or has other data. A TTL alone sends nobody elsewhere."""
    before, after = step.before, step.after
    if not isinstance(before, RRsetItem):
        return False
    return not isinstance(after, RRsetItem) or after.rrset.rdata != before.rrset.rdata


def _is_address(item: RRsetItem) -> bool:
    return item.rrset.type in ("A", "AAAA", "CNAME")


def _sign_of(step: Step) -> str:
    return _SIGN[step.action]


def _identity(step: Step) -> str:
    if isinstance(step.item, SecondaryItem):
        return f"{step.item.kind}\0{step.item.address}\0{step.item.port}"
    bodies = (item.model_dump_json() if item is not None else "" for item in (step.before, step.after))
    return "\0".join((step.key, *bodies))


def _subject(item: Item) -> str:
    match item:
        case ZoneItem():
            return item.name
        case RRsetItem():
            return f"{item.rrset.name} {item.rrset.type}"
        case SiteItem():
            return item.host
        case CertificateItem():
            return item.id[:16]
        case KeysItem():
            return item.held.zone
        case SecondaryItem():
            return f"{item.address} port {item.port}"


def _content(item: Item | None) -> str:
    match item:
        case None:
            return ""
        case ZoneItem():
            return f"{item.soa_mname} {item.soa_rname}{' DNSSEC' if item.dnssec else ''}"
        case RRsetItem():
            return f"{item.rrset.ttl} {_some(item.rrset.rdata)}"
        case SiteItem():
            redirect = " https" if item.https_redirect else ""
            return f"{_some([_server(one) for one in item.origins]) or 'no origin'}{redirect} {_limits(item)}"
        case CertificateItem():
            return _some(item.hosts)
        case KeysItem():
            return _some([str(key.tag) for key in item.held.keys])
        case SecondaryItem():
            return item.tsig_name


def _server(origin: EdgeOrigin) -> str:
    host = f"[{origin.address}]" if ":" in origin.address else origin.address
    tls = "" if origin.tls == "off" else f" tls={origin.tls}"
    backup = " backup" if origin.backup else ""
    return f"{host}:{origin.port}{tls}{backup} weight={origin.weight} max={origin.max_connections}"


def _limits(item: SiteItem) -> str:
    limits = item.limits
    return f"limits={limits.requests_per_client}/{limits.requests_per_site}/{limits.connections_per_client}"


def _some(texts: Iterable[str], most: int = 4, longest: int = 160) -> str:
    """The first few of ``texts``, cut where they grow too long for a line."""
    all_texts = list(texts)
    shown = ", ".join(all_texts[:most])
    if len(shown) > longest:
        shown = shown[:longest] + "…"
    return shown + (f" and {len(all_texts) - most} more" if len(all_texts) > most else "")
