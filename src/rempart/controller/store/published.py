"""The published items: what nodes are fed from. Each key has one row, at the revision that last changed it.

A run of deltas reads rows in the order (revision, key). A row that changes while a node pages through
moves to the end of that order, so nothing is missed, and the last page's revision is one that the node
has seen whole. Deletions stay as rows without a body until they are forgotten; a node that was away for
longer is sent everything, marked ``full``, and so is one whose place is not of this store's history.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, func, or_, select, update
from sqlalchemy.orm import Session

from rempart.controller.store import epochs
from rempart.controller.store.database import Store
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import CounterRow, PublishedRow
from rempart.model.errors import InvalidInput
from rempart.snapshot.feed import DELTA_BYTES_MAX, DELTA_CHANGES_MAX
from rempart.snapshot.items import ITEM, Delta, Item, ItemChange

SEALED_KINDS = frozenset({"certificate", "keys", "secondary"})
"""Kinds of items that carry secrets."""
FORGET_AFTER = timedelta(days=30)
_BYTES_MAX = DELTA_BYTES_MAX // 4
"""Room is left for keys and for JSON's escapes."""


def body_of(item: Item, seal: Seal) -> str:
    """The item as its row holds it."""
    body = item.model_dump_json()
    return seal.close(body, item.key) if item.kind in SEALED_KINDS else body


def item_of(key: str, body: str, seal: Seal) -> Item:
    """The item in a row's body."""
    kind = key.partition("/")[0]
    return ITEM.validate_json(seal.open(body, key) if kind in SEALED_KINDS else body)


class Published:
    """Reads the published items of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def revision(self) -> int:
        """The newest revision; 0 when nothing was ever published."""
        with self._store.reading() as session:
            return session.scalars(select(CounterRow.revision)).one()

    def place(self) -> tuple[str, int]:
        """The epoch and the newest revision, once sure that nobody has put an earlier store in its place."""
        while True:
            newest = self._store.newest
            with self._store.reading() as session:
                revision = session.scalars(select(CounterRow.revision)).one()
                epoch = epochs.current(session)
            if revision >= newest:
                self._store.saw(revision)
                return epoch, revision
            with self._store.writing():
                pass  # which begins an epoch

    def delta(
        self,
        since: int,
        cursor: str | None = None,
        limit: int = DELTA_CHANGES_MAX,
        *,
        epoch: str | None = None,
    ) -> Delta:
        """At most ``limit`` changes (and about 16 MiB) after ``since``, oldest first.

        ``epoch`` is the one in which the node came to ``since``; None: one of this history, certainly.
        ``cursor`` is the one of the delta before, when that had ``more``. Raises InvalidInput for any other.
        A run that another epoch has overtaken ends with a delta that does not fit it.
        """
        self.place()
        with self._store.reading() as session:
            counter = session.scalars(select(CounterRow)).one()
            now = epochs.current(session)
            place = _Place.read(cursor) if cursor else _Place.start(since, counter, now)
            if place.epoch != now:
                return Delta(
                    from_epoch=epoch or "",
                    from_revision=since,
                    epoch=now,
                    to_revision=counter.revision,
                    changes=(),
                )
            if not cursor and since and epoch is not None and not epochs.includes(session, epoch, since):
                place.full, place.revision = True, 0
            rows = session.execute(place.rows(limit + 1)).all()
            taken = _bounded([(row.key, row.revision, row.body) for row in rows[:limit]])
            more = len(rows) > len(taken)
            last = taken[-1] if taken else None
            return Delta(
                from_epoch=epoch or "",
                from_revision=since,
                epoch=now,
                to_revision=counter.revision,
                more=more,
                cursor=place.after(last[1], last[0]).text if more and last else None,
                full=place.full,
                changes=tuple(self._change(key, body) for key, _, body in taken),
            )

    delta_since = delta

    def items(self, prefix: str = "") -> list[Item]:
        """The items now under ``prefix``, in key order."""
        with self._store.reading() as session:
            rows = select(PublishedRow.key, PublishedRow.body).where(PublishedRow.body.is_not(None))
            if prefix:
                rows = rows.where(PublishedRow.key >= prefix, PublishedRow.key < prefix + "\U0010ffff")
            found = session.execute(rows.order_by(PublishedRow.key)).all()
            return [item_of(key, body, self._store.seal) for key, body in found if body is not None]

    def count(self) -> int:
        """How many items there are."""
        with self._store.reading() as session:
            return session.scalars(
                select(func.count()).select_from(PublishedRow).where(PublishedRow.body.is_not(None))
            ).one()

    def _change(self, key: str, body: str | None) -> ItemChange:
        return ItemChange(key=key, item=None if body is None else item_of(key, body, self._store.seal))


def forget(session: Session, before: datetime) -> int:
    """Drop deletions published before ``before``; how many went. Within a writing transaction."""
    gone = select(PublishedRow.revision).where(PublishedRow.body.is_(None), PublishedRow.changed_on < before)
    newest = session.scalars(select(func.max(gone.subquery().c.revision))).one()
    if newest is None:
        return 0
    # Everything at or below the newest forgotten one goes, so that one number says what is remembered.
    session.execute(update(CounterRow).where(CounterRow.forgotten < newest).values(forgotten=newest))
    result = session.execute(
        delete(PublishedRow).where(PublishedRow.body.is_(None), PublishedRow.revision <= newest)
    )
    return int(getattr(result, "rowcount", 0))


def _bounded(rows: Iterable[tuple[str, int, str | None]]) -> list[tuple[str, int, str | None]]:
    """The first rows, at least one, that fit into a delta."""
    taken: list[tuple[str, int, str | None]] = []
    size = 0
    for row in rows:
        size += len((row[2] or "").encode()) + 2 * len(row[0]) + 64
        if taken and size > _BYTES_MAX:
            break
        taken.append(row)
    return taken


class _Place:
    """Where a run of deltas has got to. Its text form is the cursor."""

    __slots__ = ("epoch", "full", "key", "revision", "started")

    def __init__(self, *, epoch: str, full: bool, started: int, revision: int, key: str) -> None:
        self.epoch = epoch
        """In which the run began: pages of two histories must not be mixed."""
        self.full = full
        self.started = started
        """Revision at which the run began: deletions after it must be told even in a full run."""
        self.revision = revision
        self.key = key

    @classmethod
    def start(cls, since: int, counter: CounterRow, epoch: str) -> _Place:
        full = since == 0 or since < counter.forgotten or since > counter.revision
        revision = 0 if full else since
        return cls(epoch=epoch, full=full, started=counter.revision, revision=revision, key="\U0010ffff")

    @classmethod
    def read(cls, cursor: str) -> _Place:
        try:
            mode, epoch, started, revision, key = cursor.split(":", 4)
            if mode not in ("full", "part"):
                raise ValueError(mode)
            place = {"started": int(started), "revision": int(revision)}
            return cls(epoch=epoch, full=mode == "full", key=key, **place)
        except ValueError as error:
            raise InvalidInput("not a cursor of this feed", field="cursor") from error

    @property
    def text(self) -> str:
        return f"{'full' if self.full else 'part'}:{self.epoch}:{self.started}:{self.revision}:{self.key}"

    def after(self, revision: int, key: str) -> _Place:
        return _Place(epoch=self.epoch, full=self.full, started=self.started, revision=revision, key=key)

    def rows(self, limit: int) -> Select[str, int, str | None]:
        row = PublishedRow
        after = or_(row.revision > self.revision, (row.revision == self.revision) & (row.key > self.key))
        rows = select(row.key, row.revision, row.body).where(row.revision >= self.revision, after)
        if self.full:
            rows = rows.where(or_(row.body.is_not(None), row.revision > self.started))
        return rows.order_by(row.revision, row.key).limit(limit)
