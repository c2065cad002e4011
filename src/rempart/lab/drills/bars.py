"""Bars that drills share: what we want of Rempart."""

from __future__ import annotations

from rempart.lab.drills.contract import BarWanted, Metric

MITIGATED = (
    BarWanted(metric=Metric.TIME_TO_MITIGATE, at_most=1.0),
    BarWanted(metric=Metric.GOODPUT, at_least=0.95),
    BarWanted(metric=Metric.FALSE_POSITIVES, at_most=0.001),
)
"""In every drill."""

NOBODY_REFUSED = (
    BarWanted(metric=Metric.FALSE_POSITIVES, at_most=0.0),
    BarWanted(metric=Metric.DEAD_ENDS, at_most=0.0),
    BarWanted(metric=Metric.GOODPUT, at_least=0.99),
)
"""Where nobody attacks: who comes may have to wait."""

UNNOTICED = (
    BarWanted(metric=Metric.TIME_TO_MITIGATE, at_most=1.0),
    BarWanted(metric=Metric.GOODPUT, at_least=0.99),
    BarWanted(metric=Metric.P99_OVER_CALM, at_most=2.0),
    BarWanted(metric=Metric.FALSE_POSITIVES, at_most=0.001),
)
"""In floods of packets and questions: what has no visitor behind it should not make visitors wait, and
goodput alone counts an answer after five seconds as good."""
