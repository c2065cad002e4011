"""Rempart itself: ``rempart up`` in the edge's namespace and one ``rempart site add``, as an operator does
it."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rempart import __version__
from rempart.lab.contenders.contract import Contender, EdgeScene, Mitigation, Standing
from rempart.lab.contenders.writing import lacking, versions_of
from rempart.lab.instance import Instance, Ports
from rempart.model.attacks import Layer
from rempart.model.configuration import StatePaths
from rempart.node.defending.journal import read_account, read_history
from rempart.node.defending.memory import learnt_file
from rempart.node.state_folders import prepare


@contextlib.contextmanager
def launched(
    scene: EdgeScene,
    learnt: Path | None = None,
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Instance]:
    """``rempart up`` at an edge, not waited for. Settings are the documented defaults; only addresses are
    given, and ``more``: sections of its own. ``learnt``: a folder of ``kept_files`` to begin with."""
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
    with Instance(ports, settings, place=scene.place, folder=scene.folder / "rp") as instance:
        if learnt is not None:
            give(learnt, instance)
        instance.launch()
        yield instance


def kept_files() -> dict[str, Layer]:
    """Names under which what each loop has learnt is kept between turns."""
    return {f"{layer}.bin": layer for layer in Layer}


def give(learnt: Path, instance: Instance) -> None:
    """Put what was learnt where the loops of an instance look for it."""
    prepare(instance.configuration, is_root=os.geteuid() == 0)
    for name, layer in kept_files().items():
        file = learnt_file(instance.configuration.paths, layer)
        shutil.copyfile(learnt / name, file)
        file.chmod(0o600)
        owner = file.parent.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def take(instance: Instance, keep: Path) -> None:
    """Stop an instance in order, and keep what its loops have learnt."""
    instance.stop()
    for name, layer in kept_files().items():
        shutil.copyfile(learnt_file(instance.configuration.paths, layer), keep / name)


@contextlib.contextmanager
def operator(scene: EdgeScene, learnt: Path | None = None) -> Iterator[Instance]:
    """``rempart up`` at an edge, and every part is up; no site yet."""
    with launched(scene, learnt) as instance:
        yield instance.wait_until_up()


def authority_of(instance: Instance) -> Path:
    """PEM of the authority whose certificates an instance shows."""
    return Path(instance.json("ca", "show")["certificate"])


@contextlib.contextmanager
def start(
    scene: EdgeScene, security_level: str | None = None, learnt: Path | None = None, keep: Path | None = None
) -> Iterator[Standing]:
    """``security_level``: what an operator would set by hand. ``learnt``: a folder with what it knows
    already; ``keep``: where to put what it knows in the end."""
    with operator(scene, learnt) as instance:
        origin = f"http://{scene.origin_address}:{scene.origin_port}"
        instance.cli("site", "add", scene.host, "--origin", origin)
        if security_level is not None:
            instance.cli("zone", "set", scene.zone, "--security-level", security_level)
        paths = instance.configuration.paths
        yield Standing(authority=authority_of(instance), mitigations=lambda: mitigations(paths))
        if keep is not None:
            take(instance, keep)


def mitigations(paths: StatePaths) -> tuple[Mitigation, ...]:
    """What the loops' journals tell; their times are times of day."""
    offset = time.monotonic() - time.time()
    found = []
    for layer in Layer:
        account = read_account(paths, layer)
        over = [one.mitigation for one in read_history(paths, layer) if one.mitigation is not None]
        for one in (*over, *(account.standing if account is not None else ())):
            what = f"{one.id}: {one.action} {one.words}"
            found.append(Mitigation(at=one.since.timestamp() + offset, what=what[:200]))
    return tuple(sorted(found, key=lambda one: one.at))


REMPART = Contender(
    name="rempart",
    summary="rempart up with its defaults, and one site",
    lacks=lacking(("haproxy", "haproxy"), ("knotd", "knot")),
    start=start,
    answers_dns=True,
    versions=lambda: (f"rempart {__version__}", *versions_of(("haproxy", "-v"), ("knotd", "-V"))()),
)
