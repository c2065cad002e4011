"""Makes a planned world and takes it down again. The only module that changes namespaces, links and routes.

Links are made inside the namespaces, never in the host's own, so nothing of this is ever seen there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psutil

from rempart.engines.shield import libbpf
from rempart.lab import bpf, leftovers
from rempart.lab.network import cgroups, remains, vanishing
from rempart.lab.network.inside import inside, set_sysctls, write_sysfs
from rempart.lab.network.offload import aggregate_arrivals, send_whole_packets
from rempart.lab.network.place import Place
from rempart.lab.network.world import INTERFACE, CpuCap, Interface, Link, Role, World
from rempart.model.base import Value
from rempart.model.errors import EnvironmentLacks, RempartError
from rempart.node.processes import identify

if TYPE_CHECKING:
    from pyroute2 import IPRoute

SYSCTLS: dict[Role, dict[str, str]] = {
    Role.ROUTER: {
        "ipv4/ip_forward": "1",
        "ipv6/conf/all/forwarding": "1",
        # No socket of its own is worth looking for first: a tenth of the cost of a packet that is passed on.
        "ipv4/ip_early_demux": "0",
    },
    # A process may bind any address, assigned or not.
    Role.VISITORS: {
        "ipv4/ip_nonlocal_bind": "1",
        "ipv6/ip_nonlocal_bind": "1",
        "ipv4/ip_local_port_range": "1024 65535",
    },
    Role.BOTS: {
        "ipv4/ip_nonlocal_bind": "1",
        "ipv6/ip_nonlocal_bind": "1",
        "ipv4/ip_local_port_range": "1024 65535",
    },
}
EVERYWHERE = {
    # Answers leave by other ways than questions came, and no address here needs a test for duplicates.
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/accept_ra": "0",
    # One client that meets many time-outs must not make the others wait for ARP.
    "ipv4/neigh/default/gc_thresh3": "65536",
    "ipv6/neigh/default/gc_thresh3": "65536",
}

ARRIVALS = {"threaded": "1", "gro_flush_timeout": "50000", "napi_defer_hard_irqs": "1"}
"""How an edge's interfaces take packets, below ``/sys/class/net``: by a thread, which looks again after 50
microseconds instead of being woken for every few packets."""
_NODAD = 0x02
_PERMANENT = 0x80


class Counters(Value):
    """What an interface has counted, in its own direction."""

    received_packets: int
    received_bytes: int
    sent_packets: int
    sent_bytes: int


class Network:
    """A world that exists while the block runs. Another run's leftovers are cleared first."""

    def __init__(self, plan: World) -> None:
        self.plan = plan
        self.hierarchies = cgroups.here()
        self._groups: dict[Role, cgroups.Group] = {}
        self._programs: list[libbpf.Link] = []
        """Descriptors of links: a program is attached as long as one is open."""
        self._open: dict[Role, IPRoute] = {}

    def __enter__(self) -> Self:
        refuse_without_namespaces()
        leftovers.sweep()
        owner = identify(os.getpid())
        if owner is None:
            raise RempartError("this process cannot be found in /proc")
        self.folder = leftovers.short_folder()
        self.folder.chmod(0o755)
        self._run = remains.Run(
            name=self.plan.run,
            owner=owner,
            namespaces=tuple(self.plan.namespace(role) for role in self.plan.roles),
            groups=cgroups.folders(self._group_name, self.hierarchies),
        )
        remains.note(self._run)
        (self.folder / "resolv.conf").write_text(f"nameserver {self.plan.resolver_v4}\n")
        try:
            self._make()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        while self._programs:
            self._programs.pop().close()
        while self._open:
            self._open.popitem()[1].close()
        remains.clear(self._run)
        shutil.rmtree(self.folder, ignore_errors=True)

    def place(self, role: Role) -> Place:
        """Where processes of a role are started."""
        group = self._groups.get(role)
        cap = self.plan.caps.get(role, CpuCap())
        return Place(
            namespace=self.plan.namespace(role),
            groups=group.places if group else (),
            resolv_conf=self.folder / "resolv.conf",
            cores=() if group and any("cpuset" in str(place) for place in group.places) else cap.cores,
        )

    @contextlib.contextmanager
    def quota_lifted(self, role: Role) -> Iterator[None]:
        """A role's processes may have a whole processor while the block runs: what starts is not judged, and
        would start for half a minute."""
        group = self._groups.get(role)
        with group.lifted() if group else contextlib.nullcontext():
            yield

    def cpu_seconds(self, role: Role) -> float | None:
        """Processor time of a role so far; the edge's includes the kernel's work on arriving packets."""
        group = self._groups.get(role)
        return group.cpu_seconds() if group else None

    def others_cpu_seconds(self) -> float | None:
        """Processor time of the whole machine that was not the run's. The kernel's work for packets between
        namespaces is the run's, but on nobody's account: what comes out here is no less than the truth."""
        own = [self.cpu_seconds(role) for role in self._groups]
        times = psutil.cpu_times()
        busy = times.user + times.nice + times.system
        return busy - sum(spent for spent in own if spent is not None) if None not in own else None

    def counters(self, role: Role, interface: str) -> Counters:
        """What an interface has counted so far."""
        counted = _link(self._routing(role), interface).get_attr("IFLA_STATS64")
        return Counters(
            received_packets=counted["rx_packets"],
            received_bytes=counted["rx_bytes"],
            sent_packets=counted["tx_packets"],
            sent_bytes=counted["tx_bytes"],
        )

    def hardware_address(self, role: Role, interface: str) -> str:
        return str(_link(self._routing(role), interface).get_attr("IFLA_ADDRESS"))

    @property
    def bots_gateway(self) -> str:
        """The router's hardware address as the bots see it."""
        return self.hardware_address(Role.ROUTER, "bots0")

    def tell_bots_their_gateway(self) -> None:
        """The bots know the router's hardware address from now on, also when it answers nobody who asks."""
        routing = self._routing(Role.BOTS)
        index = routing.link_lookup(ifname=INTERFACE)[0]
        for link in self.plan.links:
            if link.b.role is Role.BOTS:
                for address in (address.partition("/")[0] for address in link.a.addresses):
                    routing.neigh(
                        "replace",
                        dst=address,
                        lladdr=self.bots_gateway,
                        ifindex=index,
                        state=_PERMANENT,
                        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    )

    @property
    def _group_name(self) -> str:
        return f"rempart-lab-{self.plan.run}"

    def _routing(self, role: Role) -> IPRoute:
        """The netlink socket of a namespace, made inside and kept as long as the world.

        Left to itself pyroute2 would fork this process to make one, and end the child with SIGTERM: the
        child would then run our handlers and take our world down.
        """
        from pyroute2 import IPRoute

        if role not in self._open:
            made = inside(self.plan.namespace(role), _netlink_socket)
            self._open[role] = IPRoute(fileno=made.detach())
        return self._open[role]

    def _make(self) -> None:
        from pyroute2 import netns

        for role in self.plan.roles:
            netns.create(self.plan.namespace(role))
            set_sysctls(self.plan.namespace(role), EVERYWHERE | SYSCTLS.get(role, {}))
            if role in self.plan.caps:
                cap = self.plan.caps[role]
                self._groups[role] = cgroups.Group(self._group_name, role.value, cap, self.hierarchies)
        for role in self.plan.roles:
            self._routing(role).link("set", index=1, state="up")
        for link in self.plan.links:
            self._cable(link)
        for role, networks in self.plan.local.items():
            for network in networks:
                self._routing(role).route("add", dst=network, oif=1, type="local", scope=254, table=255)
        for route in self.plan.routes:
            way: dict[str, Any] = {"gateway": route.gateway} if route.gateway else {"type": "blackhole"}
            self._routing(route.role).route("add", dst=route.network, **way)
        self._take_live_frames_from_bots()
        self._let_answers_to_nobody_vanish()
        self._charge_arrivals_to_the_edges()

    def _take_live_frames_from_bots(self) -> None:
        """Let the router take the bots' packets through NAPI: without it a veth refuses frames that were not
        sent by a socket. Nor may larger pieces pass those that come through it."""
        for link in self.plan.links:
            if link.b.role is Role.BOTS:
                inside(self.plan.namespace(link.a.role), partial(aggregate_arrivals, link.a.name))
                inside(self.plan.namespace(link.b.role), partial(send_whole_packets, link.b.name))

    def _cable(self, link: Link) -> None:
        a, b = link.a, link.b
        self._routing(a.role).link(
            "add",
            ifname=a.name,
            kind="veth",
            peer={"ifname": b.name, "net_ns_fd": self.plan.namespace(b.role)},
        )
        for end in (a, b):
            routing = self._routing(end.role)
            index = routing.link_lookup(ifname=end.name)[0]
            self._address(routing, index, end)
            if link.rate_bits is not None:
                octets = link.rate_bits // 8
                # Half a hundredth of a second passes at once; what would wait longer than 50 ms is dropped.
                routing.tc("add", "tbf", index, rate=octets, burst=max(65_536, octets // 200), latency="50ms")

    def _address(self, routing: IPRoute, index: int, end: Interface) -> None:
        routing.link("set", index=index, state="up")
        for address in end.addresses:
            plain, _, length = address.partition("/")
            flags = {"flags": _NODAD} if ":" in plain else {}
            routing.addr("add", index=index, address=plain, prefixlen=int(length), **flags)

    def _charge_arrivals_to_the_edges(self) -> None:
        """Let a kernel thread take an edge's packets, in the edge's control group.

        Over veth the sender's processor does the receiver's work, unasked and uncounted. A thread of its own
        (NAPI in threaded mode) does it on the edge's processor and on the edge's account, as on a real
        machine.
        """
        for edge in self.plan.edges:
            self.charge_arrivals_to(edge.role)

    def charge_arrivals_to(self, role: Role) -> None:
        namespace = self.plan.namespace(role)
        names = []
        for link in self.plan.links:
            for end, other in ((link.a, link.b), (link.b, link.a)):
                if end.role is role:
                    inside(namespace, partial(aggregate_arrivals, end.name))
                    inside(self.plan.namespace(other.role), partial(send_whole_packets, other.name))
                    names.append(end.name)
        write_sysfs(namespace, {f"{name}/{file}": text for name in names for file, text in ARRIVALS.items()})
        group = self._groups[role]
        for pid in _kernel_threads(names):
            if self.plan.caps[role].cores:
                os.sched_setaffinity(pid, self.plan.caps[role].cores)
            group.take(pid)

    def _let_answers_to_nobody_vanish(self) -> None:
        if bpf.lacking() is not None:
            return
        known = vanishing.known_in(self.plan)
        for link in self.plan.links:
            if link.a.role is Role.ROUTER and link.b.role in (Role.EDGE, Role.SECOND_EDGE):
                attached = partial(vanishing.attach, link.a.name, known)
                self._programs.append(inside(self.plan.namespace(Role.ROUTER), attached))


def refuse_without_namespaces() -> None:
    """EnvironmentLacks, with the reason, where the lab cannot be built."""
    if os.geteuid() != 0:
        raise EnvironmentLacks("root", "network namespaces need root", hint="run it with sudo")
    for program, package in (("nsenter", "util-linux"), ("unshare", "util-linux"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            raise EnvironmentLacks(program, f"{program} is not installed", hint=f"apt-get install {package}")
    from pyroute2 import netns
    from pyroute2.netlink.exceptions import NetlinkError

    trial = f"rp-trial-{os.getpid()}"
    try:
        netns.create(trial)
        netns.remove(trial)
    except (OSError, NetlinkError) as error:
        raise EnvironmentLacks(
            "network namespaces", f"a network namespace could not be made: {error}"
        ) from None


def _netlink_socket() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)


def _link(routing: IPRoute, interface: str) -> Any:
    return routing.get_links(routing.link_lookup(ifname=interface)[0])[0]


def _kernel_threads(interfaces: list[str], *, seconds: float = 2.0) -> list[int]:
    """The threads that take these interfaces' packets: named ``napi/INTERFACE-NUMBER``."""
    deadline = time.monotonic() + seconds
    while True:
        found = [
            process.pid
            for process in psutil.process_iter(["name"])
            if any(process.info["name"].startswith(f"napi/{name}-") for name in interfaces)
        ]
        if len(found) >= len(interfaces):
            return found
        if time.monotonic() > deadline:
            raise RempartError(
                f"the kernel's thread for the packets of {', '.join(interfaces)} was not found"
            )
        time.sleep(0.02)
