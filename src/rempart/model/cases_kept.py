"""What is kept of a case beside its state: its steps, and which nodes have applied what it brought about."""

from __future__ import annotations

from datetime import datetime

from rempart.model.base import Value
from rempart.model.cases_events import Event


class CaseStep(Value):
    """One step of a case as it is kept."""

    seq: int
    at: datetime
    event: Event
    public: bool
    salt: str
    log_index: int | None
    """None: intended, not known to be in the public log yet, and without effect."""


class AppliedBy(Value):
    """A connected node, and whether its engines have followed to where the remedy was changed last."""

    node: str
    applied: bool
    pending: tuple[str, ...] = ()
    """Engines of it that have not, or that refuse an item of the names that the case is about."""
