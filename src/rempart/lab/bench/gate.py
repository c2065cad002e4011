"""``rempart bench gate``: what challenging costs the edge, and what a cleared visitor pays for the check.

Three pairs, each measured in turn every round, one core for the edge and the other for everything else: our
challenge page next to a plain HAProxy that returns the same bytes from memory; a request with a clearance
next to one to a site that challenges nobody; and verifications by the gate's process, passed and refused.
Those come through the plain HAProxy: the edge lets one client send few, and wrk is one client.
"""

from __future__ import annotations

import re
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from rempart.engines.contract import ItemTable
from rempart.engines.haproxy.control import HAProxyEngine, command_line
from rempart.engines.haproxy.gate_keys import read_or_make_keys
from rempart.gate import challenge, clearance
from rempart.lab.bench.edge import NGINX_ORIGIN, nginx
from rempart.lab.bench.load import LOAD_CORE, PROXY_CORE, Measured, compared, figure, output_of
from rempart.lab.bench.report import BenchReport, Row, paired_ratio
from rempart.lab.figures import at_most
from rempart.lab.processes import cpu_seconds, free_port, require, running, wait_for_port
from rempart.model.base import Value
from rempart.model.configuration import AdminSection, Configuration, EdgeSection
from rempart.model.errors import RempartError
from rempart.model.gate import COOKIE, GATE_PATH, GateKey, Rung
from rempart.model.sites import OriginTls, SiteLimits
from rempart.node.settings import Resolved
from rempart.snapshot.items import EdgeOrigin, SiteItem

CALM, GUARDED = "calm.test", "guarded.test"
CLEARED_BAR = 1.15
"""CPU of a cleared request ÷ CPU of a request to a site that challenges nobody."""

VERIFICATIONS_MAX = 20_000
"""More than the gate's process makes in a second."""

Progress = Callable[[str], None]


class Workload(Value):
    """What wrk asks, and of whom."""

    name: str
    port: int
    pid: int
    """The process whose CPU time counts."""
    host: str
    path: str = "/"
    headers: tuple[str, ...] = ()
    answers: Callable[[int], list[str]] | None = None
    """Makes that many bodies, each to be sent once; without it, wrk asks with GET."""
    status: int


@dataclass(frozen=True, slots=True)
class _Edge:
    port: int
    pid: int
    gate_pid: int
    gate_socket: Path
    key: GateKey


def run(rounds: int = 5, seconds: int = 2, progress: Progress = lambda _: None) -> BenchReport:
    """Measure; ``rounds`` of ``seconds`` each for every workload."""
    for program, package in (("haproxy", "haproxy"), ("nginx", "nginx-light"), ("wrk", "wrk")):
        require(program, package)
    samples: dict[str, dict[str, list[Measured]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rp-bench-")))
        folder.chmod(0o755)
        edge = _start_edge(folder, stack)
        plain, plain_pid = _start_plain(folder, edge, stack)
        pairs = _workloads(edge, plain, plain_pid)
        for number in range(rounds):
            for what, pair in pairs.items():
                turn = number % len(pair)
                for load in (*pair[turn:], *pair[:turn]):
                    progress(f"round {number + 1}/{rounds}: {what}: {load.name}")
                    script = _script(load, seconds, folder)
                    process = psutil.Process(load.pid)
                    before = cpu_seconds(process)
                    rate = _wrk(load, script, seconds)
                    share = (cpu_seconds(process) - before) / seconds
                    taken = Measured(per_second=rate, proxy_share=share)
                    samples.setdefault(what, {}).setdefault(load.name, []).append(taken)
    rows: list[Row] = []
    for what, pair in pairs.items():
        unit = "verifications" if pair[0].answers else "requests"
        rows += compared(what, unit, samples[what], pair[0].name)
    costs = {
        name: [1 / one.per_cpu_second for one in taken if one.per_cpu_second]
        for name, taken in samples["requests"].items()
    }
    bars = (
        at_most("cleared ÷ unchallenged request, CPU", CLEARED_BAR,
                paired_ratio(costs["cleared"], costs["unchallenged"])),
    )  # fmt: skip
    return BenchReport(bench="gate", rows=tuple(rows), bars=bars)


def _workloads(edge: _Edge, plain: int, plain_pid: int) -> dict[str, tuple[Workload, ...]]:
    now = int(time.time())
    token = clearance.sign(clearance.issue(GUARDED, Rung.PROOF, secrets.token_bytes(16), now), edge.key)
    cookie = (f"Cookie: {COOKIE}={token}",)
    stranger = edge.key.model_copy(update={"secret": secrets.token_hex(32)})

    def answers(key: GateKey) -> Callable[[int], list[str]]:
        def made(number: int) -> list[str]:
            # Nothing to wait for: what counts is the check, the memory of nonces and the clearance.
            now = int(time.time())
            stated = (
                challenge.issue(GUARDED, Rung.WAIT, 0, secrets.token_hex(16), now) for _ in range(number)
            )
            return [f"c={challenge.sign(one, key)}" for one in stated]

        return made

    path = f"{GATE_PATH}pass"
    gate = {"port": plain, "pid": edge.gate_pid, "host": GUARDED, "path": path}
    return {
        "challenge pages": (
            Workload(name="rempart", port=edge.port, pid=edge.pid, host=GUARDED, status=503),
            Workload(name="haproxy", port=plain, pid=plain_pid, host=GUARDED, status=503),
        ),
        "requests": (
            Workload(name="cleared", port=edge.port, pid=edge.pid, host=GUARDED, headers=cookie, status=200),
            Workload(
                name="unchallenged", port=edge.port, pid=edge.pid, host=CALM, headers=cookie, status=200
            ),
        ),
        "answers": (
            Workload(**gate, name="passed", answers=answers(edge.key), status=204),
            Workload(**gate, name="refused", answers=answers(stranger), status=403),
        ),
    }


def _script(load: Workload, seconds: int, folder: Path) -> Path | None:
    """What wrk is told when there is more to send than a GET."""
    if load.answers is None:
        return None
    bodies, script = folder / "bodies", folder / "post.lua"
    bodies.write_text("\n".join(load.answers(VERIFICATIONS_MAX * (seconds + 1))) + "\n")
    script.write_text(
        f'local next = io.lines("{bodies}")\n'
        'local headers = {["Content-Type"] = "application/x-www-form-urlencoded",'
        f' ["Host"] = "{load.host}"}}\n'
        'function request() return wrk.format("POST", nil, headers, next()) end\n'
    )
    return script


def _wrk(load: Workload, script: Path | None, seconds: int) -> float:
    """Requests per second over 32 kept connections; RempartError when one is answered otherwise."""
    headers = [word for header in (f"Host: {load.host}", *load.headers) for word in ("-H", header)]
    told = ["-s", str(script)] if script else []
    url = f"http://127.0.0.1:{load.port}{load.path}"
    out = output_of(["wrk", "-t1", "-c32", f"-d{seconds}s", *told, *headers, url])
    total = figure(r"(\d+) requests in", out, "wrk")
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    refused = int(other[1]) if other else 0
    if refused != (0 if load.status < 400 else total):
        raise RempartError(f"{load.name}: {refused} of {total:.0f} requests were refused")
    return figure(r"Requests/sec:\s+([\d.]+)", out, "wrk")


def _start_edge(folder: Path, stack: ExitStack) -> _Edge:
    origin = free_port()
    (folder / "origin.conf").write_text(NGINX_ORIGIN.format(port=origin, folder=folder))
    log = folder / "log"
    stack.enter_context(running(nginx(folder / "origin.conf", folder), log=log, cores=LOAD_CORE))
    wait_for_port("127.0.0.1", origin)
    home = folder / "edge"
    config = Configuration(
        state=home,
        edge=EdgeSection(
            listen=("127.0.0.1",), http_port=free_port(), https_port=free_port(), threads=1,
            max_connections=4000,
        ),
        admin=AdminSection(port=free_port()),
    )  # fmt: skip
    for place in ("haproxy", "node", "gate"):
        (config.paths.run / place).mkdir(parents=True)
    HAProxyEngine(config).write_boot_files(
        ItemTable.of(_site(CALM, origin, challenge=False), _site(GUARDED, origin, challenge=True))
    )
    resolved = home / "resolved.json"
    resolved.write_text(Resolved(configuration=config).model_dump_json())
    gate = [sys.executable, "-c", _GATE, str(resolved)]
    gate_process = stack.enter_context(running(gate, log=log, cores=LOAD_CORE))
    deadline = time.monotonic() + 20
    while not config.paths.gate_socket.exists():
        if time.monotonic() > deadline:
            raise RempartError(f"the gate did not start: {log.read_text()[-1000:]}")
        time.sleep(0.05)
    process = stack.enter_context(running(command_line(config), log=log, cores=PROXY_CORE))
    wait_for_port("127.0.0.1", config.edge.http_port)
    while (
        httpx.get(f"http://127.0.0.1:{config.edge.http_port}/", headers={"Host": GUARDED}).status_code != 503
    ):
        if time.monotonic() > deadline:
            raise RempartError("the edge does not challenge")
        time.sleep(0.1)
    return _Edge(
        port=config.edge.http_port,
        pid=process.pid,
        gate_pid=gate_process.pid,
        gate_socket=config.paths.gate_socket,
        key=read_or_make_keys(config.paths.gate_keys, 0).current,
    )


def _site(host: str, origin: int, *, challenge: bool) -> SiteItem:
    return SiteItem(
        host=host,
        origins=(
            EdgeOrigin(
                address="127.0.0.1", port=origin, tls=OriginTls.OFF, weight=100, backup=False,
                max_connections=1000,
            ),
        ),
        https_redirect=False,
        limits=SiteLimits(
            requests_per_client=1_000_000, requests_per_site=10_000_000, connections_per_client=10_000
        ),
        challenge=challenge,
    )  # fmt: skip


def _start_plain(folder: Path, edge: _Edge, stack: ExitStack) -> tuple[int, int]:
    """A plain HAProxy that returns as many bytes as our page has, and passes the gate's requests on."""
    page = httpx.get(f"http://127.0.0.1:{edge.port}/", headers={"Host": GUARDED}).content
    file, port = folder / "page.html", free_port()
    file.write_bytes(page)
    config = folder / "plain.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  timeout client 30s\n"
        "  timeout server 30s\n  timeout connect 5s\n"
        f"frontend plain\n  bind 127.0.0.1:{port}\n"
        f"  http-request return status 503 content-type text/html file {file}"
        f" unless {{ path_beg {GATE_PATH} }}\n"
        f"  default_backend gate\nbackend gate\n  server gate unix@{edge.gate_socket} maxconn 64\n"
    )
    process = stack.enter_context(
        running(["haproxy", "-W", "-f", str(config)], log=folder / "plain.log", cores=PROXY_CORE)
    )
    wait_for_port("127.0.0.1", port)
    return port, process.pid


# As root the service would become its user, who cannot get into a private folder.
_GATE = (
    "import pathlib, sys; from rempart.gate.service import run; from rempart.node.settings import Resolved; "
    "run(Resolved.model_validate_json(pathlib.Path(sys.argv[1]).read_bytes()).configuration)"
)
