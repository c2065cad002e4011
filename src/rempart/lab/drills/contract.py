"""What a drill is, and what it says in the end.

A drill is a value: a world, an origin, visitors, waves of attack, bars. The runner gives every contender
the same of each, one contender after the other, with the same seed.

    0 ── settle_s ── calm_s ── waves … ── end            seconds after the visitors began
         not counted  what calm is   the attack, or a crowd

A wave with a lead begins in calm: it teaches a defence what is usual. A cold drill has no calm: its attack is
there with the first visitor.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from rempart.lab.attacks.contract import Unit
from rempart.lab.figures import Judged
from rempart.lab.network.world import WorldShape
from rempart.lab.visitors.contract import Population
from rempart.model.base import Value


class Wave(Value):
    """One attack within a drill. Waves may overlap: that is a mixture."""

    attack: str
    begins: float = Field(default=0.0, ge=0, le=1)
    """Share of the attack's time after which it begins."""
    ends: float = Field(default=1.0, ge=0, le=1)
    lead_s: float = Field(default=0.0, ge=0)
    """It begins so many seconds earlier. The attack is timed from its own beginning all the same."""
    parameters: dict[str, float | int | str | bool] = Field(default_factory=dict)
    """What differs from the attack's defaults."""


class Metric(StrEnum):
    """What a bar may be about: fields of ``ContenderResult``."""

    GOODPUT = "goodput"
    LATENCY_P99 = "latency_p99"
    P99_OVER_CALM = "p99_over_calm"
    TIME_TO_MITIGATE = "time_to_mitigate_s"
    FALSE_POSITIVES = "false_positive_rate"
    DEAD_ENDS = "dead_ends"


class BarWanted(Value):
    """What we want of Rempart in a drill."""

    metric: Metric
    at_least: float | None = None
    at_most: float | None = None
    contender: str = "rempart"


class Drill(Value):
    """One rehearsal."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    summary: str
    world: WorldShape = WorldShape()
    origin: str = "shop"
    visitors: Population = Population()
    waves: tuple[Wave, ...]
    crowd: float = Field(default=1.0, ge=1)
    """So many times as many visitors as before come in the time of the attack, most of them to one page."""
    cold: bool = False
    """No calm: whoever protects the site has seen nothing before the attack."""
    settle_s: float = 2.0
    calm_s: float = 5.0
    least_calm_s: float = 0.0
    """What is taught in calm takes so long: the scoreboard never asks for less."""
    attack_s: float = 15.0
    """What ``--duration`` changes."""
    least_attack_s: float = 0.0
    """An attack that is shorter is another one: the scoreboard never asks for less."""
    after_s: float = 3.0
    bars: tuple[BarWanted, ...] = ()

    @property
    def eventful(self) -> bool:
        """Something comes after calm: an attack or a crowd."""
        return bool(self.waves) or self.crowd > 1


class Latency(Value):
    """Milliseconds of requests that were served; None: none was."""

    p50: float | None
    p99: float | None


class ContenderResult(Value):
    """What one contender got. A figure that was not measured is None."""

    name: str
    legit_total: int
    """Requests that visitors wanted while attack and aftermath lasted (all, in a drill without attack)."""
    legit_ok: int
    goodput: float | None
    """legit_ok / legit_total."""
    latency_ms: Latency
    time_to_mitigate_s: float | None
    """From the first attack unit to the moment after which goodput stays >= 95 % of calm, in steps of 0.1 s;
    None: it did not while the attack lasted, or there was none."""
    false_positive_rate: float | None
    """Visits that were refused something, stuck, or served nothing / all visits."""
    cpu_seconds: float | None
    attack_total: int | None
    """Units sent. Where waves of several kinds were sent, those of the kind that could reach the origin, so
    that packets are never added to requests; ``attack_units`` has all."""
    attack_reached_origin: int | None
    attack_units: dict[Unit, int] | None = None
    """Units sent, each kind by itself."""
    calm_p99_ms: float | None = None
    """What the 99th percentile was before the attack, of the same contender in the same world."""
    p99_over_calm: float | None = None
    """``latency_ms.p99`` / ``calm_p99_ms``; None in a drill without attack."""
    visits: int | None = None
    """Visits that wanted something meanwhile: what ``false_positive_rate`` is of."""
    goodput_after: float | None = None
    """Goodput from ``time_to_mitigate_s`` after the attack's begin to its end; None where it was not
    mitigated, or there was none."""
    dead_ends: int | None = None
    """Requests of visitors who were challenged and could not pass whatever they did."""
    first_answer_s: float | None = None
    """From the attack's beginning to the first thing that the contender's own log says it did about it; None:
    it did nothing, or keeps no such log."""


class DrillResult(Judged):
    """A drill's outcome: the document that ``--json`` prints."""

    drill: str
    seed: int
    contenders: tuple[ContenderResult, ...]
