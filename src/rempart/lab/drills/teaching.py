"""Lets Rempart see two minutes of ordinary visitors, and keeps what it learnt for turns that are to begin
with it.

An attack meets a defence that has run for a while; a turn of some seconds cannot give it that. What is
kept is what an orderly end of ``rempart up`` leaves on disk, nothing else. The rim.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from rempart.lab.contenders.contract import Contender
from rempart.lab.contenders.rempart import REMPART, kept_files, start
from rempart.lab.drills.catalogue import CALM
from rempart.lab.drills.running import rehearse
from rempart.lab.progress import Progress
from rempart.lab.visitors.contract import Population
from rempart.model.errors import RempartError

FOLDER = "learnt"
"""Beside the files of turns; not part of the page."""
CALM_S = 120.0
"""Enough for 3,000 good requests, without which nobody is refused (``defence.trial``)."""
SEED = 0
"""Of the calm; no turn has it, so nobody's addresses and visits are the same."""


def learnt(folder: Path, progress: Progress) -> Contender:
    """Rempart that begins with what is in ``folder``; which is made first, if it is not there."""
    if not all((folder / name).exists() for name in kept_files()):
        folder.mkdir(parents=True, exist_ok=True)
        drill = CALM.model_copy(
            update={
                "visitors": Population(dns_queries_per_second=50),
                "settle_s": 0.5,
                "calm_s": 0.5,
                "attack_s": CALM_S,
                "after_s": 0.5,
            }
        )
        pupil = replace(REMPART, start=partial(start, keep=folder))
        rehearse(drill, pupil, seed=SEED, progress=progress)
        if missing := [name for name in kept_files() if not (folder / name).exists()]:
            raise RempartError(f"nothing was kept of what was learnt: {', '.join(missing)}")
    return replace(REMPART, start=partial(start, learnt=folder))
