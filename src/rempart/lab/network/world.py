"""The plan of a small Internet: namespaces, links, addresses, routes, caps. Pure; ``making`` carries it out.

    visitors ──┐
    bots ──────┤ router ══(tbf, both directions)══ edge ── origin
    resolver ──┘        ╚═══(tbf, both directions)══ second edge (some worlds) ── the same origin
                ╚═══(tbf, both directions)══ the origin itself (worlds with an uplink for it)

The router knows the networks of visitors and bots and drops what goes anywhere else, as answers to spoofed
sources vanish in life. Only the edge reaches the origin, unless the origin has an uplink of its own.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from rempart.lab.network.addressing import Prefixes, addressing
from rempart.model.base import Value


class Role(StrEnum):
    """What a namespace is there for."""

    VISITORS = "visitors"
    BOTS = "bots"
    RESOLVER = "resolver"
    ROUTER = "router"
    EDGE = "edge"
    SECOND_EDGE = "edge2"
    """Another operator's, in worlds that have two."""
    ORIGIN = "origin"


class CpuCap(Value):
    """How much processor the processes of a namespace may have."""

    share: float | None = Field(default=None, gt=0, le=64)
    """Processors' worth, 0.5 is half of one; None: no cap."""
    cores: tuple[int, ...] = ()
    """Which processors; empty: any."""
    weight: int = Field(default=1024, ge=2, le=262_144)
    """Relative weight when several want the same processor (cpu.shares of cgroup v1)."""


class Interface(Value):
    """One end of a link, with its addresses (ADDRESS/LENGTH) in that namespace."""

    role: Role
    name: str = Field(max_length=15)
    addresses: tuple[str, ...]


class Link(Value):
    """A cable between two namespaces (a veth pair)."""

    a: Interface
    b: Interface
    rate_bits: int | None = Field(default=None, ge=1_000_000)
    """Bits per second in each direction, by a token bucket at both ends; None: as fast as the machine."""


class Route(Value):
    """What goes to ``network`` goes by way of ``gateway``; no gateway: it is dropped without a word."""

    role: Role
    network: str
    gateway: str | None


class WorldShape(Value):
    """What a drill asks of its world."""

    visitor_networks: int = Field(default=32, ge=1, le=2_000)
    """IPv4 networks of 128 addresses; a quarter as many IPv6 /48 networks."""
    bot_networks: int = Field(default=256, ge=1, le=4_000)
    neighbours: float = Field(default=0.25, ge=0, le=1)
    """Share of the visitors' networks whose other half belongs to bots."""
    link_mbits: int = Field(default=400, ge=1, le=20_000)
    """Rate of the edge's link, each direction; beyond 34 Gbit/s a token bucket counts in 32 bits no more."""
    edge_cpu: float = Field(default=0.8, gt=0, le=64)
    """Processors' worth of the edge, the kernel's work on its arriving packets included."""
    origin_cpu: float = Field(default=0.35, gt=0, le=64)
    edges: int = Field(default=1, ge=1, le=2)
    """Two: a second operator has an edge of the same make, elsewhere in the Internet."""
    origin_uplink: bool = False
    """Whether the origin can be reached past the edge, by whoever knows its address."""


class Edge(Value):
    """Where an operator's edge is: its namespace and addresses."""

    role: Role
    v4: str
    v6: str
    interface: str
    """Towards the router. Unlike others its name tells the run: the kernel's thread that takes its packets is
    named after it, and has to be found."""


class World(Value):
    """A whole plan. Two worlds of one shape, seed and machine differ in nothing but ``run``."""

    run: str = Field(pattern=r"^[0-9a-z]{1,8}$")
    """Part of the name of everything that is made, so that runs do not meet."""
    visitors: Prefixes
    bots: Prefixes
    links: tuple[Link, ...]
    routes: tuple[Route, ...]
    local: dict[Role, tuple[str, ...]]
    """Role → networks all of whose addresses are the namespace's own (AnyIP: ``ip route add local … dev
    lo``)."""
    caps: dict[Role, CpuCap]
    edges: tuple[Edge, ...] = Field(min_length=1)
    origin_v4: str
    resolver_v4: str
    bare_origin: Edge | None = None
    """The origin as visitors reach it who are not led to an edge; None: they cannot."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """The namespaces there are."""
        found = {end.role for link in self.links for end in (link.a, link.b)}
        return tuple(role for role in Role if role in found)

    @property
    def edge_v4(self) -> str:
        return self.edges[0].v4

    @property
    def edge_v6(self) -> str:
        return self.edges[0].v6

    @property
    def edge_interface(self) -> str:
        return self.edges[0].interface

    def namespace(self, role: Role) -> str:
        """Name of the namespace, as ``ip netns list`` shows it."""
        return f"rp-{self.run}-{role.value}"


EDGE_V4, EDGE_V6 = "203.0.113.10", "2001:db8:ed::10"
SECOND_EDGE_V4, SECOND_EDGE_V6 = "198.19.0.10", "2001:db8:ed2::10"
ORIGIN_V4 = "192.0.2.80"
ORIGIN_V6 = "2001:db8:80::80"
"""At the origin's own uplink, in worlds that have one."""
RESOLVER_V4, PARENT_V4 = "45.0.53.53", "45.0.53.54"
"""The resolver, and in the same namespace the name server of the zone above the site's (``parent``). Of
``addressing.INFRASTRUCTURE``: what comes to an edge must come from public addresses, or a defence that knows
which are not drops it."""
INTERFACE = "net0"
"""The interface of a namespace towards the router; the edge's is named by ``World.edge_interface``."""


def world(shape: WorldShape, *, seed: int, run: str, cores: int) -> World:
    """Plan a world for a machine with ``cores`` processors."""
    plan = addressing(
        seed,
        visitor_networks=shape.visitor_networks,
        bot_networks=shape.bot_networks,
        neighbours=shape.neighbours,
    )
    links: tuple[Link, ...] = (
        _uplink(Role.VISITORS, 1),
        _uplink(Role.BOTS, 2),
        Link(
            a=Interface(role=Role.ROUTER, name="resolver0", addresses=("45.0.53.1/24",)),
            b=Interface(
                role=Role.RESOLVER, name=INTERFACE, addresses=(f"{RESOLVER_V4}/24", f"{PARENT_V4}/24")
            ),
        ),
        Link(
            a=Interface(role=Role.ROUTER, name="edge0", addresses=("203.0.113.1/24", "2001:db8:ed::1/64")),
            b=Interface(role=Role.EDGE, name=f"edge-{run}", addresses=(f"{EDGE_V4}/24", f"{EDGE_V6}/64")),
            rate_bits=shape.link_mbits * 1_000_000,
        ),
        Link(
            a=Interface(role=Role.EDGE, name=f"inner-{run}", addresses=("192.0.2.1/24",)),
            b=Interface(role=Role.ORIGIN, name=INTERFACE, addresses=(f"{ORIGIN_V4}/24",)),
        ),
    )
    routes = [
        *(Route(role=Role.ROUTER, network=net, gateway="45.0.1.2") for net in plan.visitors.v4),
        *(Route(role=Role.ROUTER, network=net, gateway="2a0f:ff:1::2") for net in plan.visitors.v6),
        *(Route(role=Role.ROUTER, network=net, gateway="45.0.2.2") for net in plan.bots.v4),
        *(Route(role=Role.ROUTER, network=net, gateway="2a0f:ff:2::2") for net in plan.bots.v6),
        Route(role=Role.ROUTER, network="0.0.0.0/0", gateway=None),
        Route(role=Role.ROUTER, network="::/0", gateway=None),
        Route(role=Role.EDGE, network="0.0.0.0/0", gateway="203.0.113.1"),
        Route(role=Role.EDGE, network="::/0", gateway="2001:db8:ed::1"),
        Route(role=Role.RESOLVER, network="0.0.0.0/0", gateway="45.0.53.1"),
    ]
    for role, number in ((Role.VISITORS, 1), (Role.BOTS, 2)):
        routes.append(Route(role=role, network="0.0.0.0/0", gateway=f"45.0.{number}.1"))
        routes.append(Route(role=role, network="::/0", gateway=f"2a0f:ff:{number}::1"))
    edges = [Edge(role=Role.EDGE, v4=EDGE_V4, v6=EDGE_V6, interface=f"edge-{run}")]
    if shape.edges == 2:
        links = (*links, *_second_edge(shape, run))
        routes += [
            Route(role=Role.SECOND_EDGE, network="0.0.0.0/0", gateway="198.19.0.1"),
            Route(role=Role.SECOND_EDGE, network="::/0", gateway="2001:db8:ed2::1"),
            # The origin is one and the same machine, at the end of another cable.
            Route(role=Role.SECOND_EDGE, network=f"{ORIGIN_V4}/32", gateway="198.19.1.80"),
        ]
        edges.append(
            Edge(role=Role.SECOND_EDGE, v4=SECOND_EDGE_V4, v6=SECOND_EDGE_V6, interface=f"edg2-{run}")
        )
    bare = None
    if shape.origin_uplink:
        links = (*links, _origin_uplink(shape, run))
        routes += [
            Route(role=Role.ROUTER, network=f"{ORIGIN_V4}/32", gateway="45.0.80.2"),
            Route(role=Role.ORIGIN, network="0.0.0.0/0", gateway="45.0.80.1"),
            Route(role=Role.ORIGIN, network="::/0", gateway="2001:db8:80::1"),
        ]
        bare = Edge(role=Role.ORIGIN, v4=ORIGIN_V4, v6=ORIGIN_V6, interface=f"bare-{run}")
    return World(
        run=run,
        visitors=plan.visitors,
        bots=plan.bots,
        links=links,
        routes=tuple(routes),
        local={
            Role.VISITORS: (*plan.visitors.v4, *plan.visitors.v6),
            Role.BOTS: (*plan.bots.v4, *plan.bots.v6),
        },
        caps=caps(shape, cores),
        edges=tuple(edges),
        origin_v4=ORIGIN_V4,
        resolver_v4=RESOLVER_V4,
        bare_origin=bare,
    )


def caps(shape: WorldShape, cores: int) -> dict[Role, CpuCap]:
    """Who runs where. The edge has a processor to itself as soon as there are two; visitors come before bots
    and the origin where they share one, so that what the lab measures is the edge and not its own clients."""
    edge, rest = ((0,), tuple(range(1, cores))) if cores > 1 else ((), ())
    last = rest[-1:] if cores > 3 else rest
    found = {
        Role.EDGE: CpuCap(share=shape.edge_cpu, cores=edge),
        Role.ORIGIN: CpuCap(share=shape.origin_cpu, cores=rest[:1], weight=2048),
        Role.VISITORS: CpuCap(cores=rest, weight=16_384),
        Role.RESOLVER: CpuCap(cores=rest, weight=4096),
        Role.BOTS: CpuCap(cores=last, weight=512),
    }
    if shape.edges == 2:
        found[Role.SECOND_EDGE] = found[Role.EDGE]
    return found


def _second_edge(shape: WorldShape, run: str) -> tuple[Link, Link]:
    """The cables of the second operator's edge: to the router, and to the origin."""
    return (
        Link(
            a=Interface(role=Role.ROUTER, name="edge1", addresses=("198.19.0.1/24", "2001:db8:ed2::1/64")),
            b=Interface(
                role=Role.SECOND_EDGE,
                name=f"edg2-{run}",
                addresses=(f"{SECOND_EDGE_V4}/24", f"{SECOND_EDGE_V6}/64"),
            ),
            rate_bits=shape.link_mbits * 1_000_000,
        ),
        Link(
            a=Interface(role=Role.SECOND_EDGE, name=f"inn2-{run}", addresses=("198.19.1.1/24",)),
            b=Interface(role=Role.ORIGIN, name="net1", addresses=("198.19.1.80/24",)),
        ),
    )


def _origin_uplink(shape: WorldShape, run: str) -> Link:
    return Link(
        a=Interface(role=Role.ROUTER, name="origin0", addresses=("45.0.80.1/24", "2001:db8:80::1/64")),
        b=Interface(role=Role.ORIGIN, name=f"bare-{run}", addresses=("45.0.80.2/24", f"{ORIGIN_V6}/64")),
        rate_bits=shape.link_mbits * 1_000_000,
    )


def _uplink(role: Role, number: int) -> Link:
    return Link(
        a=Interface(
            role=Role.ROUTER,
            name=f"{role.value}0",
            addresses=(f"45.0.{number}.1/24", f"2a0f:ff:{number}::1/64"),
        ),
        b=Interface(role=role, name=INTERFACE, addresses=(f"45.0.{number}.2/24", f"2a0f:ff:{number}::2/64")),
    )
