"""Remedies in force as the edge carries them out, request by request. Pure."""

from __future__ import annotations

from rempart.model.cases_remedies import ON_A_URL, Remedy, Restricted, Standing
from rempart.model.urls import canonical_path, canonical_query
from rempart.snapshot.items import EdgeRemedy
from rempart.snapshot.surroundings import Surroundings


def edge_remedies(restricted: Restricted, surroundings: Surroundings) -> tuple[EdgeRemedy, ...]:
    """Those of one site, in a lasting order."""
    return tuple(
        _edge_remedy(one, surroundings)
        for one in sorted(restricted.at_edge, key=lambda one: one.restriction.id)
        if one.restriction.measure.remedy in (*ON_A_URL, Remedy.CHALLENGE)
    )


def _edge_remedy(one: Standing, surroundings: Surroundings) -> EdgeRemedy:
    measure, path = one.restriction.measure, one.restriction.measure.target.path
    plain, _, query = (path or "").partition("?")
    register = surroundings.register_url
    return EdgeRemedy.model_validate(
        {
            "remedy": measure.remedy,
            "case": one.restriction.case,
            "since": one.restriction.since,
            "path": None if path is None else canonical_path(plain),
            "query": canonical_query(query),
            "territory": tuple(sorted(set(measure.territory))),
            "notice": one.notice,
            "link": None if register is None else f"{register.rstrip('/')}/{one.restriction.case}",
        }
    )
