"""Which nodes have applied what a case has brought about, by their own reports over the feed."""

from __future__ import annotations

from rempart.controller.assembly import Controller
from rempart.controller.reports import reach
from rempart.model.cases import Case
from rempart.model.cases_kept import AppliedBy
from rempart.snapshot.feed import NodeReport


def applied_by(controller: Controller, case: Case) -> tuple[AppliedBy, ...]:
    """By name; none when no remedy of the case was ever changed, or no node is connected."""
    revision = controller.docket.effect_revision(case.id)
    if revision is None:
        return ()
    epoch, _ = controller.intents.published.place()
    reports = [one.report for one in controller.reports.connected()]
    late = {lag.node: lag.pending for lag in reach(reports, revision, (), epoch=epoch).lagging}
    found = []
    for one in reports:
        pending = dict.fromkeys((*late.get(one.node, ()), *_refusing(one, case)))
        applied = one.node not in late and not pending
        found.append(AppliedBy(node=one.node, applied=applied, pending=tuple(pending)))
    return tuple(found)


def _refusing(report: NodeReport, case: Case) -> list[str]:
    return [
        engine.name
        for engine in report.engines
        if any(target.covers(_name(key)) for key, _ in engine.refusals for target in case.targets)
    ]


def _name(key: str) -> str:
    """The name that an item is about: ``site/NAME``, ``rrset/ZONE/NAME/TYPE``, ``zone/NAME``."""
    kind, _, rest = key.partition("/")
    words = rest.split("/")
    return words[1] if kind == "rrset" and len(words) > 1 else words[0]
