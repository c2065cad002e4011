"""The packet shield's decisions in plain Python: the oracle of `bpf/shield.bpf.c` (docs/shield.md)."""

from rempart.engines.shield.layout import Reason, Verdict
from rempart.engines.shield.model.decision import Decision, Sample
from rempart.engines.shield.model.state import State
from rempart.engines.shield.model.steps import decide
from rempart.engines.shield.model.tables import Tables

__all__ = ["Decision", "Reason", "Sample", "State", "Tables", "Verdict", "decide"]
