"""Cases in words."""

from __future__ import annotations

from datetime import datetime

from rempart.cli.output import say
from rempart.controller.admin_api.case_messages import CaseView
from rempart.governance.quorum import approvals, rejections
from rempart.governance.reports.answering import Answering
from rempart.model.cases import Case, Motion, Phase
from rempart.model.cases_kept import CaseStep
from rempart.model.cases_remedies import RUNGS, Measure

_PHASES = {
    Phase.REPORTED: "reported: to be triaged",
    Phase.TRIAGED: "taken up: the owner is to be notified",
    Phase.NOTIFIED: "the owner was notified",
    Phase.DECIDED: "decided: the notice of it is to be given",
    Phase.ANNOUNCED: "decided and announced",
    Phase.IN_EFFECT: "in effect",
    Phase.LIFTED: "the remedy is lifted",
    Phase.DISMISSED: "dismissed",
    Phase.CLOSED: "closed",
}


def minute(moment: datetime) -> str:
    """A point in time for people, UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def measure_words(measure: Measure) -> str:
    days = "" if measure.days is None else f", for {measure.days} days"
    where = f", for visitors from {', '.join(measure.territory)}" if measure.territory else ""
    return f"{measure.remedy.value} on {measure.target}{days}{where}: {RUNGS[measure.remedy].words}"


def show(view: CaseView) -> None:
    """Print a case."""
    case = view.case
    say(f"Case {case.id}: {_PHASES[case.phase]}")
    say(f"  about        {', '.join(map(str, case.targets))} ({case.category.value}, {case.source.value})")
    say(f"  opened       {minute(case.opened_at)} under policy {case.policy.version}")
    say(f"  arbiters     {', '.join(one.id for one in case.roster)}; {case.policy.quorum} decide")
    if case.recused:
        say(f"  recused      {', '.join(case.recused)}")
    if case.order is not None:
        say(f"  order        {case.order.authority}, {case.order.reference} ({case.order.legal_basis})")
        say(f"  demanded     {measure_words(case.order.demanded)}")
    if case.decision is not None:
        decided = case.decision.motion
        if decided.measure is not None:
            say(f"  decision     {measure_words(decided.measure)}")
        say(f"  decided by   {', '.join(sorted(case.decision.signers))}")
    if case.restriction is not None:
        say(f"  in force     since {minute(case.restriction.since)}")
    for node in view.applied:
        late = "" if node.applied else f" not yet: {', '.join(node.pending)}"
        say(f"  applied by   {node.node}{late}")
    if case.suspended:
        say("  held up      an appeal was made: nothing takes effect before it is decided")
    if case.outcome is not None:
        say(f"  appeal       {case.outcome.value}")
    if case.emergency is not None:
        words = "confirmed" if case.emergency.confirmed else "not confirmed"
        say(f"  emergency    by {', '.join(case.emergency.signers)}; {words}; "
            f"{'reviewed' if case.emergency.reviewed else 'to be reviewed'}")  # fmt: skip
    if case.motion is not None:
        show_motion(case, case.motion, view)
    if view.reports:
        say(f"  reports      {', '.join(view.reports)}")
    if view.answering is not None:
        for line in answering_lines(view.answering):
            say(f"  the site     {line}")
    for one in view.deadlines:
        say(f"  {'OVER since' if one.over else 'until     '}   {minute(one.at)}: {one.what}")


def show_motion(case: Case, motion: Motion, view: CaseView) -> None:
    say(f"  motion       {motion.kind.value} by {motion.author}, {minute(motion.at)}")
    for line in motion_lines(motion):
        say(f"               {line}")
    agree, against = sorted(approvals(case.standing)), sorted(rejections(case.standing))
    say(f"  for it       {', '.join(agree) or 'nobody'} ({view.required} needed)")
    if against:
        say(f"  against it   {', '.join(against)}")
    others = [one for one in view.eligible if one not in (*agree, *against)]
    if others:
        say(f"  may vote     {', '.join(others)}")


def motion_lines(motion: Motion) -> list[str]:
    """What a motion says, before somebody signs it."""
    lines = [] if motion.measure is None else [measure_words(motion.measure)]
    if motion.criterion:
        lines.append("emergency: immediate threat to life")
    if motion.outcome:
        lines.append(f"the appeal: {motion.outcome.value}")
    if motion.justified is not None:
        lines.append(f"the emergency path was {'rightly' if motion.justified else 'wrongly'} taken")
    lines += motion.facts.splitlines()
    if motion.ground is not None:
        lines.append(f"ground: {motion.ground.kind.value}: {motion.ground.basis}")
        lines += motion.ground.explanation.splitlines()
    lines += [f"not {remedy.value}: {why}" for remedy, why in motion.why_not.items()]
    return lines


def step_row(step: CaseStep) -> tuple[str, ...]:
    """A step for the table."""
    logged = "not yet" if step.log_index is None else str(step.log_index)
    return (str(step.seq), minute(step.at), step.event.kind, "public" if step.public else "sealed", logged)


def answering_lines(one: Answering) -> list[str]:
    """How a site answers."""
    if not one.forwarded:
        return ["nothing was passed on to it yet"]
    took = "" if one.median_s is None else f", half of them within {_span(one.median_s)}"
    lines = [f"answered {one.answered} of {one.forwarded} reports{took}; {one.in_time} within a day"]
    if one.overdue:
        since = "" if one.oldest_open_at is None else f", the oldest since {minute(one.oldest_open_at)}"
        lines.append(f"{one.overdue} wait for longer than a day{since}")
    return lines


def _span(seconds: int) -> str:
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"
