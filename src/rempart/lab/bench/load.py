"""Load for measurements: one core makes it, another is measured."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from rempart.model.base import Value
from rempart.model.errors import RempartError

PROXY_CORE = (0,)
LOAD_CORE = (1,)


class Measured(Value):
    """One contender in one round."""

    per_second: float
    proxy_share: float
    """CPU seconds of the contender per second of the run: near 1 when it was the bottleneck."""


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
