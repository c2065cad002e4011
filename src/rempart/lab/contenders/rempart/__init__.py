"""Rempart itself: ``rempart up`` in the edge's namespace and one ``rempart site add``, as an operator does
it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rempart import __version__
from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.lab.contenders.writing import lacking, versions_of
from rempart.lab.instance import Instance, Ports


@contextlib.contextmanager
def launched(
    scene: EdgeScene,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    operator_host: str | None = None,
) -> Iterator[Instance]:
    """``rempart up`` at an edge, not waited for. Settings are the documented defaults; only addresses are
    given, and ``more``: sections of its own."""
    ports = Ports(
        address=scene.v4,
        http=scene.http_port,
        https=scene.https_port,
        dns=scene.dns_port,
        admin=9180,
        api=9181,
    )
    listen = {"listen": [scene.v4, scene.v6]}
    settings: dict[str, dict[str, Any]] = {
        "edge": {**listen, "addresses": [scene.v4, scene.v6]},
        "dns": listen,
        # Its interface would be found by the addresses too; to be without the shield is a fault here. Native,
        # as on a network card: the lab has a program at the other end of this veth, which "auto" cannot know.
        "shield": {"enabled": True, "interfaces": [scene.interface], "mode": "native"},
        **{name: dict(section) for name, section in (more or {}).items()},
    }
    folder = scene.folder / "rp"
    with Instance(ports, settings, operator_host=operator_host, place=scene.place, folder=folder) as instance:
        instance.launch()
        yield instance


@contextlib.contextmanager
def operator(scene: EdgeScene) -> Iterator[Instance]:
    """``rempart up`` at an edge, and every part is up; no site yet."""
    with launched(scene) as instance:
        yield instance.wait_until_up()


def authority_of(instance: Instance) -> Path:
    """PEM of the authority whose certificates an instance shows."""
    return Path(instance.json("ca", "show")["certificate"])


@contextlib.contextmanager
def start(scene: EdgeScene, security_level: str | None = None) -> Iterator[Standing]:
    """``security_level``: what an operator would set by hand."""
    with operator(scene) as instance:
        origin = f"http://{scene.origin_address}:{scene.origin_port}"
        instance.cli("site", "add", scene.host, "--origin", origin)
        if security_level is not None:
            instance.cli("zone", "set", scene.zone, "--security-level", security_level)
        yield Standing(authority=authority_of(instance))


REMPART = Contender(
    name="rempart",
    summary="rempart up with its defaults, and one site",
    lacks=lacking(("haproxy", "haproxy"), ("knotd", "knot")),
    start=start,
    answers_dns=True,
    versions=lambda: (f"rempart {__version__}", *versions_of(("haproxy", "-v"), ("knotd", "-V"))()),
)
