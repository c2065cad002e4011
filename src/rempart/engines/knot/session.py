"""Knot's control socket: one typed command at a time.

knotd serves its control connections one after another, so a session is kept as short as the work on one zone.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from libknot.control import (
    KnotCtl,
    KnotCtlData,
    KnotCtlDataIdx,
    KnotCtlError,
    KnotCtlErrorConnect,
    KnotCtlType,
)

from rempart.engines.knot.records import Records, RRsetKey, absolute
from rempart.model.errors import EngineRefused, EnvironmentLacks

NO_SUCH_ZONE = "no such zone found"
NO_SUCH_NODE = "no such node in zone found"
OPEN_TRANSACTION = "too many transactions"
"""Knot's own words, by which its answers are told apart."""

BLOCKING = "B"
"""Flag: answer when the event is over, not when it is queued."""
FORCED = "F"
"""Flag: what zone-purge asks for, so that nobody purges by accident."""
CONTENTS_AND_JOURNAL = "ej"
"""Filter of zone-purge: the zone is emptied, on disk too; its keys stay."""


class Reply(NamedTuple):
    """One data unit of an answer; what is absent is empty."""

    section: str
    item: str
    id: str
    zone: str
    owner: str
    ttl: str
    type: str
    data: str


_FIELDS = (
    KnotCtlDataIdx.SECTION,
    KnotCtlDataIdx.ITEM,
    KnotCtlDataIdx.ID,
    KnotCtlDataIdx.ZONE,
    KnotCtlDataIdx.OWNER,
    KnotCtlDataIdx.TTL,
    KnotCtlDataIdx.TYPE,
    KnotCtlDataIdx.DATA,
)


class ControlSession:
    """A connection to knotd, as a context manager.

    Every method raises EnvironmentLacks when knotd cannot be reached or stops answering, and EngineRefused,
    with Knot's words as its message, when it refuses.
    """

    def __init__(self, socket: Path, timeout_s: int) -> None:
        self._socket = socket
        self._control = KnotCtl()
        self._control.set_timeout(timeout_s)

    def __enter__(self) -> Self:
        try:
            self._control.connect(str(self._socket))
        except KnotCtlErrorConnect as error:
            raise self._unreachable(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._control.send(KnotCtlType.END)
        except KnotCtlError:
            return  # it is gone already, and whoever spoke to it last was told
        finally:
            self._control.close()

    def _unreachable(self, error: KnotCtlError) -> EnvironmentLacks:
        return EnvironmentLacks(
            "knotd", f"the name server does not answer at {self._socket}: {error.message}"
        )

    def execute(
        self,
        command: str,
        *,
        section: str | None = None,
        item: str | None = None,
        zone: str | None = None,
        owner: str | None = None,
        ttl: int | None = None,
        type: str | None = None,
        data: str | None = None,
        flags: str | None = None,
        filters: str | None = None,
    ) -> list[Reply]:
        """Send ``command`` and read its whole answer."""
        try:
            self._control.send_block(
                command,
                section=section,
                item=item,
                zone=zone,
                owner=owner,
                ttl=None if ttl is None else str(ttl),
                rtype=type,
                data=data,
                flags=flags,
                filters=filters,
            )
            replies: list[Reply] = []
            refusal: str | None = None
            while True:
                unit = KnotCtlData()
                if self._control.receive(unit) not in (KnotCtlType.DATA, KnotCtlType.EXTRA):
                    break
                refusal = unit[KnotCtlDataIdx.ERROR] or refusal
                replies.append(Reply(*(unit[field] for field in _FIELDS)))
        except KnotCtlError as error:
            raise self._unreachable(error) from None
        if refusal is not None:
            raise EngineRefused("knot", refusal, item=zone)
        return replies

    def read(self, zone: str, key: RRsetKey | None = None) -> list[Records]:
        """The zone's RRsets as they are served, or the one under ``key``. Empty when there is none.

        Raises EngineRefused (NO_SUCH_ZONE) when Knot does not know the zone.
        """
        try:
            if key is None:
                replies = self.execute("zone-read", zone=zone)
            else:
                replies = self.execute("zone-read", zone=zone, owner=key[0], type=key[1])
        except EngineRefused as error:
            if error.message == NO_SUCH_NODE:
                return []
            raise
        gathered: dict[RRsetKey, tuple[int, list[str]]] = {}
        for reply in replies:
            if reply.type:
                row = (absolute(reply.owner), reply.type)
                gathered.setdefault(row, (int(reply.ttl), []))[1].append(reply.data)
        return [Records(*row, ttl, tuple(sorted(rdata))) for row, (ttl, rdata) in gathered.items()]

    def begin(self, zone: str) -> None:
        """Open a transaction; one that was left open by whoever died before us is thrown away."""
        try:
            self.execute("zone-begin", zone=zone)
        except EngineRefused as error:
            if error.message != OPEN_TRANSACTION:
                raise
            self.execute("zone-abort", zone=zone)
            self.execute("zone-begin", zone=zone)
