"""What the loop tells the node to do. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from rempart.model.attacks import Attack, Layer, Measure, Mitigation
from rempart.model.shield import ShieldRule


@dataclass(frozen=True, slots=True)
class EnforceRules:
    """All that is to hold from now on, instead of what held before. Applying it twice changes nothing."""

    rules: tuple[ShieldRule, ...]
    """Of the shield, in order."""
    measures: Measure
    requests: tuple[Mitigation, ...]
    """What the edge does with requests."""


@dataclass(frozen=True, slots=True)
class RecordMitigation:
    """One began (or would have begun, in observe mode), or is now stronger or weaker."""

    mitigation: Mitigation


@dataclass(frozen=True, slots=True)
class Withdraw:
    """One stands no more; ``mitigation.state`` says how it ended, ``why`` in words."""

    mitigation: Mitigation
    why: str


@dataclass(frozen=True, slots=True)
class RecordAttack:
    """An attack began, changed or ended."""

    attack: Attack


@dataclass(frozen=True, slots=True)
class SampleRate:
    """From now on one record in ``every`` is wanted (a power of two)."""

    layer: Layer
    every: int


Instruction = EnforceRules | RecordMitigation | Withdraw | RecordAttack | SampleRate
