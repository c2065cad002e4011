"""``rempart bench edge``: what our protection costs a request, next to plain HAProxy and plain nginx.

One core for the proxy under test, the other for origin and load generator. Every round measures every
contender once, in turn, so that a machine that slows down slows all of them. The host is named without
a port, as browsers name one that listens on the usual ports.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil

from rempart.engines.contract import ItemTable
from rempart.engines.haproxy.control import HAProxyEngine, command_line
from rempart.lab import certificates
from rempart.lab.bench.load import LOAD_CORE, PROXY_CORE, Measured, compared, figure, output_of
from rempart.lab.bench.report import BenchReport, Row
from rempart.lab.figures import at_least
from rempart.lab.processes import cpu_seconds, free_port, require, running, wait_for_port
from rempart.model.base import Value
from rempart.model.configuration import AdminSection, Configuration, EdgeSection
from rempart.model.errors import RempartError
from rempart.model.sites import OriginTls, SiteLimits
from rempart.snapshot.items import CertificateItem, EdgeOrigin, SiteItem

OURS, HAPROXY, NGINX = "rempart", "haproxy", "nginx"
BAR = 0.80
"""Share of plain HAProxy's requests per second that the whole protection configuration must keep."""

Progress = Callable[[str], None]


class Contender(Value):
    """A proxy that runs, and where it listens."""

    name: str
    http: int
    https: int
    pid: int


def run(rounds: int = 5, seconds: int = 2, progress: Progress = lambda _: None) -> BenchReport:
    """Measure; ``rounds`` of ``seconds`` each for every contender and workload."""
    for program, package in (
        ("haproxy", "haproxy"),
        ("nginx", "nginx-light"),
        ("wrk", "wrk"),
        ("h2load", "nghttp2-client"),
        ("taskset", "util-linux"),
    ):
        require(program, package)
    workloads: dict[str, tuple[str, Callable[[Contender, int], float]]] = {
        "keep-alive HTTP/1.1": ("requests", keep_alive),
        "HTTP/2 over TLS": ("requests", http2),
        "new TLS connections": ("connections", new_tls),
    }
    samples: dict[str, dict[str, list[Measured]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rp-bench-")))
        folder.chmod(0o755)
        contenders = start_contenders(folder, stack)
        for round_number in range(rounds):
            for what, (_, workload) in workloads.items():
                # Each round begins with another contender, so that none always runs on a warmer machine.
                turn = round_number % len(contenders)
                for contender in (*contenders[turn:], *contenders[:turn]):
                    progress(f"round {round_number + 1}/{rounds}: {what}: {contender.name}")
                    process = psutil.Process(contender.pid)
                    before = cpu_seconds(process)
                    rate = workload(contender, seconds)
                    share = (cpu_seconds(process) - before) / seconds
                    samples.setdefault(what, {}).setdefault(contender.name, []).append(
                        Measured(per_second=rate, proxy_share=share)
                    )
    rows: list[Row] = []
    bars = []
    for what, (unit, _) in workloads.items():
        lines = compared(what, unit, samples[what], OURS)
        rows += lines
        bars += [
            at_least(f"{row.name} ÷ plain haproxy", BAR, row.ratio[HAPROXY]) for row in lines if row.ratio
        ]
    return BenchReport(bench="edge", rows=tuple(rows), bars=tuple(bars))


# --- workloads ------------------------------------------------------------------------------------


def keep_alive(contender: Contender, seconds: int) -> float:
    """Requests per second over 64 kept connections, HTTP/1.1 in the clear."""
    return wrk(f"http://localhost:{contender.http}/", seconds, connections=64)


def new_tls(contender: Contender, seconds: int) -> float:
    """Whole TLS handshakes per second, one request each."""
    return wrk(
        f"https://localhost:{contender.https}/", seconds, connections=32, headers=("Connection: close",)
    )


def wrk(url: str, seconds: int, *, connections: int, headers: tuple[str, ...] = ()) -> float:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-H", "Host: localhost"]
    for header in headers:
        command += ["-H", header]
    out = output_of([*command, url])
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if refused:
        raise RempartError(f"{refused[1]} requests to {url} were not answered with success")
    return figure(r"Requests/sec:\s+([\d.]+)", out, url)


def http2(contender: Contender, seconds: int) -> float:
    """Requests per second over 16 HTTP/2 connections of 16 streams, TLS."""
    out = output_of(
        [
            "h2load",
            "-t1",
            "-c16",
            "-m16",
            f"-D{seconds}",
            "-H:authority: localhost",
            f"https://localhost:{contender.https}/",
        ]
    )
    failed = figure(r"(\d+) failed", out, "h2load")
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
    if failed or codes is None or any(int(codes[n]) for n in (2, 3, 4)):
        raise RempartError(f"h2load to {contender.name}: not every request was answered with success:\n{out}")
    return figure(r"finished in .*?, ([\d.]+) req/s", out, "h2load")


# --- contenders -----------------------------------------------------------------------------------


def start_contenders(folder: Path, stack: ExitStack) -> tuple[Contender, ...]:
    """Origin and proxies, all over the same certificate and to the same origin."""
    certificate = certificates.issue(folder, "localhost").pem
    origin = free_port()
    (folder / "origin.conf").write_text(NGINX_ORIGIN.format(port=origin, folder=folder))
    stack.enter_context(
        running(nginx(folder / "origin.conf", folder), log=folder / "origin.log", cores=LOAD_CORE)
    )
    wait_for_port("127.0.0.1", origin)
    contenders = []
    for name, start in ((OURS, start_rempart), (HAPROXY, start_haproxy), (NGINX, start_nginx)):
        home = folder / name
        home.mkdir()
        http, https = free_port(), free_port()
        command = start(home, certificate, origin, http, https)
        process = stack.enter_context(running(command, log=home / "log", cores=PROXY_CORE))
        wait_for_port("127.0.0.1", http)
        wait_for_port("127.0.0.1", https)
        contenders.append(Contender(name=name, http=http, https=https, pid=process.pid))
    return tuple(contenders)


def start_rempart(home: Path, certificate: Path, origin: int, http: int, https: int) -> list[str]:
    """The configuration that ``rempart up`` writes, every protection on; only the limits are high."""
    config = Configuration(
        state=home,
        edge=EdgeSection(
            listen=("127.0.0.1",), http_port=http, https_port=https, threads=1, max_connections=4000
        ),
        admin=AdminSection(port=free_port()),
    )
    pem = certificate.read_text()
    key_begins = pem.index("-----BEGIN PRIVATE KEY-----")
    view = ItemTable.of(
        SiteItem(
            host="localhost",
            origins=(
                EdgeOrigin(
                    address="127.0.0.1",
                    port=origin,
                    tls=OriginTls.OFF,
                    weight=100,
                    backup=False,
                    max_connections=1000,
                ),
            ),
            https_redirect=False,
            limits=SiteLimits(
                requests_per_client=1_000_000, requests_per_site=10_000_000, connections_per_client=10_000
            ),
        ),
        CertificateItem(
            id="0" * 64, hosts=("localhost",), chain_pem=pem[:key_begins], key_pem=pem[key_begins:]
        ),
    )
    for place in (config.paths.run / "haproxy", config.paths.run / "node"):
        place.mkdir(parents=True)
    HAProxyEngine(config).write_boot_files(view)
    return command_line(config)


def start_haproxy(home: Path, certificate: Path, origin: int, http: int, https: int) -> list[str]:
    """HAProxy as a plain pass-through: no table, no map, no header."""
    config = home / "haproxy.cfg"
    config.write_text(PLAIN_HAPROXY.format(http=http, https=https, pem=certificate, origin=origin))
    return ["haproxy", "-W", "-f", str(config)]


def start_nginx(home: Path, certificate: Path, origin: int, http: int, https: int) -> list[str]:
    """nginx as a plain pass-through with connections to the origin kept."""
    config = home / "nginx.conf"
    config.write_text(PLAIN_NGINX.format(http=http, https=https, pem=certificate, origin=origin, folder=home))
    return nginx(config, home)


def nginx(config: Path, folder: Path) -> list[str]:
    return ["nginx", "-c", str(config), "-p", str(folder), "-e", str(folder / "nginx-error.log")]


NGINX_ORIGIN = """
daemon off; worker_processes 1; pid {folder}/origin.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type text/plain; return 200 "a page as small as an API's\\n"; }}
  }}
}}
"""

PLAIN_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 1000000000; }}
  ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_protocols TLSv1.2 TLSv1.3;
  server {{
    listen 127.0.0.1:{http} backlog=4096; listen 127.0.0.1:{https} ssl http2 backlog=4096;
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

PLAIN_HAPROXY = """
global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend plain
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {pem} alpn h2,http/1.1
  default_backend origin
backend origin
  server o1 127.0.0.1:{origin}
"""
