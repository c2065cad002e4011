"""Bars that many drills share: what we want of Rempart in all of them."""

from __future__ import annotations

from rempart.lab.drills.contract import BarWanted, Metric

MITIGATED = (
    BarWanted(metric=Metric.TIME_TO_MITIGATE, at_most=1.0),
    BarWanted(metric=Metric.GOODPUT, at_least=0.95),
    BarWanted(metric=Metric.FALSE_POSITIVES, at_most=0.001),
)
