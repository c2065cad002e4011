"""What visitors may know of mitigations, as the gate reads it: without evidence, digests and addresses.

``notices`` is pure; ``NoticesWriter`` replaces the file, at most once a second, when something in it changed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from rempart.engines.haproxy.sight import HEADERS, METHODS, VERSIONS
from rempart.model.attacks import State, Term
from rempart.model.receipts import Condition, Notice, Notices, Released
from rempart.node.defending.entries import Entry, short_network
from rempart.node.defending.orders import Release
from rempart.node.requests.words import address_words, network_words

ENDED_MOST = 200
"""That are over and still explained."""
WRITE_S = 1.0
_ALL_HEADERS = (1 << len(HEADERS)) - 1


def notices(
    standing: Iterable[Entry], ended: Iterable[Entry], releases: Iterable[Release], wall: datetime
) -> Notices:
    """Of now."""
    return Notices(
        at=wall,
        mitigations=tuple(notice(one) for one in (*ended, *standing) if one.state is not State.OBSERVED),
        released=tuple(
            Released(receipt=one.receipt, until=one.until) for one in releases if one.until > wall
        ),
    )


def notice(entry: Entry) -> Notice:
    """One mitigation for those whom it met."""
    return Notice(
        number=entry.number,
        subject=entry.subject,
        action=str(entry.action),
        conditions=tuple(condition(term) for term in entry.signature.terms),
        since=entry.since,
        until=entry.ended or entry.expires,
        ended=entry.ended is not None,
        revoked=entry.state is State.REVOKED,
    )


def condition(term: Term) -> Condition:
    """One condition. A visitor knows the rest of the own request; nobody else needs to."""
    match term.field:
        case "method":
            known = METHODS[term.first] if term.first < len(METHODS) else ""
            return Condition(field="method", value=known, missing=not known)
        case "version":
            known = next((text for text, number in VERSIONS.items() if number == term.first), "")
            return Condition(field="version", value=known, missing=not known)
        case "headers":
            mask = _ALL_HEADERS if term.mask is None else term.mask
            seen = [(name, term.first >> bit & 1) for bit, name in enumerate(HEADERS) if mask >> bit & 1]
            return Condition(
                field="headers",
                present=tuple(name for name, there in seen if there),
                absent=tuple(name for name, there in seen if not there),
                exactly=term.mask is None,
            )
        case "source":
            return Condition(field="source", value=short_network(address_words(term.first)))
        case "network":
            return Condition(field="network", value=network_words(term.first))
        case field:
            return Condition(field=field, missing=not term.first)


class NoticesWriter:
    """Keeps the file. A disk that does not take it costs visitors words, and nothing else."""

    def __init__(self, path: Path, past: Iterable[Entry]) -> None:
        self._path = path
        self._ended: deque[Entry] = deque(past, ENDED_MOST)
        self._written: object = None
        self._due = float("-inf")

    def ended(self, entries: Iterable[Entry]) -> None:
        self._ended.extend(entries)

    def due(self, now: float) -> bool:
        return now >= self._due

    def write(
        self, standing: tuple[Entry, ...], releases: tuple[Release, ...], now: float, wall: datetime
    ) -> None:
        """``now``: monotonic seconds. Raises OSError."""
        mark = (tuple((one.id, one.state, one.expires) for one in standing), len(self._ended), releases)
        last = self._ended[-1].id if self._ended else ""
        if (mark, last) == self._written:
            return
        self._due, self._written = now + WRITE_S, (mark, last)
        found = notices(standing, self._ended, releases, wall)
        fresh = self._path.with_name(f".{self._path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
        with os.fdopen(descriptor, "w") as file:
            # Its folder's group is the gate's.
            os.fchmod(file.fileno(), 0o640)
            file.write(found.model_dump_json())
        fresh.replace(self._path)
