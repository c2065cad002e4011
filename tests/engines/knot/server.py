"""A real knotd on loopback in a folder of its own, and a view over plain items."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from rempart.engines.knot.compile import command_line, pid_file
from rempart.engines.knot.control import KnotEngine
from rempart.engines.knot.session import ControlSession
from rempart.lab.leftovers import short_folder
from rempart.lab.processes import free_port
from rempart.model.configuration import Configuration, DnsSection
from rempart.model.records import RRset
from rempart.node.confinement import confined
from rempart.snapshot.items import Item, ItemChange, RRsetItem, ZoneItem

ADDRESS = "127.0.0.1"
PATIENCE_S = 60.0


T = TypeVar("T")


def eventually(look: Callable[[], T], *, what: str) -> T:
    """The first true result of ``look``; it happens at all, or the test fails."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


class Items:
    """A node's desired state in memory."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.items = {item.key: item for item in items}

    def get(self, key: str) -> Item | None:
        return self.items.get(key)

    def under(self, prefix: str) -> Iterator[Item]:
        for key in sorted(self.items):
            if key.startswith(prefix):
                yield self.items[key]

    def put(self, *items: Item) -> list[ItemChange]:
        self.items |= {item.key: item for item in items}
        return [ItemChange(key=item.key, item=item) for item in items]

    def drop(self, *keys: str) -> list[ItemChange]:
        for key in keys:
            del self.items[key]
        return [ItemChange(key=key, item=None) for key in keys]

    def drop_zone(self, zone: str) -> list[ItemChange]:
        return self.drop(*(key for key in list(self.items) if key.split("/")[1] == zone))


def zone_item(name: str, *, dnssec: bool = False, contact: str = "hostmaster") -> ZoneItem:
    return ZoneItem(name=name, dnssec=dnssec, soa_mname=f"ns1.{name}", soa_rname=f"{contact}.{name}")


def rrset_item(zone: str, name: str, type_: str, *rdata: str, ttl: int = 300) -> RRsetItem:
    return RRsetItem(zone=zone, rrset=RRset(name=name, type=type_, ttl=ttl, rdata=tuple(sorted(rdata))))


def plain_zone(name: str, *, dnssec: bool = False) -> list[Item]:
    return [
        zone_item(name, dnssec=dnssec),
        rrset_item(name, name, "NS", f"ns1.{name}."),
        rrset_item(name, f"ns1.{name}", "A", "192.0.2.1"),
        rrset_item(name, f"www.{name}", "A", "192.0.2.2", "192.0.2.3"),
    ]


class Server:
    """knotd as the supervisor would run it, and its engine."""

    def __init__(self, state: Path, dns_section: DnsSection) -> None:
        self.config = Configuration(state=state, dns=dns_section)
        self.engine = KnotEngine(self.config)
        self.view = Items()
        self.log = state / "knotd.log"
        self.started_as: tuple[int, int] | None = None
        """User and group that root starts knotd as."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.config.dns.port

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        pid_file(self.config).unlink(missing_ok=True)
        command = command_line(self.config)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                confined(command, *self.started_as) if self.started_as else command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            eventually(self.engine.alive, what="knotd answers")
        except AssertionError:
            self.kill()
            raise AssertionError(self.log.read_text()) from None

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def lose_database(self) -> None:
        shutil.rmtree(self.config.paths.knot_db)
        self.config.paths.knot_db.mkdir()

    def ask(
        self, name: str, type_: str, *, tcp: bool = False, dnssec: bool = False, address: str | None = None
    ) -> dns.message.Message:
        query = dns.message.make_query(name, type_, want_dnssec=dnssec, payload=1232)
        where = address or self.config.dns.listen[0]
        if not tcp:
            answer = dns.query.udp(query, where, timeout=5, port=self.port)
            if not answer.flags & dns.flags.TC:
                return answer
        return dns.query.tcp(query, where, timeout=5, port=self.port)

    def rdata(self, name: str, type_: str, *, tcp: bool = False) -> list[str]:
        """The answer's records of this type, sorted."""
        return sorted(
            rdata.to_text()
            for rrset in self.ask(name, type_, tcp=tcp).answer
            if rrset.rdtype == dns.rdatatype.from_text(type_)
            for rdata in rrset
        )

    def rcode(self, name: str, type_: str = "SOA") -> str:
        return dns.rcode.to_text(self.ask(name, type_).rcode())

    def contents(self, zone: str) -> set[str]:
        """Everything in the zone, a record a line, read through the control socket, less SOA."""
        with ControlSession(self.config.paths.knot_socket, 30) as session:
            rows = session.read(f"{zone}.")
        return {
            f"{row.owner} {row.ttl} {row.type} {text}"
            for row in rows
            if row.type != "SOA"
            for text in row.rdata
        }


@contextlib.contextmanager
def running_server(**settings: object) -> Iterator[Server]:
    """A started server with no zones; gone afterwards with its folder. ``settings`` go to the dns section."""
    state = short_folder()
    try:
        section = DnsSection.model_validate(
            {"listen": (ADDRESS,), "port": free_port(), "rate_limit": 0, **settings}
        )
        server = Server(state, section)
        server.engine.write_boot_files(server.view)
        try:
            server.start()
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(state)
