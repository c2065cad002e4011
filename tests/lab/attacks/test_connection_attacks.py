"""Attacks by connections do what they say, seen from the server: here on loopback, whose addresses are all
one's own; in the lab's namespaces with what the edge's kernel has counted."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from rempart.lab.attacks import (
    connection_flood,
    slow_loris,
    slow_post,
    slow_read,
    tls_handshake_flood,
)
from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import Order, Sources, Unit
from rempart.lab.attacks.dialling import DialParameters
from rempart.lab.attacks.reporting import Tally, read_sent
from rempart.lab.certificates import issue
from rempart.lab.network.addressing import Prefixes
from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network
from rempart.lab.network.world import Role, WorldShape, world
from tests.lab.attacks.orders import TARGET, order
from tests.lab.ground import fresh_run

LOOPBACK_BOTS = Prefixes(v4=("127.9.1.0/25", "127.9.2.0/25"), v6=())
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"


class Site:
    """A server that remembers who came, what was said, and who is still there."""

    def __init__(self, *, large: bool = False) -> None:
        self.peers: list[str] = []
        self.said: dict[tuple[str, int], bytes] = {}
        self.here = self.most_here = 0
        self._large = large

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        self.peers.append(peer[0])
        self.said[peer] = b""
        self.here += 1
        self.most_here = max(self.most_here, self.here)
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                self.said[peer] += piece
                if self._large and self.said[peer].endswith(b"\r\n\r\n"):
                    writer.write(ANSWER + bytes(4_000_000))
                    await writer.drain()
        self.here -= 1
        writer.transport.abort()


async def attacked(
    site: Site, name: str, module: ModuleType, folder: Path, *, tls: bool, seconds: float, **changed: object
) -> Order:
    """Let an attack happen to a site on loopback."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issue(folder, TARGET.host).pem)
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    asked = order(name, folder, v6_share=0.0, **changed).model_copy(
        update={
            "target": TARGET.model_copy(update={"v4": "127.0.0.1", "https_port": port}),
            "bots": LOOPBACK_BOTS,
            "begin_at": time.monotonic(),
            "seconds": seconds,
        }
    )
    tally = Tally(folder)
    try:
        await asyncio.to_thread(module.carry_out, asked, tally)
    finally:
        tally.close()
        await asyncio.sleep(0.2)
        server.close()
    return asked


def total(folder: Path) -> tuple[int, int]:
    """Units, and how many of them were answered."""
    last = read_sent(folder).total
    assert last is not None
    return last.units, last.answered or 0


def test_connections_are_held_and_come_from_many_addresses(tmp_path: Path) -> None:
    site = Site()
    asyncio.run(
        attacked(site, "connection-flood", connection_flood, tmp_path, tls=False, seconds=1.0, rate=200)
    )
    units, answered = total(tmp_path)
    assert 190 <= units <= 200
    assert answered == len(site.peers) == units
    assert site.most_here == units
    assert len(set(site.peers)) > 80
    assert all(LOOPBACK_BOTS.holds(peer) for peer in site.peers)
    assert not any(site.said.values())
    assert site.here == 0


def test_no_more_are_held_than_was_said(tmp_path: Path) -> None:
    site = Site()
    asyncio.run(
        attacked(
            site, "connection-flood", connection_flood, tmp_path, tls=False, seconds=0.6, rate=200, at_once=20
        )
    )
    assert total(tmp_path) == (20, 20)
    assert site.most_here == 20


def test_bots_that_are_done_make_room_for_others(tmp_path: Path) -> None:
    site = Site()
    changed = {"rate": 200, "at_once": 20, "hold_s": 0.05}
    asyncio.run(
        attacked(site, "connection-flood", connection_flood, tmp_path, tls=False, seconds=1.0, **changed)
    )
    units, _ = total(tmp_path)
    assert units > 100
    assert site.most_here <= 25


def test_refused_connections_count_as_dialled_and_not_as_answered(tmp_path: Path) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        asked = order("connection-flood", tmp_path, rate=200, v6_share=0.0).model_copy(
            update={
                "target": TARGET.model_copy(
                    update={"v4": "127.0.0.1", "https_port": unheard.getsockname()[1]}
                ),
                "bots": LOOPBACK_BOTS,
                "begin_at": time.monotonic(),
                "seconds": 0.5,
            }
        )
        tally = Tally(tmp_path)
        connection_flood.carry_out(asked, tally)
        tally.close()
    units, answered = total(tmp_path)
    assert 90 <= units <= 100
    assert answered == 0


def test_a_pulse_wave_of_connections_pauses(tmp_path: Path) -> None:
    site = Site()
    changed = {"rate": 200, "on_s": 0.25, "off_s": 0.5}
    asyncio.run(
        attacked(site, "connection-flood", connection_flood, tmp_path, tls=False, seconds=0.75, **changed)
    )
    assert 45 <= total(tmp_path)[0] <= 50


def test_greetings_of_one_making_are_of_different_clients() -> None:
    hello, chosen = tls_handshake_flood.greeting("www.shop.example"), random.Random(1)
    one, other = tls_handshake_flood.renewed(hello, chosen), tls_handshake_flood.renewed(hello, chosen)
    assert one[0] == 22
    assert b"www.shop.example" in one
    assert one[11:43] != other[11:43]
    assert one[44:76] != other[44:76]
    assert one[76:] == other[76:] == hello[76:]


@pytest.mark.parametrize("complete", [False, True])
def test_handshakes_are_real(tmp_path: Path, complete: bool) -> None:
    """The server's TLS takes the greetings for a client's: it answers every one."""
    site = Site()
    asyncio.run(
        attacked(
            site, "tls-handshake-flood", tls_handshake_flood, tmp_path, tls=True, seconds=1.0, rate=60,
            complete=complete,
        )
    )  # fmt: skip
    units, answered = total(tmp_path)
    assert units >= 57
    assert answered >= units - 5
    # Only who goes through with it is ever seen by the application.
    assert (len(site.peers) > 50) if complete else not site.peers


def test_a_greeting_that_is_refused_was_not_answered(tmp_path: Path) -> None:
    """A site that says something else than its part of a handshake has signed nothing."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(bytes.fromhex("15030300020228"))  # alert: handshake failure
        writer.close()

    site = Site()
    site.serve = refuse  # type: ignore[method-assign]
    asyncio.run(
        attacked(site, "tls-handshake-flood", tls_handshake_flood, tmp_path, tls=False, seconds=0.5, rate=60)
    )
    units, answered = total(tmp_path)
    assert units >= 25
    assert answered == 0


def test_a_head_that_never_ends(tmp_path: Path) -> None:
    site = Site()
    asyncio.run(
        attacked(
            site, "slow-loris", slow_loris, tmp_path, tls=True, seconds=1.5, rate=40, at_once=30, turn_s=0.2
        )
    )
    assert site.most_here >= 28
    heads = list(site.said.values())
    assert all(head.startswith(b"GET / HTTP/1.1\r\nHost: www.shop.example\r\n") for head in heads)
    assert not any(b"\r\n\r\n" in head for head in heads)
    assert max(head.count(b"\r\nX-") for head in heads) >= 4


def test_a_body_that_comes_by_a_few_octets(tmp_path: Path) -> None:
    site = Site()
    asyncio.run(
        attacked(
            site, "slow-post", slow_post, tmp_path, tls=True, seconds=1.5, rate=40, at_once=30, turn_s=0.2
        )
    )
    assert site.most_here >= 28
    for said in site.said.values():
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /comment HTTP/1.1\r\n")
        assert b"Content-Length: 8192" in head
        assert body.startswith(b"text=")
        assert len(body) < 200
    assert max(map(len, (said.partition(b"\r\n\r\n")[2] for said in site.said.values()))) >= 5 + 4 * 4


def test_an_answer_that_is_taken_by_the_spoonful(tmp_path: Path) -> None:
    site = Site(large=True)
    asyncio.run(
        attacked(
            site, "slow-read", slow_read, tmp_path, tls=True, seconds=1.5, rate=30, at_once=20, turn_s=0.2
        )
    )
    assert site.most_here >= 18
    assert {said.split(b" ", 2)[1] for said in site.said.values()} == {b"/large"}
    assert all(said.endswith(b"\r\n\r\n") for said in site.said.values())


def test_connections_from_sources_that_never_were_are_refused() -> None:
    for name in ("connection-flood", "tls-handshake-flood", "slow-loris", "slow-read", "slow-post"):
        defaults = ATTACKS[name].defaults
        assert isinstance(defaults, DialParameters)
        assert ATTACKS[name].unit is Unit.CONNECTIONS
        with pytest.raises(ValueError, match="answers come back"):
            type(defaults).model_validate({**defaults.model_dump(), "sources": Sources.SPOOFED})


@contextlib.contextmanager
def listening(namespace: str, v4: str, v6: str) -> Iterator[None]:
    """Somebody listens at the edge; the kernel completes the handshakes."""

    def listen(family: socket.AddressFamily, address: str) -> Callable[[], socket.socket]:
        def make() -> socket.socket:
            made = socket.socket(family, socket.SOCK_STREAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, 443))
            made.listen(4_096)
            return made

        return make

    with inside(namespace, listen(socket.AF_INET, v4)), inside(namespace, listen(socket.AF_INET6, v6)):
        yield


def opened_passively() -> int:
    """Connections of others that the kernel of this thread's namespace has completed."""
    names, values = (
        line.split()
        for line in Path("/proc/thread-self/net/snmp").read_text().splitlines()
        if line.startswith("Tcp:")
    )
    return int(values[names.index("PassiveOpens")])


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_connections_that_are_said_to_stand_are_those_that_the_edge_has_counted() -> None:
    plan = world(WorldShape(visitor_networks=4, bot_networks=32), seed=1, run=fresh_run(), cores=2)
    edge = plan.namespace(Role.EDGE)
    with Network(plan) as network, listening(edge, plan.edge_v4, plan.edge_v6):
        folder = network.folder / "wave"
        folder.mkdir()
        asked = order("connection-flood", folder, rate=400, v6_share=0.3).model_copy(
            update={"begin_at": time.monotonic() + 2.0, "seconds": 2.0, "bots": plan.bots}
        )
        (folder / "order.json").write_text(asked.model_dump_json())
        sender = ATTACKS["connection-flood"].sender(asked)
        before = network.counters(Role.EDGE, plan.edge_interface).received_packets
        opened_before = inside(edge, opened_passively)
        with network.place(Role.BOTS).running(sender.argv, log=folder / "log") as process:
            assert process.wait(timeout=60) == 0, (folder / "log").read_text()
        time.sleep(0.3)
        opened = inside(edge, opened_passively) - opened_before
        arrived = network.counters(Role.EDGE, plan.edge_interface).received_packets - before
        last = sender.read().total
    assert last is not None
    assert last.answered is not None
    assert abs(last.units - 800) <= 24
    assert abs(opened - last.answered) <= 0.03 * last.answered
    # SYN, ACK, and the RST with which a bot leaves.
    assert abs(arrived - 3 * last.answered) <= 0.03 * 3 * last.answered
