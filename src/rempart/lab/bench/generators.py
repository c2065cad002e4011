"""``rempart bench generators``: packets per second that one core sends, beside the field's own generators.

In the lab's own world, from the bots' namespace. Over veth the receiver's work is done by the sender's core,
so who receives decides how much is sent. Both ends of that are measured:

    dropped     an XDP program drops each packet as soon as it is there: what the generator itself can
    forwarded   the router looks up its way and passes it on to the edge, which has a core of its own: a drill
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from rempart.engines.shield.libbpf import Kind, Link, Mode, Program
from rempart.lab import bpf
from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import Attack, Order, Unit
from rempart.lab.attacks.network import NETWORK
from rempart.lab.bench.load import Measured, compared
from rempart.lab.bench.report import BenchReport, Row
from rempart.lab.contenders.writing import lacking
from rempart.lab.drills.starting import made, parameters_of, target_of
from rempart.lab.figures import Bar, at_least, at_most
from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network
from rempart.lab.network.world import INTERFACE, Role, WorldShape, world
from rempart.lab.origins.catalogue import ORIGINS
from rempart.model.errors import EnvironmentLacks, RempartError

FLOODS = tuple(attack.name for attack in NETWORK if attack.unit in (Unit.PACKETS, Unit.QUERIES))
"""The attacks whose frames are built here."""
WANTED = 200_000.0
"""Packets that one core sends in a second of its time, in the worst of the rounds. Its time, since what
others do on a shared machine meanwhile is not the generator's; the kernel's work for the packets is."""
APART = 0.03
"""What was said to be sent and what the interface has counted may differ by so much."""
OURS = "rempart"
NO_LIMIT = 20e6
"""Packets a second that nobody reaches: as fast as it goes."""
LEAD_S = 1.5
PATIENCE_S = 20.0
BEGUN = 1_000
"""Packets after which a generator is at work."""
ARRIVALS = "bots0"
"""The router's interface towards the bots."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Peer:
    """A generator of the field's that sends the same kind of packet until it is ended."""

    name: str
    package: str
    argv: Callable[[Order, str, int], list[str]]
    """From an order, the bots' hardware address and the core to be on."""


def _hping(order: Order, own_mac: str, core: int) -> list[str]:
    syn = ["--syn", "--destport", str(order.target.https_port), "--flood", "--rand-source", "--quiet"]
    return ["hping3", *syn, "--interface", order.interface, order.target.v4]


def _trafficgen(order: Order, own_mac: str, core: int) -> list[str]:
    ends = ["--dst-mac", order.gateway_mac, "--src-mac", own_mac, "--dst-addr", order.target.v4]
    return ["xdp-trafficgen", "udp", *ends, "--dyn-ports", "60000", "--threads", "1", order.interface]


def _kxdpgun(order: Order, own_mac: str, core: int) -> list[str]:
    questions = order.folder / "questions"
    questions.write_text(f"{order.target.host} A\n")
    rate = ["--qps", str(int(NO_LIMIT)), "--batch", "64", "--duration", "60"]
    ends = ["--interface", order.interface, "--remote-mac", order.gateway_mac, "--local-mac", own_mac]
    place = ["--affinity", f"{core}s1", "--infile", str(questions)]
    return ["kxdpgun", *rate, *ends, *place, order.target.v4]


PEERS = {
    "syn-flood": Peer("hping3", "hping3", _hping),
    "udp-flood": Peer("xdp-trafficgen", "xdp-tools", _trafficgen),
    "dns-query-flood": Peer("kxdpgun", "knot-dnsutils", _kxdpgun),
}


def run(rounds: int = 3, seconds: float = 1.0, progress: Progress = lambda _: None) -> BenchReport:
    """``rounds`` runs of ``seconds`` for each flood and receiver, each followed by its peer's."""
    if (why := bpf.lacking()) is not None:
        raise EnvironmentLacks("generators", why)
    shape = WorldShape(link_mbits=20_000)
    plan = world(shape, seed=1, run=secrets.token_hex(4), cores=os.cpu_count() or 1)
    rows: list[Row] = []
    bars: list[Bar] = []
    with Network(plan) as network:
        network.tell_bots_their_gateway()
        for receiver, receiving in (("dropped", dropping), ("forwarded", contextlib.nullcontext)):
            with receiving(network):
                for name in FLOODS:
                    progress(f"{name}, {receiver}")
                    measured(rows, bars, network, name, receiver, rounds, seconds)
    return BenchReport(bench="generators", rows=tuple(rows), bars=tuple(bars))


def measured(
    rows: list[Row],
    bars: list[Bar],
    network: Network,
    name: str,
    receiver: str,
    rounds: int,
    seconds: float,
) -> None:
    """Add the rows and bars of one flood and receiver."""
    peer = PEERS.get(name)
    absent = lacking((peer.name, peer.package))() if peer else None
    samples: dict[str, list[Measured]] = {OURS: []}
    apart = []
    for number in range(rounds):
        order = order_of(
            network, ATTACKS[name], seconds, made(network.folder / f"{receiver}-{name}-{number}")
        )
        seen, differing = ours(network, order)
        samples[OURS].append(seen)
        apart.append(differing)
        if peer is not None and absent is None:
            try:
                seen = peers_run(network, peer, order)
                samples.setdefault(peer.name, []).append(seen)
            except RempartError as error:
                # One that does not run on this kernel is as good as none, and is said.
                absent = str(error)
    what = f"{name}, {receiver}"
    rows += compared(what, "packets", samples, OURS)
    if peer is not None and absent is not None:
        rows.append(Row(name=f"{what}: {peer.name}", value=None, unit="packets/s", note=absent))
    worst = min(one.per_cpu_second for one in samples[OURS])
    bars.append(at_least(f"{what}: packets per second of one core, worst round", WANTED, worst))
    bars.append(at_most(f"{what}: share by which said and counted differ", APART, max(apart)))


@contextlib.contextmanager
def dropping(network: Network) -> Iterator[None]:
    """The router drops what the bots send, with the first thing that it does with a packet."""
    with bpf.load(Kind.XDP, "drop", bpf.Instructions().constant(0, bpf.XDP_DROP).exit()) as program:
        arrivals = partial(_attached, program)
        with inside(network.plan.namespace(Role.ROUTER), arrivals):
            yield


def _attached(program: Program) -> Link:
    return Link.attach(program, socket.if_nametoindex(ARRIVALS), Mode.NATIVE)


def order_of(network: Network, attack: Attack, seconds: float, folder: Path) -> Order:
    """An attack as fast as it goes."""
    return Order(
        attack=attack.name,
        parameters=parameters_of(attack.defaults, {"rate": NO_LIMIT}),
        target=target_of(network.plan, ORIGINS["shop"]),
        bots=network.plan.bots,
        interface=INTERFACE,
        gateway_mac=network.bots_gateway,
        begin_at=time.monotonic() + LEAD_S,
        seconds=seconds,
        seed=1,
        folder=folder,
    )


def ours(network: Network, order: Order) -> tuple[Measured, float]:
    """One run of a flood of ours, and the share by which its count and the interface's differ."""
    (order.folder / "order.json").write_text(order.model_dump_json())
    sender = ATTACKS[order.attack].sender(order)
    before = counted(network)
    log = order.folder / "log"
    with network.place(Role.BOTS).running(sender.argv, log=log) as process:
        seen = sending(network, process, order.seconds, lambda: counted(network) - before)
        process.wait(timeout=PATIENCE_S)
    sent = sender.read().total
    if sent is None or sent.units == 0:
        raise RempartError(f"{order.attack} sent nothing: {last_line(log)}")
    return seen, abs(settled(network) - before - sent.units) / sent.units


def peers_run(network: Network, peer: Peer, order: Order) -> Measured:
    """One run of a peer, as the interface counts its packets."""
    core = max(network.plan.caps[Role.BOTS].cores, default=0)
    argv = peer.argv(order, network.hardware_address(Role.BOTS, INTERFACE), core)
    log = order.folder / f"{peer.name}.log"
    before = counted(network)
    with network.place(Role.BOTS).running(argv, log=log) as process:
        try:
            return sending(network, process, order.seconds, lambda: counted(network) - before)
        except RempartError:
            raise RempartError(f"sends nothing here: {last_line(log)}") from None


def sending(network: Network, process: psutil.Process, seconds: float, sent: Callable[[], int]) -> Measured:
    """What is sent between two looks, the first as soon as it has begun, the other before it ends, and the
    core's time that it took. RempartError when it does not begin."""
    deadline = time.monotonic() + PATIENCE_S
    while sent() < BEGUN:
        if time.monotonic() > deadline or process.status() == psutil.STATUS_ZOMBIE:
            raise RempartError("nothing is sent")
        time.sleep(0.02)
    first = sent(), time.monotonic(), spent(network)
    time.sleep(0.7 * seconds)
    last = sent(), time.monotonic(), spent(network)
    count, passed, cpu = (after - before for before, after in zip(first, last, strict=True))
    return Measured(per_second=count / passed, proxy_share=cpu / passed)


def spent(network: Network) -> float:
    """Seconds of processors that the bots have taken, and the kernel's threads that work for them where they
    are: these end what a system call has begun when there is too much of it."""
    own = network.cpu_seconds(Role.BOTS)
    if own is None:
        raise EnvironmentLacks("control groups", "the processor time of a namespace cannot be told here")
    names = {f"ksoftirqd/{core}" for core in network.plan.caps[Role.BOTS].cores}
    threads = [each for each in psutil.process_iter(["name"]) if each.info["name"] in names]
    return own + sum(thread.cpu_times().system for thread in threads)


def last_line(log: Path) -> str:
    return (log.read_text().strip().splitlines() or ["no word"])[-1]


def counted(network: Network) -> int:
    """Packets that the router has received of the bots."""
    return network.counters(Role.ROUTER, ARRIVALS).received_packets


def settled(network: Network) -> int:
    """The count as soon as nothing is on its way any more."""
    last = counted(network)
    while True:
        time.sleep(0.1)
        if (now := counted(network)) == last:
            return now
        last = now
