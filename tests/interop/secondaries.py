"""Unmodified secondaries on loopback, each configured with the lines that operators are given for it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from rempart.cli import secondary_guides as guides
from rempart.cli.secondary_guides import Primary
from rempart.lab.leftovers import short_folder
from rempart.snapshot.items import SecondaryItem
from tests.engines.knot.server import ADDRESS, Server, eventually

CATALOG = "catalog.rempart"
NEW_LINE = "\n"


@dataclass(frozen=True)
class Secondary:
    """A running secondary."""

    kind: str
    port: int
    log_file: Path
    primary: Server

    def log(self) -> str:
        return self.log_file.read_text()

    def ask(self, name: str, type_: str, *, dnssec: bool = False) -> dns.message.Message:
        query = dns.message.make_query(name, type_, want_dnssec=dnssec, payload=1232)
        return dns.query.tcp(query, ADDRESS, timeout=5, port=self.port)

    def rdata(self, name: str, type_: str) -> list[str]:
        """The answer's records, sorted; none while the server is not up or knows no such zone."""
        try:
            answer = self.ask(name, type_)
        except (OSError, EOFError, dns.exception.DNSException):
            return []
        wanted = dns.rdatatype.from_text(type_)
        return sorted(rdata.to_text() for rrset in answer.answer if rrset.rdtype == wanted for rdata in rrset)

    def has(self, name: str, type_: str, *rdata: str) -> None:
        """Wait until the secondary answers with exactly these records."""

        def arrived() -> bool:
            # As the node does: a NOTIFY that a busy machine lost is sent again.
            self.primary.engine.look_after()
            return self.rdata(name, type_) == sorted(rdata)

        eventually(arrived, what=f"{self.kind}: {name} {type_} {rdata}")

    def has_the_same(self, name: str, type_: str) -> None:
        """Wait until the secondary answers with what the primary answers by then, and that is something."""

        def arrived() -> bool:
            self.primary.engine.look_after()
            ours = self.primary.rdata(name, type_)
            return bool(ours) and self.rdata(name, type_) == ours

        eventually(arrived, what=f"{self.kind}: {name} {type_} as the primary has it")


def knot_configuration(folder: Path, port: int, primary: Primary) -> str:
    template = "  - id: from-rempart"
    return f"""
server:
    rundir: "{folder}"
    listen: {ADDRESS}@{port}
log:
  - target: stderr
    any: info
database:
    storage: "{folder}"
{guides.knot(primary).replace(template, template + f'{NEW_LINE}    storage: "{folder}"')}
"""


def bind_configuration(folder: Path, port: int, primary: Primary) -> str:
    own = f"""options {{
    directory "{folder}";
    pid-file none;
    session-keyfile none;
    listen-on port {port} {{ {ADDRESS}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
    notify no;"""
    text = guides.bind(primary).replace("options {", own, 1)
    return f'controls {{ }};\n{text}zone "." {{ type hint; file "{folder}/hints"; }};\n'


def nsd_configuration(folder: Path, port: int, primary: Primary) -> str:
    return f"""
server:
    ip-address: {ADDRESS}@{port}
    server-count: 1
    username: ""
    database: ""
    zonesdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    xfrdfile: "{folder}/xfrd.state"
    xfrdir: "{folder}"
    pidfile: "{folder}/nsd.pid"
    verbosity: 3
remote-control:
    control-enable: no
{guides.nsd(primary)}
"""


CONFIGURATIONS = {"knot": knot_configuration, "bind": bind_configuration, "nsd": nsd_configuration}
COMMANDS = {"knot": ["knotd", "-c"], "bind": ["named", "-g", "-c"], "nsd": ["nsd", "-d", "-c"]}


@contextlib.contextmanager
def running_secondary(
    kind: str, server: Server, item: SecondaryItem, *, zones: list[str], secret: str | None = None
) -> Iterator[Secondary]:
    """A secondary of ``server`` known to it as ``item``; with another ``secret``, an impostor of it.

    ``zones`` matter to NSD alone, which has no catalog zones in this version.
    """
    folder = short_folder()
    primary = Primary(
        addresses=(ADDRESS,),
        port=server.port,
        catalog=CATALOG,
        zones=tuple(zones),
        tsig_name=item.tsig_name,
        tsig_algorithm=item.tsig_algorithm,
        tsig_secret=secret or item.tsig_secret,
    )
    text = CONFIGURATIONS[kind](folder, item.port, primary)
    # BIND primes its resolver even when it is not one; it shall not go out to the Internet for that.
    (folder / "hints").write_text(f". 3600 NS ns.invalid.\nns.invalid. 3600 A {ADDRESS}\n")
    file = folder / "secondary.conf"
    file.write_text(text)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMANDS[kind], str(file)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield Secondary(kind, item.port, log, server)
    except AssertionError as error:
        error.add_note(log.read_text()[-6000:])
        raise
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
