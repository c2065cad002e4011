"""Carry operations into one zone: one transaction when all is well, the good ones alone when some are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rempart.engines.contract import Refusal
from rempart.engines.knot.records import Operation, RRsetChange
from rempart.engines.knot.session import NO_SUCH_ZONE, ControlSession
from rempart.engines.knot.soa import Soa
from rempart.model.errors import EngineRefused


@dataclass(slots=True)
class Tally:
    """What an application has done so far."""

    commands: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    pending: bool = False
    changed: set[str] = field(default_factory=set)
    """Zones (absolute) whose serial has grown."""

    def refuse(self, key: str, reason: str) -> None:
        self.refusals.append(Refusal(key=key, reason=reason))


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a transaction was not carried out: some ``changes`` by themselves, or (none named) all together."""

    reason: str = ""
    changes: tuple[tuple[RRsetChange, str], ...] = ()


def commit(
    session: ControlSession, zone: str, soa: Soa | None, changes: Sequence[RRsetChange], tally: Tally
) -> bool:
    """Carry out ``changes``, with a new SOA first when one is given. False when nothing at all was taken.

    A record that Knot cannot read is refused and the others are tried again. When the zone as a whole would
    break its rules (a CNAME beside other data), the culprits are found by halving; the rest is committed.
    """
    failure = _attempt(session, zone, soa, changes)
    if failure is not None and failure.changes:
        for change, reason in failure.changes:
            tally.refuse(change.item_key(zone.rstrip(".")), reason)
        bad = {id(change) for change, _ in failure.changes}
        changes = [change for change in changes if id(change) not in bad]
        if not changes and soa is None:
            return False
        failure = _attempt(session, zone, soa, changes)
    if failure is None:
        tally.commands += 1
        tally.changed.add(zone)
        return True
    if soa is not None:
        if not changes:
            tally.refuse(f"zone/{zone.rstrip('.')}", failure.reason)
            return False
        return commit(session, zone, soa, (), tally) and commit(session, zone, None, changes, tally)
    if len(changes) == 1:
        tally.refuse(changes[0].item_key(zone.rstrip(".")), f"the zone would not be valid: {failure.reason}")
        return False
    middle = len(changes) // 2
    first = commit(session, zone, None, changes[:middle], tally)
    return commit(session, zone, None, changes[middle:], tally) or first


def _attempt(
    session: ControlSession, zone: str, soa: Soa | None, changes: Sequence[RRsetChange]
) -> _Failure | None:
    """One transaction: all of it, or nothing and the reasons."""
    session.begin(zone)
    refused: list[tuple[RRsetChange, str]] = []
    try:
        if soa is not None:
            _carry(session, zone, Operation(True, zone, "SOA", soa.ttl, soa.rdata))
        for change in changes:
            try:
                for operation in change.operations:
                    _carry(session, zone, operation)
            except EngineRefused as error:
                refused.append((change, error.message))
        if not refused:
            session.execute("zone-commit", zone=zone)
            return None
    except EngineRefused as error:
        if error.message == NO_SUCH_ZONE:
            raise
        session.execute("zone-abort", zone=zone)
        return _Failure(reason=error.message)
    session.execute("zone-abort", zone=zone)
    return _Failure(changes=tuple(refused))


def _carry(session: ControlSession, zone: str, operation: Operation) -> None:
    session.execute(
        "zone-set" if operation.add else "zone-unset",
        zone=zone,
        owner=operation.owner,
        ttl=operation.ttl,
        type=operation.type,
        data=operation.rdata,
    )
