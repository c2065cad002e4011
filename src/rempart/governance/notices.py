"""What visitors of a restricted URL are told: of what was decided, only what is public. Pure."""

from __future__ import annotations

from rempart.model.cases import Case
from rempart.model.cases_remedies import ON_A_URL, Notice


def notice_of(case: Case) -> Notice | None:
    """What a page says of the decision in ``case``; None for a remedy that has no page of its own.

    Authority and legal basis of an order are said as RFC 7725 section 3 asks.
    """
    motion = case.decision.motion if case.decision else None
    if motion is None or motion.measure is None or motion.ground is None:
        return None
    if motion.measure.remedy not in ON_A_URL:
        return None
    order = case.order
    return Notice(
        ordered=order is not None,
        authority="" if order is None else order.authority,
        reference="" if order is None else order.reference,
        basis=motion.ground.basis if order is None else order.legal_basis,
        explanation=motion.ground.explanation,
    )
