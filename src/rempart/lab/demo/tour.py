"""A tour of one machine in seven steps, each of which looks at what really happened and says so: a name is
answered, its page served, one client's flood turned away, an origin dies, the edge is killed."""

from __future__ import annotations

import os
import socket
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rempart.lab.demo.clients import Answer, Visitor, curl, dig, flood, screenshot
from rempart.lab.demo.origin import COSTLY_PAGE, datasette_command, make_database
from rempart.lab.instance import Instance, Ports
from rempart.lab.processes import free_port, running, wait_for_port

HOST, ZONE = "shop.example.org", "example.org"
LOOPBACK = "127.77.7.7"
"""An address of this machine that no other service is likely to listen on."""
FLOODER, READER = "127.77.0.66", "127.77.0.9"
FLOOD_SECONDS, FLOOD_MOST = 8.0, 4_000
CHECKOUT = Path(__file__).resolve().parents[4]

say = Console(stderr=False, highlight=False)


class Report:
    """What was looked at, and whether it was as it should be."""

    def __init__(self) -> None:
        self.findings: list[tuple[str, bool | None, str]] = []

    def saw(self, what: str, ok: bool | None, detail: str) -> None:
        """``ok`` None: could not be looked at here, ``detail`` says why."""
        self.findings.append((what, ok, detail))
        mark = {True: "[green]ok[/]", False: "[red]NO[/]", None: "[yellow]--[/]"}[ok]
        say.print(f"  {mark}  {what}: {detail}")

    @property
    def ok(self) -> bool:
        return all(ok is not False for _, ok, _ in self.findings)


def tell(*, serve: bool, picture: Path | None) -> int:
    """0 when everything was as it should be, 1 when not. ``serve``: goes on until interrupted; ``picture``:
    where Chromium's picture of the page is kept."""
    report = Report()
    with ExitStack() as stack:
        say.rule("1. an application nobody here wrote")
        instance = stack.enter_context(Instance(ports()))
        database = instance.folder / "packages.db"
        rows = make_database(database)
        origins = [free_port(), free_port()]
        processes = [
            stack.enter_context(
                running(
                    datasette_command(CHECKOUT, database, port), log=instance.folder / f"origin-{port}.log"
                )
            )
            for port in origins
        ]
        for port in origins:
            wait_for_port("127.0.0.1", port, seconds=60)
        report.saw("origins", True, f"two Datasettes over {rows:,} rows, ports {origins[0]} and {origins[1]}")

        say.rule("2. rempart up, rempart site add")
        began = time.monotonic()
        instance.start()
        report.saw("rempart up", True, f"every part is up after {time.monotonic() - began:.1f} s")
        first, second = (f"http://127.0.0.1:{port}" for port in origins)
        added = instance.cli(
            "site", "add", HOST, "--origin", first, "--origin", f"{second},backup",
            "--requests-per-client", "60", "--connections-per-client", "4",
        )  # fmt: skip
        # As it is: commands to be copied must not be broken into lines of the terminal's.
        say.print(added.stdout.rstrip(), style="dim", soft_wrap=True)
        instance.cli("zone", "dnssec", ZONE, "on")
        authority = Path(instance.json("ca", "show")["certificate"])
        reader = Visitor(instance.ports, HOST, READER, authority)

        say.rule("3. its name is answered by our DNS, signed")
        look_at_dns(report, instance)

        say.rule("4. its page comes through our edge, over TLS")
        look_at_page(report, instance, reader, authority, picture)

        say.rule("5. one client floods it; another reads on")
        look_at_flood(report, instance, reader, authority)

        say.rule("6. its origin dies")
        processes[0].kill()
        look_at_failover(report, reader)

        say.rule("7. the edge itself is killed")
        look_at_restart(report, instance, reader)

        summary(report)
        if serve:
            stay(instance, origins[1])
    return 0 if report.ok else 1


def ports() -> Ports:
    """53, 80 and 443 on an address of our own when we may and they are free; free high ports otherwise."""
    if os.geteuid() == 0 and all(can_bind(LOOPBACK, port) for port in (53, 80, 443)):
        return Ports.free(LOOPBACK).model_copy(update={"http": 80, "https": 443, "dns": 53})
    return Ports.free(LOOPBACK)


def can_bind(address: str, port: int) -> bool:
    kinds = [socket.SOCK_STREAM, socket.SOCK_DGRAM] if port == 53 else [socket.SOCK_STREAM]
    for kind in kinds:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def look_at_dns(report: Report, instance: Instance) -> None:
    text = dig(instance.ports, HOST, "A", "+dnssec")
    if not text:
        report.saw("DNS", None, "dig is not installed")
        return
    answers = [line.split() for line in text.splitlines() if line.startswith(f"{HOST}.")]
    addresses = [words[4] for words in answers if words[3] == "A"]
    report.saw(
        "DNS answer", addresses == [instance.ports.address], f"{HOST} A {' '.join(addresses) or 'nothing'}"
    )
    signed = [words for words in answers if words[3] == "RRSIG"]
    report.saw(
        "DNSSEC",
        bool(signed),
        f"RRSIG by algorithm {signed[0][5]}, key {signed[0][10]}" if signed else "no RRSIG",
    )
    ds = instance.json("zone", "dnssec", ZONE, "show")["ds"]
    report.saw("DS for the registrar", bool(ds), ds[0] if ds else "none yet")


def look_at_page(
    report: Report, instance: Instance, reader: Visitor, authority: Path, picture: Path | None
) -> None:
    page = curl(instance.ports, HOST, "/packages", authority)
    report.saw(
        "curl over TLS",
        None if not page else "files" in page and "Datasette" in page,
        f"{len(page):,} bytes of Datasette's page, certificate checked" if page else "curl is not installed",
    )
    answer = reader.get("/packages")
    report.saw("page", answer.status == 200, f"status {answer.status} in {answer.seconds * 1000:.0f} ms")
    shot = picture or instance.folder / "page.png"
    chain = (instance.json("certificate", "list"))["certificates"][0]["chain_pem"]
    taken = screenshot(instance.ports, HOST, "/packages", chain, shot)
    report.saw(
        "Chromium",
        True if taken else None,
        f"{shot.stat().st_size:,} bytes of picture" if taken else "Chromium is not installed",
    )


def look_at_flood(report: Report, instance: Instance, reader: Visitor, authority: Path) -> None:
    calm = [reader.get("/packages") for _ in range(5)]
    stop = threading.Event()
    outcome: list[dict[int, int]] = []
    flooder = Visitor(instance.ports, HOST, FLOODER, authority)
    attack = threading.Thread(
        target=lambda: outcome.append(
            dict(flood(flooder, COSTLY_PAGE.format("python"), threads=16, stop=stop, most=FLOOD_MOST))
        )
    )
    attack.start()
    served: list[Answer] = []
    until = time.monotonic() + FLOOD_SECONDS
    while time.monotonic() < until:
        served.append(reader.get("/packages"))
        time.sleep(0.25)
    stop.set()
    attack.join()
    seen = outcome[0]
    total, through = sum(seen.values()), seen.get(200, 0)
    report.saw(
        "flood from one client",
        seen.get(429, 0) > through,
        f"{total:,} requests in {FLOOD_SECONDS:.0f} s: {through:,} let through, {seen.get(429, 0):,} × 429",
    )
    good = [answer for answer in served if answer.status == 200]
    report.saw(
        "the reader meanwhile",
        len(good) == len(served),
        f"{len(good)} of {len(served)} pages, median {middle(good):.0f} ms (calm: {middle(calm):.0f} ms)",
    )


def look_at_failover(report: Report, reader: Visitor) -> None:
    lost, took = until_served(reader, 15.0)
    report.saw(
        "failover to the other origin",
        took is not None,
        f"served again after {took:.2f} s, {lost} requests failed" if took is not None else "not within 15 s",
    )


def look_at_restart(report: Report, instance: Instance, reader: Visitor) -> None:
    os.kill(instance.pid("haproxy"), 9)
    lost, took = until_served(reader, 15.0)
    report.saw(
        "HAProxy killed with -9",
        took is not None and took <= 2.0,
        f"served again after {took:.2f} s, {lost} requests failed" if took is not None else "not within 15 s",
    )


def until_served(reader: Visitor, patience: float) -> tuple[int, float | None]:
    """Ask until five pages in a row were served: (failed requests, seconds until the first of the five)."""
    began = time.monotonic()
    failed, run, since = 0, 0, None
    while time.monotonic() - began < patience:
        if reader.get("/packages", timeout=5.0).status == 200:
            since = time.monotonic() - began if run == 0 else since
            run += 1
            if run == 5:
                return failed, since
        else:
            failed, run = failed + 1, 0
        time.sleep(0.05)
    return failed, None


def middle(answers: list[Answer]) -> float:
    """Median time of the answers, in milliseconds."""
    return statistics.median(answer.seconds for answer in answers) * 1000 if answers else float("nan")


def summary(report: Report) -> None:
    table = Table(title="What was seen", title_justify="left", show_lines=False)
    table.add_column("what")
    table.add_column("")
    table.add_column("seen")
    for what, ok, detail in report.findings:
        table.add_row(what, {True: "ok", False: "NO", None: "--"}[ok], detail)
    say.print()
    say.print(table)
    say.print(
        "Everything was as it should be." if report.ok else "[red]Something was not as it should be.[/]"
    )


def stay(instance: Instance, origin: int) -> None:
    """Keep serving until interrupted, and say where."""
    there = instance.ports
    say.print(
        f"\nStill running (Ctrl-C ends it):\n"
        f"  page     https://{HOST}:{there.https}/ at {there.address}\n"
        f"           curl -k --resolve {HOST}:{there.https}:{there.address} \\\n"
        f"             https://{HOST}:{there.https}/\n"
        f"  DNS      dig @{there.address} -p {there.dns} {HOST}\n"
        f"  metrics  http://127.0.0.1:{there.admin}/metrics\n"
        f"  origin   http://127.0.0.1:{origin}/ (directly)\n"
        f"  status   {sys.executable} -m rempart \\\n"
        f"             --config {instance.config_file} status\n",
        soft_wrap=True,
    )
    threading.Event().wait()
