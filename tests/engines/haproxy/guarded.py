"""An edge with a site under attack and the gate's real process behind it."""

from __future__ import annotations

import contextlib
import html
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rempart.engines.haproxy.gate_keys import read_keys
from rempart.gate import challenge, clearance
from rempart.model.configuration import TerritorySection
from rempart.model.gate import COOKIE, GATE_PATH, GateKey, Rung
from rempart.model.sites import SiteLimits
from rempart.node.settings import Resolved
from rempart.snapshot.items import SiteItem
from tests.engines.haproxy.edge import NO_LIMITS, Answer, Edge, Origin, eventually, new_edge, origin

HOST = "shop.test"

# Not ``rempart service gate``: as root that becomes a user who cannot get into this folder. Its clock is set
# by an argument.
_GATE = """\
import pathlib, sys, time
now, apart = time.time, float(sys.argv[2])
time.time = lambda: now() + apart
from rempart.gate.service import run
from rempart.node.settings import Resolved
run(Resolved.model_validate_json(pathlib.Path(sys.argv[1]).read_bytes()).configuration)
"""


@dataclass
class Guarded:
    """An edge with one site under attack and a gate behind it."""

    edge: Edge
    origin: Origin
    gate: subprocess.Popen[bytes]

    def key(self) -> GateKey:
        keys = read_keys(self.edge.config.paths.gate_keys)
        assert keys is not None
        return keys.current

    def token(
        self,
        host: str = HOST,
        *,
        rung: Rung = Rung.PROOF,
        key: GateKey | None = None,
        age: int = 0,
        n: int = 0,
    ) -> str:
        """A clearance as the gate would have issued it ``age`` seconds ago."""
        issued = clearance.issue(host, rung, n.to_bytes(16, "big"), int(time.time()) - age)
        return clearance.sign(issued, key or self.key())

    def get(self, token: str = "", path: str = "/", *, host: str = HOST, source: str = "127.0.0.1") -> Answer:
        return self.edge.get(
            host, path, headers={"Cookie": f"{COOKIE}={token}"} if token else {}, source=source
        )

    def post(self, what: str, body: str, **headers: str) -> Answer:
        fields = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self.edge.get(HOST, f"{GATE_PATH}{what}", method="POST", headers=fields, body=body.encode())


def shop(served: Origin, limits: SiteLimits = NO_LIMITS, host: str = HOST) -> SiteItem:
    return SiteItem(
        host=host, origins=(origin(served.port),), https_redirect=False, limits=limits, challenge=True
    )


@contextlib.contextmanager
def besieged(
    one: Origin, *, apart: float = 0.0, territory: TerritorySection | None = None
) -> Iterator[Guarded]:
    """The gate's clock is ``apart`` seconds ahead of the edge's."""
    with new_edge(shop(one), territory=territory) as edge:
        paths = edge.config.paths
        (paths.run / "gate").mkdir()
        paths.receipts.mkdir()
        edge.engine.write_boot_files(edge.view)
        resolved = paths.root / "resolved.json"
        resolved.write_text(Resolved(configuration=edge.config).model_dump_json())
        command = [sys.executable, "-c", _GATE, str(resolved), str(apart)]
        with (paths.root / "gate.log").open("ab") as log:
            gate = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(paths.gate_socket.exists)
            edge.start()
            eventually(lambda: edge.get(HOST).status == 503)
            yield Guarded(edge, one, gate)
        finally:
            gate.terminate()
            gate.wait(10)


def stated(page: Answer, which: str) -> str:
    found = re.search(rf'data-{which}="([^"]*)"', page.body.decode())
    assert found is not None
    return html.unescape(found[1])


def proof_for(page: Answer) -> str:
    """The fields that answer the page's proof of work."""
    nonce, bits = stated(page, "nonce"), int(stated(page, "bits"))
    proof = next(n for n in range(2**26) if challenge.proves(nonce, str(n), bits))
    return f"c={stated(page, 'proof')}&p={proof}"


def clearance_in(passed: Answer) -> str:
    return passed.headers["set-cookie"].partition(";")[0].removeprefix(f"{COOKIE}=")
