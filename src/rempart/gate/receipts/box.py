"""What visitors have said, and how much of it is kept: ``(box, message, now) → (box, outcome)``. Pure.

Nobody can make it grow beyond its bounds, nor push others out of it: when it is full, the network that has
said most loses its oldest message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from rempart.model.receipts import Message

KEPT_MOST = 1_000
KEPT = timedelta(days=90)
OF_A_RECEIPT = 3
OF_A_NETWORK = 10
"""Within a day, from a /24 or /48."""
OF_ALL = 300
"""Within an hour: each is written to the disk."""

Messages = tuple[Message, ...]


class Outcome(StrEnum):
    """What became of a message."""

    TAKEN = "taken"
    RECEIPT_FULL = "receipt_full"
    NETWORK_FULL = "network_full"
    BUSY = "busy"


def put(box: Messages, message: Message, now: datetime) -> tuple[Messages, Outcome]:
    """The box with the message, when it is taken; oldest first."""
    box = tuple(one for one in box if now - one.at < KEPT)
    if sum(one.receipt == message.receipt for one in box) >= OF_A_RECEIPT:
        return box, Outcome.RECEIPT_FULL
    lately = (one for one in box if now - one.at < timedelta(days=1))
    if sum(one.network == message.network for one in lately) >= OF_A_NETWORK:
        return box, Outcome.NETWORK_FULL
    if sum(now - one.at < timedelta(hours=1) for one in box) >= OF_ALL:
        return box, Outcome.BUSY
    return _within((*box, message)), Outcome.TAKEN


def of(box: Iterable[Message], receipt: str) -> Messages:
    """What was said about one receipt."""
    return tuple(one for one in box if one.receipt == receipt)


def _within(box: Messages) -> Messages:
    while len(box) > KEPT_MOST:
        loudest = Counter(one.network for one in box).most_common(1)[0][0]
        oldest = next(place for place, one in enumerate(box) if one.network == loudest)
        box = box[:oldest] + box[oldest + 1 :]
    return box
