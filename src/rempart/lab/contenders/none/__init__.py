"""No protection at all: a plain nginx with TLS before the application."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.lab.contenders.writing import lacking, nginx, versions_of


@contextlib.contextmanager
def start(scene: EdgeScene) -> Iterator[Standing]:
    with nginx(scene, "none"):
        yield Standing(authority=scene.authority)


NONE = Contender(
    name="none",
    summary="nginx as a plain reverse proxy, no limits",
    lacks=lacking(("nginx", "nginx-light")),
    start=start,
    versions=versions_of(("nginx", "-v")),
)
