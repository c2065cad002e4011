"""What this process is told: the file named by ``FORUM_SCENE``, as ``rempart.lab.origins.contract`` writes
it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scene:
    """The part of an origin's scene that the forum needs."""

    address: str
    host: str
    folder: Path
    secret: str


def told() -> Scene:
    """The scene of this process."""
    given = json.loads(Path(os.environ["FORUM_SCENE"]).read_text())
    return Scene(given["address"], given["host"], Path(given["folder"]), given["secret"])
