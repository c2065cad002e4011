"""What an operator does to other people's zones without a case: possible, and never unseen."""

from __future__ import annotations

from datetime import datetime

from rempart.model.base import Value


class ByHand(Value):
    """Something is about to change or go, in zones of others.

    ``action`` as in the audit trail; ``zones``: their names; ``plan``: the plan's digest; ``counts``: how
    much of which kind is added, changed, taken away.
    """

    action: str
    zones: tuple[str, ...]
    plan: str
    counts: str
    at: datetime
