"""CrowdSec: reads nginx's logs, decides by scenarios, and bans addresses in the packet filter."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from rempart.lab.contenders.contract import Contender, EdgeScene, Mitigation, Standing
from rempart.lab.contenders.writing import filled, lacking, last_words, nginx, scene_values, versions_of
from rempart.model.errors import RempartError

API_SECONDS = 20.0
_DECISION = re.compile(r'^time="([^"]+)".* msg="\(\S+\) (\S+ by \S+ \S+ : .*?)"')
_TRAVERSAL = "scenarios/http-path-traversal-probing.yaml", "http_path_traversal.txt"
"""A scenario, and the list that it needs. Debian's package lacks the list; the agent would then write an
error for every line that it reads. Without the scenario it is quicker: in its favour."""


@contextlib.contextmanager
def start(scene: EdgeScene) -> Iterator[Standing]:
    home, values = scene.folder / "crowdsec", scene_values(scene)
    shutil.copytree("/etc/crowdsec", home, symlinks=True)
    shutil.copytree("/usr/share/crowdsec/data", scene.folder / "crowdsec-data")
    for file in (*home.glob("*.local"), home / "online_api_credentials.yaml"):
        file.unlink(missing_ok=True)
    scenario, needed = _TRAVERSAL
    if not (scene.folder / "crowdsec-data" / needed).exists():
        (home / scenario).unlink(missing_ok=True)
    key = secrets.token_hex(16)
    for name in ("config.yaml", "acquis.yaml"):
        (home / name).write_text(filled("crowdsec", name, values))
    bouncer = scene.folder / "bouncer.yaml"
    bouncer.touch(mode=0o600)
    bouncer.write_text(filled("crowdsec", "bouncer.yaml", {**values, "KEY": key}))
    config = ["-c", str(home / "config.yaml")]
    for command in (
        ["machines", "add", "lab", "--force", "--password", secrets.token_hex(16)],
        ["bouncers", "add", "lab", "-k", key],
    ):
        done = subprocess.run(
            ["cscli", *config, "--error", *command], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RempartError(f"cscli {command[0]}: {done.stderr.strip()}")
    # The collection has a scenario for what limit_req refuses.
    with nginx(scene, "nginx"):
        for name in ("access.log", "error.log"):
            (scene.folder / name).touch()
        out, log = scene.folder / "crowdsec.out", scene.folder / "crowdsec.log"
        with scene.place.running(["crowdsec", *config], log=out):
            wait_for(log, "Starting processing data", scene.folder)
            argv = ["crowdsec-firewall-bouncer", "-c", str(bouncer)]
            with scene.place.running(argv, log=scene.folder / "bouncer.out"):
                yield Standing(authority=scene.authority, mitigations=lambda: decisions(log))


def wait_for(log: Path, words: str, folder: Path) -> None:
    """Until the agent reads logs: it loads its scenarios first."""
    deadline = time.monotonic() + API_SECONDS
    while not (log.exists() and words in log.read_text(errors="replace")):
        if time.monotonic() > deadline:
            raise RempartError(f"CrowdSec did not start:\n{last_words(folder)}")
        time.sleep(0.1)


def decisions(log: Path) -> tuple[Mitigation, ...]:
    """What CrowdSec's log tells of scenarios that have overflowed."""
    offset = time.monotonic() - time.time()
    found = []
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        if hit := _DECISION.search(line):
            with contextlib.suppress(ValueError):
                at = time.mktime(time.strptime(hit[1], "%d-%m-%Y %H:%M:%S"))
                found.append(Mitigation(at=at + offset, what=hit[2]))
    return tuple(found)


CROWDSEC = Contender(
    name="crowdsec",
    summary="nginx with its limits, CrowdSec with its nginx collection, and its firewall bouncer",
    lacks=lacking(
        ("nginx", "nginx-light"),
        ("crowdsec", "crowdsec"),
        ("cscli", "crowdsec"),
        ("crowdsec-firewall-bouncer", "crowdsec-firewall-bouncer"),
        ("nft", "nftables"),
    ),
    start=start,
    versions=versions_of(("crowdsec", "-version"), ("nft", "--version"), ("nginx", "-v")),
)
