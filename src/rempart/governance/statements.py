"""Statements of reasons (DSA Art. 17): as text for the owner, as JSON for the EU's transparency database.

Made from what the arbiters signed, never from what is confidential: who reported is not known here.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from rempart.governance.dsa_categories import OF_CASES
from rempart.governance.dsa_schema import EEA, LAST_DAY, DsaStatement
from rempart.model.cases import Case, GroundKind, Motion, MotionKind, Source
from rempart.model.cases_remedies import LADDER, RUNGS, Measure, Remedy
from rempart.model.errors import Conflict

DECISIONS: dict[Remedy, dict[str, Any]] = {
    Remedy.INTERSTITIAL: {"decision_visibility": ("DECISION_VISIBILITY_CONTENT_LABELLED",)},
    Remedy.BLOCK_URL: {"decision_visibility": ("DECISION_VISIBILITY_CONTENT_DISABLED",)},
    Remedy.NO_CACHE: {"decision_visibility": ("DECISION_VISIBILITY_OTHER",)},
    Remedy.CHALLENGE: {"decision_visibility": ("DECISION_VISIBILITY_OTHER",)},
    Remedy.DROP_PROXY: {"decision_provision": "DECISION_PROVISION_PARTIAL_SUSPENSION"},
    Remedy.DROP_DNS: {"decision_provision": "DECISION_PROVISION_TOTAL_SUSPENSION"},
    Remedy.CLOSE_ACCOUNT: {"decision_account": "DECISION_ACCOUNT_TERMINATED"},
}
"""Which of the database's four kinds of decision a remedy is; passing a report on is none."""
_ENDS = {
    "decision_visibility": "end_date_visibility_restriction",
    "decision_provision": "end_date_service_restriction",
    "decision_account": "end_date_account_restriction",
}
_SOURCES = {Source.REPORT: "SOURCE_ARTICLE_16", Source.OWN: "SOURCE_VOLUNTARY"}


def application_of(case: Case) -> dict[str, Any] | None:
    """The statement for the EU's database, checked by its rules; None where none is due: for an order
    (Art. 17(5)), and for a report that is only passed on. Conflict before there is a decision."""
    decided = _decided(case)
    measure, ground = _measure(case), decided.ground
    if case.source is Source.ORDER or measure.remedy is Remedy.FORWARD or ground is None:
        return None
    category, keyword = OF_CASES[case.category]
    from_, until = period(case)
    decision = dict(DECISIONS[measure.remedy])
    if decision.get("decision_visibility") == ("DECISION_VISIBILITY_OTHER",):
        decision["decision_visibility_other"] = RUNGS[measure.remedy].words
    if until is not None:
        decision[_ENDS[next(iter(decision))]] = min(f"{until:%Y-%m-%d}", LAST_DAY)
    legal = ground.kind is GroundKind.ILLEGAL
    prefix = "illegal_content" if legal else "incompatible_content"
    territory = tuple(one for one in measure.territory if one in EEA)
    made = DsaStatement.model_validate(
        {
            **decision,
            "decision_ground": f"DECISION_GROUND_{prefix.upper()}",
            # The database takes URLs only; a policy may say something else where it is to be found.
            "decision_ground_reference_url": None if legal else _url(case.policy.url),
            "illegal_content_legal_ground" if legal else "incompatible_content_ground": ground.basis,
            f"{prefix}_explanation": ground.explanation,
            "incompatible_content_illegal": None if legal else "No",
            "content_type": ("CONTENT_TYPE_OTHER",),
            "content_type_other": "website",
            "category": f"STATEMENT_CATEGORY_{category}",
            "category_specification": (f"KEYWORD_{keyword}",),
            "territorial_scope": territory or None,
            # The database asks since when the content is there; what is known is when it was seen.
            "content_date": f"{case.opened_at:%Y-%m-%d}",
            "application_date": f"{from_:%Y-%m-%d}",
            "decision_facts": decided.facts,
            "source_type": "SOURCE_TRUSTED_FLAGGER" if case.trusted_flagger else _SOURCES[case.source],
            "automated_detection": "No",
            "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
            "puid": f"{case.id}-{decided.kind.value}",
        }
    )
    return made.model_dump(mode="json", exclude_none=True)


def text_of(case: Case) -> str:
    """The statement for the owner: everything that Art. 17(3) asks, and why nothing less serves."""
    decided = _decided(case)
    measure = _measure(case)
    from_, until = period(case)
    ends = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until it is ended"
    where = ", ".join(measure.territory) or "everywhere"
    brought = {
        Source.REPORT: "A notice (DSA Art. 16) brought it up. Who sent it is not told.",
        Source.OWN: "We found it on our own initiative.",
        Source.ORDER: "It was ordered.",
    }[case.source]
    lines = [
        f"Statement of reasons, case {case.id}",
        "",
        f"What: {measure.target}: {RUNGS[measure.remedy].words}.",
        f"From {from_:%Y-%m-%d %H:%M} UTC, {ends}; {where}.",
        "",
        "Facts:",
        decided.facts,
        brought,
        "",
        "Automation: none. No part of this was found or decided automatically.",
    ]
    if case.order is not None:
        lines += [
            "",
            f"Order: {case.order.authority}, {case.order.reference}, under {case.order.legal_basis}.",
        ]
    if decided.ground is not None:
        kind = "Law" if decided.ground.kind is GroundKind.ILLEGAL else f"Policy {case.policy.version}"
        lines += ["", f"Ground: {kind}: {decided.ground.basis}", decided.ground.explanation]
    lines += ["", "Why nothing narrower serves:"]
    for rung in LADDER:
        if rung.remedy is measure.remedy:
            break
        why = decided.why_not.get(rung.remedy) or f"It cannot be had here: {rung.missing} is wanting."
        lines.append(f"  {rung.words}: {why}")
    by = ", ".join(sorted(case.decision.signers)) if case.decision else ""
    lines += ["", f"Decided by {by}."]
    if decided.kind is MotionKind.EMERGENCY:
        lines.append("By the emergency path (immediate threat to life): it ends after 72 hours unless a full")
        lines.append("quorum confirms it, and will be reviewed.")
    until_when = f" until {case.appeal_until:%Y-%m-%d}" if case.appeal_until else ""
    lines += [
        "",
        f"You may appeal{until_when}, free of charge; other arbiters decide: answer this notice.",
        "You may also turn to a certified out-of-court settlement body (DSA Art. 21) or to a court.",
    ]
    return "\n".join(lines) + "\n"


def period(case: Case) -> tuple[datetime, datetime | None]:
    """From when until when the remedy is, or is to be, in force."""
    measure = _measure(case)
    if case.restriction is not None:
        return case.restriction.since, case.ends_at
    from_ = case.effective_at or case.last_at
    return from_, None if measure.days is None else from_ + timedelta(days=measure.days)


def _url(text: str | None) -> str | None:
    return text if text and re.fullmatch(r"https?://\S+", text) else None


def _decided(case: Case) -> Motion:
    if case.decision is None:
        raise Conflict("nothing is decided yet", field="case")
    return case.decision.motion


def _measure(case: Case) -> Measure:
    measure = _decided(case).measure
    if measure is None:
        raise Conflict("no remedy is decided", field="case")
    return measure
