"""What the defence loops say of now, as Prometheus metrics. Pure. Label values come from closed sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from rempart.model.attacks import Action, State
from rempart.node.defending.entries import Account


def defence_metrics(accounts: Iterable[Account]) -> Iterator[Metric]:
    """Of each layer that has a loop."""
    attacks = GaugeMetricFamily("rempart_defence_attacks", "Attacks that go on now.", labels=["layer"])
    standing = GaugeMetricFamily(
        "rempart_defence_mitigations",
        "Mitigations that stand now, by what they do (or would, observed).",
        labels=["layer", "action", "state"],
    )
    begun = CounterMetricFamily(
        "rempart_defence_mitigations_begun", "Mitigations that ever began.", labels=["layer"]
    )
    for account in accounts:
        layer = str(account.layer)
        attacks.add_metric([layer], len(account.attacks))
        begun.add_metric([layer], account.next - 1)
        found = Counter((one.action, one.state) for one in account.standing)
        for action in Action:
            for state in (State.ENFORCED, State.OBSERVED):
                standing.add_metric([layer, str(action), str(state)], found[action, state])
    yield attacks
    yield standing
    yield begun
