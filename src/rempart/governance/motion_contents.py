"""What a motion must say, by its kind: its measure, its ground, and why nothing narrower serves."""

from __future__ import annotations

from rempart.governance.log.canonical import canonical
from rempart.model.cases import Case, GroundKind, Motion, MotionKind, Outcome
from rempart.model.cases_remedies import LADDER, RUNGS, Measure, is_at_most, narrower
from rempart.model.errors import InvalidInput

MOTION_BYTES_MAX = 40_000
"""An entry of the log holds 65,535 octets, and the signatures go into it too."""
WITH_A_MEASURE = (MotionKind.DECISION, MotionKind.EMERGENCY, MotionKind.ORDER)


def check_contents(case: Case, motion: Motion) -> None:
    """InvalidInput names the field that is wrong or missing."""
    if len(canonical(motion.model_dump(mode="json"))) > MOTION_BYTES_MAX:
        raise InvalidInput("the motion is too long for the public log", field="facts", hint="be brief")
    if motion.kind in WITH_A_MEASURE:
        _check_measure(case, motion)
    elif motion.kind is MotionKind.APPEAL:
        _check_outcome(case, motion)
    elif motion.measure is not None:
        raise InvalidInput("this motion has no measure", field="measure")
    if (motion.kind is MotionKind.EMERGENCY) != (motion.criterion is not None):
        raise InvalidInput(
            "an emergency is an immediate threat to life, and nothing else is", field="criterion"
        )
    if (motion.kind is MotionKind.REVIEW) != (motion.justified is not None):
        raise InvalidInput("a review says whether the path was rightly taken", field="justified")
    if (motion.kind is MotionKind.APPEAL) != (motion.outcome is not None):
        raise InvalidInput("an appeal, and nothing else, has an outcome", field="outcome")


def _check_measure(case: Case, motion: Motion) -> None:
    measure = motion.measure
    if measure is None:
        raise InvalidInput("which remedy?", field="measure")
    _check_available(measure)
    if not any(target.includes(measure.target) for target in case.targets):
        raise InvalidInput(f"the case is not about {measure.target}", field="measure.target")
    if motion.ground is None:
        raise InvalidInput("on which ground?", field="ground")
    if motion.kind is MotionKind.ORDER:
        _check_ordered(case, measure)
    else:
        rule = case.policy.rule(motion.rule) if motion.rule else None
        if rule is None:
            raise InvalidInput(f"policy {case.policy.version} has no such rule", field="rule")
        if not is_at_most(measure.remedy, rule.most):
            raise InvalidInput(f"the rule {rule.id} allows {rule.most} at most", field="measure.remedy")
        if motion.ground.kind is GroundKind.POLICY and motion.ground.basis != rule.title:
            raise InvalidInput("the ground is the rule's title", field="ground.basis")
    missing = unexplained(motion)
    if missing:
        raise InvalidInput(
            f"say why these narrower remedies do not serve: {', '.join(missing)}", field="why_not"
        )


def _check_ordered(case: Case, measure: Measure) -> None:
    """In nothing more than the order demands: neither the remedy, nor its target, nor its time."""
    if case.order is None or not is_at_most(measure.remedy, case.order.demanded.remedy):
        raise InvalidInput("wider than what was ordered", field="measure.remedy")
    demanded = case.order.demanded
    if not measure.target.is_within(demanded.target):
        raise InvalidInput(f"wider than what was ordered: {demanded.target}", field="measure.target")
    if _lasts_longer(measure, demanded):
        raise InvalidInput(f"longer than what was ordered: {demanded.days} days", field="measure.days")
    if _reaches_further(measure, demanded):
        raise InvalidInput(
            f"in more countries than was ordered: {', '.join(demanded.territory)}", field="measure.territory"
        )


def _lasts_longer(measure: Measure, than: Measure) -> bool:
    return than.days is not None and (measure.days is None or measure.days > than.days)


def _reaches_further(measure: Measure, than: Measure) -> bool:
    """Whether it is for somebody whom the other one is not for. No territory: everywhere."""
    return bool(than.territory) and (
        not measure.territory or not set(measure.territory) <= set(than.territory)
    )


def unexplained(motion: Motion) -> tuple[str, ...]:
    """The narrower remedies that exist, for which the motion does not say why they do not serve."""
    if motion.measure is None:
        return ()
    return tuple(
        one
        for one in narrower(motion.measure.remedy)
        if not RUNGS[one].missing and not motion.why_not.get(one, "").strip()
    )


def _check_available(measure: Measure) -> None:
    rung = RUNGS[measure.remedy]
    if rung.missing:
        there = ", ".join(one.remedy for one in LADDER if not one.missing)
        raise InvalidInput(
            f"{measure.remedy} needs a part that is not there yet: {rung.missing}",
            field="measure.remedy",
            hint=f"there are {there}",
        )


def _check_outcome(case: Case, motion: Motion) -> None:
    decided = case.decision.motion.measure if case.decision else None
    if (motion.outcome is Outcome.CHANGED) != (motion.measure is not None):
        raise InvalidInput("a changed decision, and no other, has another measure", field="measure")
    if motion.measure is None or decided is None:
        return
    _check_available(motion.measure)
    if motion.ground is None:
        raise InvalidInput("on which ground?", field="ground")
    measure = motion.measure
    shorter = measure.remedy is decided.remedy and (
        _lasts_longer(decided, measure) or _reaches_further(decided, measure)
    )
    if (
        measure.target != decided.target
        or _lasts_longer(measure, decided)
        or (_reaches_further(measure, decided) and RUNGS[measure.remedy].territorial)
        or not (measure.remedy in narrower(decided.remedy) or shorter)
    ):
        raise InvalidInput("on appeal a measure can only become narrower or shorter", field="measure")
