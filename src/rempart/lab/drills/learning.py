"""Drills of what a defence has to learn, and must not be taught; and of readers who are no attack."""

from __future__ import annotations

from rempart.lab.drills.bars import MITIGATED, NOBODY_REFUSED
from rempart.lab.drills.contract import Drill, Wave
from rempart.lab.network.world import WorldShape
from rempart.lab.visitors.contract import Population

_TAUGHT_S = 25.0

LEARNING = (
    Drill(
        name="below-limits",
        summary="150 costly pages a second, each asked for by another address over a connection of its own",
        waves=(Wave(attack="http-get-flood", parameters={"requests_per_connection": 1, "v6_share": 0.5}),),
        bars=MITIGATED,
    ),
    Drill(
        name="slow-drift",
        summary="a tool asks for ever more ordinary pages, until it is as usual as people; then it strikes",
        waves=(
            # Up to as many as the visitors' own, and no more than what the origin bears.
            Wave(
                attack="http-get-flood",
                ends=0.02,
                lead_s=_TAUGHT_S,
                parameters={"rate": 40.0, "rise_s": _TAUGHT_S, "costly_share": 0.0},
            ),
            Wave(attack="http-get-flood"),
        ),
        calm_s=_TAUGHT_S + 2,
        least_calm_s=_TAUGHT_S + 2,
        bars=MITIGATED,
    ),
    Drill(
        name="poisoned-baseline",
        summary="a GET flood is there before anything else: whoever protects the site has seen nothing else",
        waves=(Wave(attack="http-get-flood"),),
        cold=True,
        bars=MITIGATED,
    ),
    Drill(
        name="flash-crowd",
        summary="no attack: twenty times as many readers as before, most of them of one page",
        # The lab has one processor for origin and crowd: few come before, and the origin just bears all.
        world=WorldShape(origin_cpu=0.6),
        visitors=Population(visits_per_second=2.0),
        waves=(),
        crowd=20.0,
        bars=NOBODY_REFUSED,
    ),
)
