"""HAProxy with stick tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.lab.contenders.writing import filled, lacking, scene_values, versions_of


@contextlib.contextmanager
def start(scene: EdgeScene) -> Iterator[Standing]:
    config = scene.folder / "haproxy.cfg"
    config.write_text(filled("haproxy", "haproxy.cfg", scene_values(scene)))
    argv = ["haproxy", "-W", "-db", "-f", str(config)]
    with scene.place.running(argv, log=scene.folder / "haproxy.out"):
        yield Standing(authority=scene.authority)


HAPROXY = Contender(
    name="haproxy",
    summary="HAProxy with stick tables for request and connection rates",
    lacks=lacking(("haproxy", "haproxy")),
    start=start,
    versions=versions_of(("haproxy", "-v")),
)
