"""fail2ban: reads nginx's logs and bans addresses in the packet filter."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from rempart.lab.contenders.contract import Contender, EdgeScene, Mitigation, Standing
from rempart.lab.contenders.writing import filled, lacking, nginx, scene_values, versions_of

_BAN = re.compile(r"^(\S+ \S+),(\d+) .*\[(\S+)\] Ban (\S+)")


@contextlib.contextmanager
def start(scene: EdgeScene) -> Iterator[Standing]:
    home = scene.folder / "fail2ban"
    shutil.copytree("/etc/fail2ban", home)
    (home / "jail.local").write_text(filled("fail2ban", "jail.local", scene_values(scene)))
    log = scene.folder / "fail2ban.log"
    argv = ["fail2ban-server", "-f", "-x", "-c", str(home), "-s", str(scene.folder / "f2b.sock"),
            "-p", str(scene.folder / "f2b.pid"), "--logtarget", str(log), "start"]  # fmt: skip
    (home / "fail2ban.local").write_text(f"[DEFAULT]\ndbfile = {scene.folder}/fail2ban.sqlite3\n")
    with nginx(scene, "nginx"):
        for name in ("access.log", "error.log"):
            (scene.folder / name).touch()
        with scene.place.running(argv, log=scene.folder / "fail2ban.out"):
            yield Standing(authority=scene.authority, mitigations=lambda: bans(log))


def bans(log: Path) -> tuple[Mitigation, ...]:
    """The bans that a log of fail2ban tells of; its times are the wall clock's."""
    offset = time.monotonic() - time.time()
    found = []
    for line in log.read_text().splitlines() if log.exists() else ():
        if ban := _BAN.match(line):
            at = time.mktime(time.strptime(ban[1], "%Y-%m-%d %H:%M:%S")) + int(ban[2]) / 1000
            found.append(Mitigation(at=at + offset, what=f"{ban[3]} bans {ban[4]}"))
    return tuple(found)


FAIL2BAN = Contender(
    name="fail2ban",
    summary="nginx with its limits, and fail2ban's nginx jails",
    lacks=lacking(("nginx", "nginx-light"), ("fail2ban-server", "fail2ban"), ("nft", "nftables")),
    start=start,
    versions=versions_of(("fail2ban-server", "--version"), ("nft", "--version"), ("nginx", "-v")),
)
