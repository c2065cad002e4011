"""Load for measurements: one core makes it, another is measured."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence

from rempart.lab.bench.report import Row, middle, side_by_side
from rempart.model.base import Value
from rempart.model.errors import RempartError

PROXY_CORE = (0,)
LOAD_CORE = (1,)


class Measured(Value):
    """One contender in one round."""

    per_second: float
    proxy_share: float
    """CPU seconds of the contender per second of the run: near 1 when it was the bottleneck."""

    @property
    def per_cpu_second(self) -> float:
        """What one whole core would carry; honest also when the load generator was the bottleneck."""
        return self.per_second / self.proxy_share if self.proxy_share > 0 else 0.0


def compared(what: str, unit: str, samples: Mapping[str, Sequence[Measured]], ours: str) -> tuple[Row, ...]:
    """Rows for the rate as it was seen and for the rate per second of the contender's CPU time."""
    rates = {name: [m.per_second for m in taken] for name, taken in samples.items()}
    per_cpu = {name: [m.per_cpu_second for m in taken] for name, taken in samples.items()}
    shares = {name: middle([m.proxy_share for m in taken]) or 0.0 for name, taken in samples.items()}
    return (
        *(
            row.model_copy(update={"note": f"used {share:.2f} of its core"})
            for row, share in zip(side_by_side(what, f"{unit}/s", rates, ours), shares.values(), strict=True)
        ),
        *side_by_side(f"{what}, CPU", f"{unit}/CPU-second", per_cpu, ours),
    )


def output_of(command: Sequence[str], *, cores: Sequence[int] = LOAD_CORE) -> str:
    """What a load generator pinned to ``cores`` prints; RempartError with its words when it fails."""
    pinned = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]
    done = subprocess.run(pinned, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RempartError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def figure(pattern: str, text: str, source: str) -> float:
    """The number that ``pattern`` finds; RempartError with the whole text when it finds none."""
    found = re.search(pattern, text)
    if found is None:
        raise RempartError(f"{source} printed no figure like {pattern}:\n{text}")
    return float(found[1])
