"""Carry operations into one zone: one transaction when all is well, the good ones alone when some are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rempart.engines.contract import Refusal
from rempart.engines.knot.records import Operation, RRsetChange
from rempart.engines.knot.session import NO_SUCH_ZONE, ControlSession
from rempart.engines.knot.soa import Soa
from rempart.model.errors import EngineRefused

GENTLE = "the zone would not be valid with it"


@dataclass(slots=True)
class Tally:
    """What an application has done so far."""

    commands: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    pending: bool = False

    def refuse(self, key: str, reason: str) -> None:
        self.refusals.append(Refusal(key=key, reason=reason))


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a transaction failed: at one change, or as a whole (``change`` None)."""

    reason: str
    change: RRsetChange | None = None


def commit(
    session: ControlSession, zone: str, soa: Soa | None, changes: Sequence[RRsetChange], tally: Tally
) -> bool:
    """Carry out ``changes``, with a new SOA first when one is given. False when nothing at all was taken.

    A record that Knot cannot read, or a zone that would break its rules (a CNAME beside other data), fails
    the transaction. Then the culprits are found by halving and refused alone; everything else is committed.
    """
    failure = _attempt(session, zone, soa, changes)
    if failure is None:
        tally.commands += 1
        return True
    if failure.change is not None:
        tally.refuse(failure.change.item_key(zone.rstrip(".")), failure.reason)
        rest = [change for change in changes if change is not failure.change]
        return bool(rest or soa) and commit(session, zone, soa, rest, tally)
    if soa is not None:
        if not changes:
            tally.refuse(f"zone/{zone.rstrip('.')}", failure.reason)
            return False
        return commit(session, zone, soa, (), tally) and commit(session, zone, None, changes, tally)
    if len(changes) == 1:
        tally.refuse(changes[0].item_key(zone.rstrip(".")), f"{failure.reason}: {GENTLE}")
        return False
    middle = len(changes) // 2
    first = commit(session, zone, None, changes[:middle], tally)
    return commit(session, zone, None, changes[middle:], tally) or first


def _attempt(
    session: ControlSession, zone: str, soa: Soa | None, changes: Sequence[RRsetChange]
) -> _Failure | None:
    session.begin(zone)
    current: RRsetChange | None = None
    try:
        if soa is not None:
            _carry(session, zone, Operation(True, zone, "SOA", soa.ttl, soa.rdata))
        for current in changes:
            for operation in current.operations:
                _carry(session, zone, operation)
        current = None
        session.execute("zone-commit", zone=zone)
    except EngineRefused as error:
        if error.message == NO_SUCH_ZONE:
            raise
        session.execute("zone-abort", zone=zone)
        return _Failure(error.message, current)
    return None


def _carry(session: ControlSession, zone: str, operation: Operation) -> None:
    session.execute(
        "zone-set" if operation.add else "zone-unset",
        zone=zone,
        owner=operation.owner,
        ttl=operation.ttl,
        type=operation.type,
        data=operation.rdata,
    )
