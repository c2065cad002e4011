"""An arbiter's motion as a form fills it: from fields to a motion that the process would take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rempart.governance.motion_contents import WITH_A_MEASURE, check_contents
from rempart.model.cases import Case, GroundKind, Motion, MotionKind, Outcome
from rempart.model.cases_remedies import LADDER
from rempart.model.errors import InvalidInput
from rempart.model.validation import checked

WHY_NOT = "why_not_"


@dataclass(frozen=True, slots=True)
class MotionForm:
    """The fields, as they were written."""

    kind: str = ""
    facts: str = ""
    remedy: str = ""
    target: str = ""
    days: str = ""
    territory: str = ""
    rule: str = ""
    law: str = ""
    explanation: str = ""
    outcome: str = ""
    justified: str = ""
    threat_to_life: str = ""
    why_not: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> MotionForm:
        """What is no field is not looked at."""
        own = {name: fields[name].strip() for name in cls.__slots__ if name != "why_not" and name in fields}
        said = {rung.remedy.value: fields.get(WHY_NOT + rung.remedy.value, "").strip() for rung in LADDER}
        return cls(**own, why_not={remedy: why for remedy, why in said.items() if why})

    @property
    def has_a_measure(self) -> bool:
        """Whether the fields of a measure belong to this form."""
        return self.kind in (*WITH_A_MEASURE, MotionKind.APPEAL)


def drafted(case: Case, author: str, form: MotionForm, now: datetime) -> Motion:
    """The motion. InvalidInput names the field that is wrong: nobody signs what would be refused."""
    if not form.kind:
        raise InvalidInput("for what?", field="kind")
    changes = form.kind == MotionKind.APPEAL and form.outcome == Outcome.CHANGED
    with_measure = form.kind in WITH_A_MEASURE or changes
    made: dict[str, Any] = {
        "case": case.id,
        "kind": form.kind,
        "author": author,
        "at": now,
        "facts": form.facts,
    }
    if with_measure:
        made |= {
            "measure": {
                "remedy": form.remedy,
                "target": _target(case, form.target),
                "days": form.days or None,
                "territory": form.territory.upper().replace(",", " ").split(),
            },
            "rule": form.rule or None,
            "ground": _ground(case, form),
            "why_not": form.why_not,
        }
    if form.kind == MotionKind.EMERGENCY and form.threat_to_life == "yes":
        made["criterion"] = "immediate-threat-to-life"
    if form.kind == MotionKind.APPEAL:
        made["outcome"] = form.outcome or None
    if form.kind == MotionKind.REVIEW and form.justified:
        made["justified"] = form.justified == "yes"
    motion = checked(Motion, made, "motion")
    check_contents(case, motion)
    return motion


def _target(case: Case, text: str) -> dict[str, Any]:
    """The one that was chosen by its number, or HOST or HOST/PATH as the command line takes it."""
    if not text:
        return case.targets[0].model_dump()
    for one in case.targets:
        if str(one) == text:
            return one.model_dump()
    host, slash, path = text.partition("://")[2].partition("/") if "://" in text else text.partition("/")
    return {"host": host, "path": f"/{path}" if slash else None}


def _ground(case: Case, form: MotionForm) -> dict[str, Any]:
    named = case.policy.rule(form.rule) if form.rule else None
    basis = form.law or (named.title if named else "")
    if not basis:
        raise InvalidInput("a rule of the policy, or a law", field="rule")
    kind = GroundKind.ILLEGAL if form.law else GroundKind.POLICY
    return {"kind": kind, "basis": basis, "explanation": form.explanation}
