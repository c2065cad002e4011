"""The drills there are. A bar is what we want of Rempart; it stands here also while it is not met."""

from __future__ import annotations

from rempart.lab.drills.application import APPLICATION
from rempart.lab.drills.bars import MITIGATED
from rempart.lab.drills.contract import BarWanted, Drill, Metric, Wave
from rempart.lab.drills.learning import LEARNING
from rempart.lab.drills.network import NETWORK

CALM = Drill(
    name="calm",
    summary="no attack: every contender serves every visitor, or the lab itself is at fault",
    waves=(),
    bars=(
        BarWanted(metric=Metric.GOODPUT, at_least=1.0),
        BarWanted(metric=Metric.FALSE_POSITIVES, at_most=0.0),
    ),
)

HTTP_GET_FLOOD = Drill(
    name="http-get-flood",
    summary="20,000 bots ask for a page that costs the origin 10 ms each, three times each",
    waves=(Wave(attack="http-get-flood"),),
    bars=MITIGATED,
)

DRILLS: dict[str, Drill] = {
    drill.name: drill for drill in (CALM, HTTP_GET_FLOOD, *APPLICATION, *LEARNING, *NETWORK)
}
