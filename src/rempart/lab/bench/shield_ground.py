"""Where ``rempart bench shield`` measures: two namespaces and a cable, a sender in one, a filter in the
other.

    bots: sender, bystander ══ veth ══ edge: the contender, a web server, a name server's port

A veth hands frames to its peer as a network card's driver does, in NAPI: where the peer has an XDP program,
as frames, else as packets made of them (skb). In which account that happens is chosen for each run:

    one core    the peer's NAPI runs where the sender is, after each of its batches of 64, in softirq and so
                on the account of the sender's thread; what ``ksoftirqd`` had to take over is added. A kernel
                with IRQ_TIME_ACCOUNTING keeps softirq off the accounts of threads: then the machine's
                softirq time (``/proc/stat``) is added, others' included
    two cores   the peer's NAPI is a kernel thread on a core of its own and in the edge's control group
"""

from __future__ import annotations

import gzip
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Self

import numpy as np
import psutil

from rempart.engines.shield import libbpf
from rempart.engines.shield.libbpf import Kind, Mode, Program
from rempart.lab import bpf
from rempart.lab.attacks.packets import Frames
from rempart.lab.bench.shield_bystander import Stood
from rempart.lab.bench.shield_decisions import GATEWAY, HTTPS, OURS
from rempart.lab.bench.shield_sender import Sent, Way
from rempart.lab.network.addressing import Prefixes as Networks
from rempart.lab.network.inside import inside, set_sysctls, write_sysfs
from rempart.lab.network.making import Network
from rempart.lab.network.offload import aggregate_arrivals, send_whole_packets
from rempart.lab.network.world import INTERFACE, CpuCap, Edge, Interface, Link, Role, Route, World
from rempart.lab.processes import wait_for_port
from rempart.model.base import Value
from rempart.model.errors import RempartError

STARTING_S = 60.0
"""What a process of ours may take besides its time."""
SETTLING_S = 0.05
LASTING_S = 3.0
"""How much longer than a bystander a flood beside it lasts: what waits for an answer waits a second."""
BEGUN = 20_000
"""Packets after which a flood has begun, and that must still come after a bystander has ended."""
SYSCTLS = {
    "ipv4/tcp_syncookies": "2",
    # Answers to what nobody serves are limited by default; that stays. Logs of them are not wanted.
    "ipv4/tcp_max_syn_backlog": "4096",
}


class Run(Value):
    """One run of a flood against one contender."""

    sent: Sent
    arrived: int
    """Frames that the filter's interface counted."""
    delivered: int
    """Packets that the filter's kernel handed to TCP, UDP or ICMP: those that got through (IPv4)."""
    answered: int
    """Frames that came back to the sender's interface."""
    ksoftirqd_ns: int
    softirq_ns: int
    """Processor time in softirq of the whole machine, where it is on nobody's account; else 0."""
    edge_ns: int
    """Processor time in the edge's control group: NAPI's thread (two cores) and servers."""
    machine_ns: int
    """Processor time of the whole machine, whoever it was (``/proc/stat``, in hundredths of a second)."""

    @property
    def account_ns(self) -> int:
        """Processor time of sending and receiving."""
        return self.sent.cpu_ns + self.ksoftirqd_ns + self.softirq_ns + self.edge_ns

    @property
    def per_second(self) -> float:
        return self.sent.measured * 1e9 / self.sent.wall_ns if self.sent.wall_ns else 0.0


def plan(run: str, cores: int) -> World:
    """The world. The filter's core is the first, the sender's the last."""
    interface = f"edge-{run}"
    return World(
        run=run,
        visitors=Networks(v4=(), v6=()),
        bots=Networks(v4=(), v6=()),
        links=(
            Link(
                a=Interface(role=Role.EDGE, name=interface, addresses=(f"{OURS}/24",)),
                b=Interface(role=Role.BOTS, name=INTERFACE, addresses=(f"{GATEWAY}/24",)),
            ),
        ),
        routes=(Route(role=Role.EDGE, network="0.0.0.0/0", gateway=GATEWAY),),
        local={},
        caps={
            Role.EDGE: CpuCap(cores=(0,)),
            Role.BOTS: CpuCap(cores=(cores - 1,)),
        },
        edges=(Edge(role=Role.EDGE, v4=OURS, v6="2001:db8:ed::10", interface=interface),),
        origin_v4=OURS,
        resolver_v4=GATEWAY,
    )


class Ground:
    """The namespaces while the block runs."""

    def __init__(self) -> None:
        self.plan = plan(secrets.token_hex(4), os.cpu_count() or 1)
        self.network = Network(self.plan)
        self.interface = self.plan.edge_interface

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.network)
            set_sysctls(self.edge, SYSCTLS)
            self._page = self.network.folder / "page"
            self._page.mkdir()
            (self._page / "index.html").write_text("<p>here</p>")
            # Programs at either end may answer (XDP_TX): both take frames in NAPI.
            inside(self.bots, partial(aggregate_arrivals, INTERFACE))
            inside(self.edge, partial(send_whole_packets, self.interface))
            self._know_each_other()
            self._ksoftirqd = [
                one.pid for one in psutil.process_iter() if one.name().startswith("ksoftirqd/")
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def edge(self) -> str:
        return self.plan.namespace(Role.EDGE)

    @property
    def bots(self) -> str:
        return self.plan.namespace(Role.BOTS)

    @property
    def hardware(self) -> bytes:
        """Ethernet's destination and source of a frame to the filter."""
        ends = ((Role.EDGE, self.interface), (Role.BOTS, INTERFACE))
        return b"".join(bytes.fromhex(self.network.hardware_address(*end).replace(":", "")) for end in ends)

    def on_own_core(self, own: bool) -> None:
        """Whether the filter's NAPI is a thread on a core of its own."""
        if own:
            # A thread that was stopped is not the one that comes back.
            self.network.charge_arrivals_to(Role.EDGE)
        else:
            write_sysfs(self.edge, {f"{self.interface}/threaded": "0"})

    @contextmanager
    def dropping(self, where: Role, *, generic: bool = False) -> Iterator[None]:
        """Two instructions at an end of the cable drop whatever comes."""
        name = self.interface if where is Role.EDGE else INTERFACE
        with bpf.load(Kind.XDP, "drop", bpf.Instructions().constant(0, bpf.XDP_DROP).exit()) as program:
            at = partial(_attached, program, name, generic=generic)
            with inside(self.plan.namespace(where), at):
                yield

    def keep(self, frames: Frames, name: str) -> Path:
        """A file of frames for senders."""
        place = self.network.folder / f"{name}.npy"
        np.save(place, frames)
        return place

    def flood(self, frames: Path, seconds: float, way: Way) -> Run:
        """Send a file of frames as fast as it goes."""
        before = self._counted()
        command = ["-m", "rempart.lab.bench.shield_sender", str(frames), way, INTERFACE, str(seconds)]
        sent = Sent.model_validate_json(self._said(command, seconds))
        # What is still on its way arrives.
        time.sleep(SETTLING_S)
        after = self._counted()
        return Run(sent=sent, **{name: after[name] - count for name, count in before.items()})

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Sockets of a web server, of both families, that nobody accepts from."""
        both = ((OURS, socket.AF_INET), ("::", socket.AF_INET6))
        with ExitStack() as stack:
            for address, family in both:
                made = partial(socket.create_server, (address, HTTPS), family=family)
                stack.enter_context(inside(self.edge, made))
            yield

    @contextmanager
    def bystander(self, seconds: float) -> Iterator[Callable[[], Stood]]:
        """A web server, and somebody in the sender's namespace who asks it and pings, for so long, as soon as
        what this yields is called: it returns how that went.

        On the sender's core: what another core sends has that core take the flood, too, out of a queue that
        the sender then overruns. On a network card a bystander's packets come by the flood's own queue.
        """
        command = [sys.executable, "-m", "rempart.lab.bench.shield_bystander", OURS, str(HTTPS), str(seconds)]
        place = self.network.place(Role.BOTS)
        page, log = str(self._page), self.network.folder / "web.log"
        server = [sys.executable, "-m", "http.server", str(HTTPS), "--bind", OURS, "--directory", page]
        with self.network.place(Role.EDGE).running(server, log=log):
            inside(self.edge, partial(wait_for_port, OURS, HTTPS))
            with subprocess.Popen(
                place.command(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as process:

                def ask() -> Stood:
                    said, _ = process.communicate("now\n", timeout=seconds + STARTING_S)
                    return Stood.model_validate_json(said)

                try:
                    yield ask
                finally:
                    process.kill()

    def beside(self, frames: Path, seconds: float) -> tuple[Stood, Run]:
        """A bystander in the middle of a flood.

        Raises RempartError when the flood did not last as long as the bystander asked.
        """
        runs: list[Run] = []
        flood = threading.Thread(
            target=lambda: runs.append(self.flood(frames, seconds + LASTING_S, Way.LIVE))
        )
        with self.bystander(seconds) as ask:
            before = self._arrived()
            flood.start()
            while self._arrived() - before < BEGUN:
                if not flood.is_alive():
                    raise RempartError("the flood beside the bystander did not begin")
                time.sleep(0.01)
            stood = ask()
            during = self._arrived()
            flood.join()
        if not runs or self._arrived() - during < BEGUN:
            raise RempartError("the flood ended before the bystander did")
        return stood, runs[0]

    def _said(self, command: Sequence[str], seconds: float) -> str:
        """The last line of a process of ours in the sender's namespace."""
        done = subprocess.run(
            self.network.place(Role.BOTS).command([sys.executable, *command]),
            capture_output=True,
            text=True,
            timeout=seconds + STARTING_S,
            check=False,
        )
        if done.returncode != 0:
            raise RempartError(f"{command[1]} ended: {done.stderr.strip()[-500:]}")
        return done.stdout.splitlines()[-1]

    def _arrived(self) -> int:
        """Frames that the filter's interface has counted. Several threads may ask, unlike the
        network's netlink socket."""
        return inside(self.edge, partial(_received, self.interface))

    def _counted(self) -> dict[str, int]:
        times = psutil.cpu_times()
        busy = times.user + times.nice + times.system + times.irq + times.softirq
        return {
            "arrived": self._arrived(),
            "delivered": inside(self.edge, _delivered),
            "answered": inside(self.bots, partial(_received, INTERFACE)),
            "ksoftirqd_ns": sum(_spent_ns(pid) for pid in self._ksoftirqd),
            "softirq_ns": round((times.irq + times.softirq) * 1e9) if softirq_is_apart() else 0,
            "edge_ns": round((self.network.cpu_seconds(Role.EDGE) or 0.0) * 1e9),
            "machine_ns": round(busy * 1e9),
        }

    def _know_each_other(self) -> None:
        """Neighbours for good, so that nobody asks for them in the middle of a flood."""
        for role, other, address in ((Role.EDGE, Role.BOTS, GATEWAY), (Role.BOTS, Role.EDGE, OURS)):
            name = self.interface if role is Role.EDGE else INTERFACE
            theirs = self.network.hardware_address(other, INTERFACE if role is Role.EDGE else self.interface)
            routing = self.network._routing(role)
            index = routing.link_lookup(ifname=name)[0]
            routing.neigh("replace", dst=address, lladdr=theirs, ifindex=index, state="permanent")


@cache
def softirq_is_apart() -> bool:
    """Whether this kernel keeps softirq off the accounts of threads, by its configuration; unknown: no."""
    for place, opened in (
        (Path("/proc/config.gz"), gzip.open),
        (Path(f"/boot/config-{os.uname().release}"), open),
    ):
        with suppress(OSError), opened(place, "rt") as file:
            return "CONFIG_IRQ_TIME_ACCOUNTING=y" in file.read()
    return False


def _attached(program: Program, interface: str, *, generic: bool) -> libbpf.Link:
    mode = Mode.GENERIC if generic else Mode.NATIVE
    return libbpf.Link.attach(program, socket.if_nametoindex(interface), mode)


def _delivered() -> int:
    """InDelivers of this thread's namespace (RFC 4293)."""
    names, values = (
        line.split()
        for line in Path("/proc/thread-self/net/snmp").read_text().splitlines()
        if line.startswith("Ip:")
    )
    return int(values[names.index("InDelivers")])


def _received(interface: str) -> int:
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    line = next(line for line in lines if line.strip().startswith(f"{interface}:"))
    return int(line.split(":")[1].split()[1])


def _spent_ns(pid: int) -> int:
    """Processor time of a process or kernel thread, as clock_getcpuclockid(3) names its clock."""
    return time.clock_gettime_ns((~pid << 3) | 2)
