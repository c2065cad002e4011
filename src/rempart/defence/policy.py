"""The thresholds of the judgement, in one place. docs/defence.md gives the reason of each."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from rempart.model.base import Value


class Policy(Value):
    """What an operator may turn; the defaults are what is tested."""

    # What is usual
    site_floor: float = Field(default=50, gt=0)
    """Requests/s below which no site's rate is news."""
    packet_floor: float = Field(default=2_000, gt=0)
    """The same in packets/s, of a class of packets or a service."""
    factor: float = Field(default=3, gt=1)
    """A rate so many times the usual is a change."""
    growth_per_hour: float = Field(default=4, gt=1)
    """The most that what is usual may grow in an hour, whatever comes."""

    # Something is wrong
    on_ticks: int = Field(default=2, ge=1)
    harm_rise: float = Field(default=1.5, ge=1)
    """Harm is looked into when the rate is so many times the usual."""
    calm_seconds: float = Field(default=3, gt=0)
    """It is over when it was under ``calm_share`` of its threshold, without harm, so long."""
    calm_share: float = Field(default=0.7, gt=0, le=1)
    busy_seconds: float = Field(default=60, gt=0)
    """A change that harms nobody and gives no cause to act is learnt from after so long."""
    queue_harm: int = Field(default=10, ge=1)
    errors_harm: float = Field(default=0.2, gt=0, le=1)
    latency_harm: float = Field(default=0.3, gt=0)
    """Seconds of the origin's answers, and four times the usual."""
    saturation_harm: float = Field(default=0.85, gt=0, le=1)

    # What it has in common
    window_seconds: float = Field(default=1, gt=0)
    tick_records: int = Field(default=1_024, ge=64)
    """Of what one observation brings; more is thinned out evenly."""
    least_records: int = Field(default=48, ge=8)
    signatures_at_once: int = Field(default=6, ge=1)
    worth: float = Field(default=0.1, gt=0, lt=1)
    """A signature covers at least this share of the excess."""
    sites: int = Field(default=16_384, ge=1)
    services: int = Field(default=64, ge=1)
    """Sites, and services beside the classes of packets, that have a profile of their own."""
    keys_per_tick: int = Field(default=2, ge=1)
    """Sites looked into in one tick, the worst first."""
    look_every: float = Field(default=0.2, gt=0)
    look_most: float = Field(default=0.8, gt=0)
    """Seconds between looks, at first and when nothing was found again and again."""

    # Whom it would hit
    reservoir: int = Field(default=16_384, ge=64)
    reservoir_share: float = Field(default=0.25, gt=0, le=1)
    """Of the reservoir, for one site or class."""
    memory_seconds: float = Field(default=3_600, gt=0)
    """A site or class that has its share renews it in this time, not faster: who is there for some minutes
    does not become what is good."""
    client_records: int = Field(default=8, ge=1)
    """Of one client in the reservoir."""
    quarantine: float = Field(default=10, ge=0)
    """Seconds that a record waits before it counts as good; an attack in between spoils it."""
    known_seconds: float = Field(default=20, gt=0)
    """What was never learnt for so long is not refused: who has a proof is no fair sample of the others."""
    admitted_per_second: int = Field(default=400, ge=1)
    bound: float = Field(default=0.001, gt=0, lt=1)
    """Share of good traffic that a signature may drop."""
    bounds: Mapping[int, float] = Field(default_factory=dict)
    """The same of single sites."""
    limit_ease: float = Field(default=10, ge=1)
    """A limit may touch so many times more than a drop."""
    challenge_bound: float = Field(default=0.5, gt=0, le=1)
    lift: float = Field(default=2, gt=1)
    """Clients of an attack are so many times more frequent in it than among the good."""

    # Whether it helped, and until when
    effect_after: float = Field(default=1, gt=0)
    effect_share: float = Field(default=0.05, gt=0, lt=1)
    failed_for: float = Field(default=60, gt=0)
    quiet_seconds: float = Field(default=30, gt=0)
    quiet_most: float = Field(default=600, gt=0)
    life_seconds: float = Field(default=3_600, gt=0)
    remembered: int = Field(default=256, ge=1)
    """Signatures that failed, recurred or were revoked."""
    packet_rules: int = Field(default=40, ge=1, le=64)
    request_rules: int = Field(default=400, ge=1)
    limit_room: float = Field(default=3, ge=1)
    """A limit leaves so many times what the good need."""

    # What is looked at
    packets_per_second: int = Field(default=2_000, ge=10)
    requests_per_second: int = Field(default=4_000, ge=10)

    def bound_of(self, key: int) -> float:
        return self.bounds.get(key, self.bound)
