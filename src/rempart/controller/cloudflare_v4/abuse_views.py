"""Abuse reports and mitigations as Cloudflare's clients know them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rempart.controller.cloudflare_v4.envelope import instant
from rempart.controller.reporting.letters import Letter
from rempart.controller.reporting.reading import ForSite, Whole
from rempart.model.abuse_reports import Contact, Report, Standing
from rempart.model.cases import Case, Category, Outcome, Phase
from rempart.model.cases_remedies import Aim, Remedy, Target

TYPES: Mapping[Category, str] = MappingProxyType(
    {
        Category.PHISHING: "PHISH",
        Category.THREATS: "THREAT",
        Category.TERRORISM: "THREAT",
        Category.CHILD_ABUSE: "EMER",
        Category.INTIMATE_IMAGES: "NCSEI",
        Category.HATE: "GEN",
        Category.COPYRIGHT: "DMCA",
        Category.TRADEMARK: "TM",
        Category.PRIVACY: "GEN",
        Category.GENERAL: "GEN",
    }
)
KINDS = frozenset({*TYPES.values(), "REG_WHO", "NETWORK"})
SUBMITTED: Mapping[Standing, str] = MappingProxyType(
    {
        Standing.RECEIVED: "submitted",
        Standing.CASE: "accepted",
        Standing.SETTLED: "accepted",
        Standing.REFUSED: "denied",
    }
)
_MITIGATIONS = {
    Remedy.INTERSTITIAL: "phishing_interstitial",
    Remedy.BLOCK_URL: "legal_block",
    Remedy.CLOSE_ACCOUNT: "account_suspend",
}
"""Cloudflare's names, where it has one."""


def categories_of(types: frozenset[str]) -> tuple[Category, ...]:
    return tuple(one for one, kind in TYPES.items() if kind in types)


def mitigations(case: Case | None, zone_id: str | None) -> list[dict[str, Any]]:
    """What the case does, once the public knows: a case has one mitigation at a time."""
    decision = None if case is None else case.decision
    if case is None or not case.public or decision is None or decision.motion.measure is None:
        return []
    measure = decision.motion.measure
    kind, entity = _entity(measure.target, measure.remedy, zone_id)
    since = case.effective_at or (case.restriction.since if case.restriction else case.last_at)
    return [
        {
            "id": mitigation_id(case.id),
            "type": _MITIGATIONS.get(measure.remedy, measure.remedy.value),
            "entity_type": kind,
            "entity_id": entity,
            "status": _status(case),
            "effective_date": instant(since),
        }
    ]


def mitigation_id(case_id: str) -> str:
    return hashlib.sha256(f"mitigation/{case_id}".encode()).hexdigest()[:32]


def received(report: Report, found: list[dict[str, Any]], seen: ForSite | None = None) -> dict[str, Any]:
    """A report as its site's owner reads it. ``seen``: with what was written."""
    status = "in_review" if report.standing is Standing.RECEIVED else "accepted"
    view: dict[str, Any] = {
        "id": report.id,
        "cdate": instant(report.received_at),
        "domain": report.host,
        "status": status,
        "type": TYPES[report.category],
        "urls": list(report.urls),
        "mitigation_summary": {
            "accepted_url_count": len(report.urls) if status == "accepted" else 0,
            "active_count": _count(found, "active"),
            "in_review_count": _count(found, "in_review"),
            "pending_count": _count(found, "pending"),
            "external_host_notified": report.host_told_at is not None,
        },
    }
    if seen is not None:
        view |= {
            "justification": seen.content.explanation,
            "original_work": seen.content.details.get("original_work"),
            "submitter": None if seen.contact is None else _submitter(seen.contact),
        }
    return view


def submitted(report: Report) -> dict[str, Any]:
    """A report as the account that sent it reads it."""
    return {
        "id": report.id,
        "cdate": instant(report.received_at),
        "domain": report.host,
        "status": SUBMITTED[report.standing],
        "type": TYPES[report.category],
        "denial_reason": None if report.denial is None else report.denial.value,
    }


def submitted_whole(whole: Whole, contact: Contact) -> dict[str, Any]:
    """The same with everything that was sent."""
    details = whole.content.details
    listed = ("destination_ips", "source_ips", "ports_protocols")
    plain = (
        *("comments", "title", "original_work", "reported_country", "reported_user_agent"),
        *("owner_notification", "host_notification", "ncmec_notification"),
    )
    represents = details.get("ncsei_subject_representation")
    return {
        **submitted(whole.report),
        "urls": list(whole.report.urls),
        "dsa_attestation": True,
        "justification": whole.content.explanation,
        "submitter": _submitter(contact),
        "ncsei_subject_representation": None if represents is None else represents == "true",
        **{name: details.get(name) for name in plain},
        **{name: details[name].replace(",", " ").split() for name in listed if name in details},
    }


def email(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "body": letter.body,
        "recipient": letter.to,
        "sent_at": instant(letter.sent_at),
        "subject": letter.subject,
    }


def _submitter(contact: Contact) -> dict[str, Any]:
    return {
        "name": contact.name or None,
        "email": contact.email,
        "company": contact.company or None,
        "telephone": contact.telephone or None,
    }


def _count(found: list[dict[str, Any]], status: str) -> int:
    return sum(one["status"] == status for one in found)


def _status(case: Case) -> str:
    appealed = case.appeal is not None and case.outcome is None
    match case.phase:
        case Phase.DECIDED | Phase.ANNOUNCED:
            return "in_review" if appealed else "pending"
        case Phase.IN_EFFECT:
            return "in_review" if appealed else "active"
        case Phase.DISMISSED:
            return "cancelled"
        case _:
            return "cancelled" if case.outcome is Outcome.REVERSED else "removed"


def _entity(target: Target, remedy: Remedy, zone_id: str | None) -> tuple[str, str]:
    if remedy is Remedy.CLOSE_ACCOUNT:
        return "account", target.host
    if target.aim is Aim.ZONE:
        return "zone", zone_id or target.host
    return "url_pattern", f"{target.host}{target.path or '/'}*"
