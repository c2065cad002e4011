"""What the packet shield says, as Prometheus metrics. Pure.

Label values come from closed sets (reasons, modes), from the operator's interfaces, and the one sentence that
says why protection is off.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from rempart.node.shield.state import ShieldState

MODES = ("native", "generic")
NEVER = "never started"


def shield_metrics(state: ShieldState | None) -> Iterator[Metric]:
    """All of them. Where nothing is guarded only ``rempart_shield_up`` and why."""
    up = GaugeMetricFamily(
        "rempart_shield_up",
        "Whether every interface that shall be guarded is; the reason when not.",
        labels=["reason"],
    )
    up.add_metric([NEVER if state is None else state.reason], float(state is not None and state.on))
    yield up
    if state is None:
        return
    wanted = GaugeMetricFamily(
        "rempart_shield_wanted", "Whether not to have it is a fault.", value=float(state.wanted)
    )
    yield wanted
    if not state.interfaces:
        return
    attached = GaugeMetricFamily(
        "rempart_shield_attached", "How the program is attached.", labels=["interface", "mode"]
    )
    lost = CounterMetricFamily(
        "rempart_shield_taken_off", "How often it was taken off from outside.", labels=["interface"]
    )
    for one in state.interfaces:
        for mode in MODES:
            attached.add_metric([one.name, mode], float(one.mode == mode))
        lost.add_metric([one.name], one.lost)
    yield attached
    yield lost
    yield GaugeMetricFamily(
        "rempart_shield_unfiltered",
        "Local prefixes that are too large for the program: what goes to them passes.",
        value=float(len(state.unfiltered)),
    )
    packets = CounterMetricFamily(
        "rempart_shield_packets", "Packets by reason.", labels=["verdict", "reason"]
    )
    octets = CounterMetricFamily("rempart_shield_bytes", "Their bytes.", labels=["verdict", "reason"])
    for count in state.counts:
        labels = [verdict(count.reason), count.reason.lower()]
        packets.add_metric(labels, count.packets)
        octets.add_metric(labels, count.bytes)
    yield packets
    yield octets
    sizes = GaugeMetricFamily("rempart_shield_entries", "Entries of lists and rules.", labels=["list"])
    for name, size in state.lists.model_dump().items():
        sizes.add_metric([name], size)
    yield sizes
    active = GaugeMetricFamily("rempart_shield_measure", "Whether a measure stands now.", labels=["measure"])
    active.add_metric(["syn_cookies"], float(state.syn_cookies))
    active.add_metric(["dns_challenge"], float(state.dns_challenge))
    yield active
    missed = CounterMetricFamily(
        "rempart_shield_lost_samples", "Samples that nobody took in time.", labels=["ring"]
    )
    missed.add_metric(["samples"], state.lost_samples)
    missed.add_metric(["captures"], state.lost_captures)
    yield missed


def verdict(reason: str) -> str:
    """``passed``, ``answered``, ``dropped``, by a reason's name."""
    return {"PASS": "passed", "TX": "answered", "DROP": "dropped"}[reason.partition("_")[0]]
