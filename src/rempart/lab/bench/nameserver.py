"""The name-server half of ``rempart bench dns``: our Knot next to a plain one, on the same zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import dns.message
import dns.query
import psutil

from rempart.engines.contract import ItemTable
from rempart.engines.knot.compile import command_line
from rempart.engines.knot.control import KnotEngine
from rempart.lab.bench.load import LOAD_CORE, PROXY_CORE, Measured, figure, output_of
from rempart.lab.processes import cpu_seconds, free_port, running, wait_for_port
from rempart.model.configuration import Configuration, DnsSection
from rempart.model.errors import RempartError
from rempart.model.records import RRset
from rempart.snapshot.items import ItemChange, RRsetItem, ZoneItem

OURS, PLAIN = "rempart", "knot"
ZONE = "bench.example"
NAMES = 1_000
Progress = Callable[[str], None]


def answers(folder: Path, rounds: int, seconds: int, progress: Progress) -> dict[str, list[Measured]]:
    """Queries answered per second by each contender, a sample a round; one core for the server."""
    samples: dict[str, list[Measured]] = {}
    with ExitStack() as stack:
        questions = folder / "questions"
        questions.write_text("".join(f"n{number}.{ZONE} A\n" for number in range(NAMES)))
        servers = {OURS: ours(folder / OURS, stack), PLAIN: plain(folder / PLAIN, stack)}
        for round_number in range(rounds):
            turn = list(servers.items())
            if round_number % 2:
                turn.reverse()
            for name, (process, port) in turn:
                progress(f"round {round_number + 1}/{rounds}: queries: {name}")
                before = cpu_seconds(process)
                rate = dnsperf(port, questions, seconds)
                share = (cpu_seconds(process) - before) / seconds
                samples.setdefault(name, []).append(Measured(per_second=rate, proxy_share=share))
    return samples


def dnsperf(port: int, questions: Path, seconds: int) -> float:
    """Queries per second from one core; RempartError when they were not answered with data."""
    out = output_of(
        ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(questions), "-l", str(seconds), "-c", "16",
         "-q", "200"],
        cores=LOAD_CORE,
    )  # fmt: skip
    lost = figure(r"Queries lost:\s+(\d+)", out, "dnsperf")
    sent = figure(r"Queries sent:\s+(\d+)", out, "dnsperf")
    good = re.search(r"NOERROR (\d+)", out)
    if good is None or lost > sent * 0.001 or int(good[1]) < sent * 0.999:
        raise RempartError(f"the name server on port {port} did not answer every query:\n{out}")
    return figure(r"Queries per second:\s+([\d.]+)", out, "dnsperf")


def ours(home: Path, stack: ExitStack) -> tuple[psutil.Process, int]:
    """knotd from our boot files, every module in the path; only the rate limit is too high to bite."""
    port = free_port()
    config = Configuration(
        state=home, dns=DnsSection(listen=("127.0.0.1",), port=port, rate_limit=100_000_000)
    )
    for place in (config.paths.knot_db, config.paths.knot_socket.parent):
        place.mkdir(parents=True)
    zone = ZoneItem(name=ZONE, dnssec=False, soa_mname=f"ns1.{ZONE}", soa_rname=f"hostmaster.{ZONE}")
    rrsets = [RRsetItem(zone=ZONE, rrset=RRset(name=ZONE, type="NS", ttl=300, rdata=(f"ns1.{ZONE}.",)))]
    rrsets += [
        RRsetItem(zone=ZONE, rrset=RRset(name=name, type="A", ttl=300, rdata=(address,)))
        for name, address in [(f"ns1.{ZONE}", "192.0.2.53"), *addresses()]
    ]
    view = ItemTable.of(zone, *rrsets)
    engine = KnotEngine(config)
    engine.write_boot_files(view)
    process = stack.enter_context(running(command_line(config), log=home / "log", cores=PROXY_CORE))
    wait_for_port("127.0.0.1", port)
    report = engine.apply([ItemChange(key=item.key, item=item) for item in view.under("")], view)
    if report.refusals:
        raise RempartError(f"Knot refused {report.refusals[0].key}: {report.refusals[0].reason}")
    expect(port)
    return process, port


def plain(home: Path, stack: ExitStack) -> tuple[psutil.Process, int]:
    """knotd with one zone file and nothing else."""
    port = free_port()
    home.mkdir()
    lines = [f"$ORIGIN {ZONE}.", "$TTL 300", "@ SOA ns1 hostmaster 1 3600 600 86400 300", "@ NS ns1"]
    lines += ["ns1 A 192.0.2.53", *(f"{name.split('.')[0]} A {address}" for name, address in addresses())]
    (home / f"{ZONE}.zone").write_text("\n".join(lines) + "\n")
    (home / "knot.conf").write_text(PLAIN_KNOT.format(home=home, port=port, zone=ZONE))
    command = ["knotd", "-c", str(home / "knot.conf")]
    process = stack.enter_context(running(command, log=home / "log", cores=PROXY_CORE))
    wait_for_port("127.0.0.1", port)
    expect(port)
    return process, port


def addresses() -> list[tuple[str, str]]:
    return [(f"n{number}.{ZONE}", f"198.18.{number // 256}.{number % 256}") for number in range(NAMES)]


def expect(port: int) -> None:
    """The last name is answered: the zone is there, whole."""
    question = dns.message.make_query(f"n{NAMES - 1}.{ZONE}", "A")
    if not dns.query.udp(question, "127.0.0.1", port=port, timeout=5).answer:
        raise RempartError(f"the name server on port {port} does not serve {ZONE}")


PLAIN_KNOT = """
server:
    listen: 127.0.0.1@{port}
    rundir: {home}
database:
    storage: {home}
zone:
  - domain: {zone}
    storage: {home}
    file: {zone}.zone
"""
