"""Which nodes have applied what a case has brought about, by their own reports over the feed."""

from __future__ import annotations

from rempart.controller.assembly import Controller
from rempart.controller.reports import reach
from rempart.model.base import Value


class AppliedBy(Value):
    """A connected node, and whether its engines have followed to where the remedy was changed last."""

    node: str
    applied: bool
    pending: tuple[str, ...] = ()
    """Engines of it that have not."""


def applied_by(controller: Controller, case: str) -> tuple[AppliedBy, ...]:
    """By name; none when no remedy of the case was ever changed, or no node is connected."""
    revision = controller.docket.effect_revision(case)
    if revision is None:
        return ()
    epoch, _ = controller.intents.published.place()
    reports = [one.report for one in controller.reports.connected()]
    late = {lag.node: lag.pending for lag in reach(reports, revision, (), epoch=epoch).lagging}
    return tuple(
        AppliedBy(node=one.node, applied=one.node not in late, pending=late.get(one.node, ()))
        for one in reports
    )
