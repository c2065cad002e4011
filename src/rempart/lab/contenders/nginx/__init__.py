"""nginx with limit_req and limit_conn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.lab.contenders.writing import lacking, nginx, versions_of


@contextlib.contextmanager
def start(scene: EdgeScene) -> Iterator[Standing]:
    with nginx(scene, "nginx"):
        yield Standing(authority=scene.authority)


NGINX = Contender(
    name="nginx",
    summary="nginx with limit_req and limit_conn",
    lacks=lacking(("nginx", "nginx-light")),
    start=start,
    versions=versions_of(("nginx", "-v")),
)
