"""What the story is played on: two operators, the forum on its own machine, the parent zone. The rim."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rempart.lab.contenders.contract import Standing
from rempart.lab.contenders.none import NONE
from rempart.lab.contenders.rempart import launched
from rempart.lab.drills.starting import (
    HOST,
    ZONE,
    edge_scene,
    made,
    origin_scene,
    serve_origin,
    start_following_resolver,
)
from rempart.lab.instance import REMPART, Instance
from rempart.lab.network.making import Network
from rempart.lab.network.parent import PARENT_ZONE, Parent, parent_zone
from rempart.lab.network.world import Edge, Role
from rempart.lab.origins.contract import Origin, OriginScene
from rempart.model.errors import RempartError

SECURITY_LEVEL = "under_attack"
FEEDS = "/feeds/"
MAIL = f"mail.{ZONE}"
OPERATOR_ZONE = f"operator.{PARENT_ZONE}"
"""The first operator's own, in which it publishes its log."""
LOG_HOST, LOG_PORT = f"log.{OPERATOR_ZONE}", 9182


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator's Rempart, at its edge."""

    instance: Instance
    edge: Edge

    def takes(self, forum: Forum, crawlers: str) -> None:
        """What the owner says once: certificate, site, how visitors are met, who need not pass the challenge,
        mail; and that the zone is to be signed."""
        named = [word for origin in forum.origins for word in ("--origin", origin)]
        self.instance.cli("certificate", "add", *map(str, forum.certificate))
        self.instance.cli(
            "site", "add", HOST, *named,
            "--security-level", SECURITY_LEVEL, "--exempt-path", FEEDS, "--exempt-network", crawlers,
        )  # fmt: skip
        self.instance.cli("record", "add", ZONE, "@", "MX", MAIL, "--priority", "10")
        self.instance.cli("zone", "dnssec", ZONE, "on")

    def ds(self, *, seconds: float = 30.0) -> tuple[str, ...]:
        """What the parent zone is to vouch for; there within seconds of signing."""
        deadline = time.monotonic() + seconds
        while not (found := self.instance.json("zone", "dnssec", ZONE, "show")["ds"]):
            if time.monotonic() > deadline:
                raise RempartError(f"{ZONE} is not signed")
            time.sleep(0.2)
        return tuple(found)

    def exports(self, kit: Path) -> None:
        self.instance.cli("zone", "export", ZONE, "--format", "bundle", "--output", str(kit))

    def imports(self, kit: Path) -> None:
        self.instance.cli("import", "bundle", str(kit))


class Forum:
    """The origin on its machine, with the web server before it that such a machine has. Started anew before
    each attack: what the last one left in its queue is not the next one's."""

    def __init__(self, network: Network, origin: Origin, scene: OriginScene, bare: Edge) -> None:
        self._network, self._origin, self.scene, self.bare = network, origin, scene, bare
        self._web = edge_scene(network, bare, scene, made(network.folder / "bare"))
        self.standing = Standing(authority=self._web.authority)
        self._stack = ExitStack()

    def __enter__(self) -> Forum:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def anew(self) -> None:
        """It serves when this returns, over the web server too when that is installed here."""
        self._stack.close()
        serve_origin(self._stack, self._network, self._origin, self.scene)
        if NONE.lacks() is None:
            self._stack.enter_context(NONE.start(self._web))

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The site's chain and its key, which its owner has, as PEM."""
        chain, key = made(self._network.folder / "bare") / "chain.pem", self._network.folder / "bare/key.pem"
        text = self._web.certificate.read_text()
        cut = text.index("-----BEGIN PRIVATE KEY")
        for file, part in ((chain, text[:cut]), (key, text[cut:])):
            file.touch(mode=0o600)
            file.write_text(part)
        return chain, key

    @property
    def origins(self) -> tuple[str, ...]:
        """Where an operator finds it: the application itself, and the web server at the IPv6 address."""
        return (f"http://{self.scene.address}:{self.scene.port}", f"http://[{self.bare.v6}],backup")


@dataclass(frozen=True, slots=True)
class Stage:
    """Everybody is there, and nothing has happened yet."""

    network: Network
    forum: Forum
    first: Operator
    second: Operator
    parent: Parent

    @property
    def addresses(self) -> dict[str, str]:
        """The forum's own, by record type."""
        return {"A": self.forum.bare.v4, "AAAA": self.forum.bare.v6}

    def delegates_to(
        self, operator: Operator, *, ds: tuple[str, ...] = (), instead_of: tuple[str, ...] = ()
    ) -> None:
        """What the owner tells the registrar."""
        self.parent.delegates(ZONE, operator.edge.v4, operator.edge.v6, ds=ds, instead_of=instead_of)

    def publishes_log(self) -> str:
        """The first operator publishes its log with a site in a zone of its own; the log's verifier key."""
        first = self.first
        first.instance.cli(
            "site", "add", LOG_HOST, "--origin", f"http://127.0.0.1:{LOG_PORT}", "--no-https-redirect"
        )
        self.parent.delegates(OPERATOR_ZONE, first.edge.v4, first.edge.v6)
        return str(first.instance.json("log", "keys")["key"])

    def verified_log(self, key: str) -> Mapping[str, Any]:
        """What ``rempart log verify`` says to somebody who has nothing but the log's address and its key,
        and keeps a mirror to compare with the next time."""
        mirror = self.network.folder / "mirror"
        argv = [
            *REMPART,
            "log",
            "verify",
            f"http://{LOG_HOST}/",
            "--key",
            key,
            "--mirror",
            str(mirror),
            "--json",
        ]
        done = subprocess.run(
            self.network.place(Role.VISITORS).command(argv),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            return {"sound": False, "entries": 0, "faults": [done.stderr.strip() or "no answer"]}


@contextlib.contextmanager
def staged(network: Network, origin: Origin, bare: Edge) -> Iterator[Stage]:
    """The stage stands while the block runs."""
    plan = network.plan
    scene = origin_scene(network)
    log = {"log": {"origin": LOG_HOST, "port": LOG_PORT}}
    with ExitStack() as stack:
        with network.quota_lifted(Role.EDGE), network.quota_lifted(Role.SECOND_EDGE):
            # There is another operator before anybody needs one.
            launching = [
                stack.enter_context(
                    launched(edge_scene(network, edge, scene, made(network.folder / name)), more=more)
                )
                for name, edge, more in (("1", plan.edges[0], log), ("2", plan.edges[1], {}))
            ]
            parent = stack.enter_context(parent_zone(network))
            start_following_resolver(stack, network)
            origin.prepare(scene)
            forum = stack.enter_context(Forum(network, origin, scene, bare))
            operators = [
                Operator(one.wait_until_up(), edge) for one, edge in zip(launching, plan.edges, strict=True)
            ]
        yield Stage(network, forum, operators[0], operators[1], parent)


def mentions(words: str, *places: Path) -> int:
    """In how many files at or below these places the words stand, those within archives too."""
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else (place,))]
    contents = [octets for file in files if file.is_file() for octets in _contents(file)]
    return sum(words.encode() in octets for octets in contents)


def _contents(file: Path) -> Iterator[bytes]:
    if not zipfile.is_zipfile(file):
        yield file.read_bytes()
        return
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            yield archive.read(name)
