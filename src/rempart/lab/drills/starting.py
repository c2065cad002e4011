"""Starts what takes part in a drill, each in its place: resolver, origin, contender, visitors, senders."""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import psutil

from rempart.lab import certificates
from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import AttackParameters, Order, Sender, Target
from rempart.lab.contenders.contract import Contender, EdgeScene, Standing
from rempart.lab.contenders.writing import last_words
from rempart.lab.drills.contract import Drill
from rempart.lab.drills.measures import Phases
from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network
from rempart.lab.network.parent import PARENT_ZONE
from rempart.lab.network.world import INTERFACE, PARENT_V4, Edge, Role, World
from rempart.lab.origins.contract import Origin, OriginScene
from rempart.lab.processes import require
from rempart.lab.visitors.contract import VisitorsOrder
from rempart.model.errors import EnvironmentLacks, RempartError

HOST, ZONE = "www.shop.example", "shop.example"
UP_SECONDS = 60.0


def target_of(plan: World, origin: Origin, edge: Edge | None = None) -> Target:
    """The site as it is known: at the first edge, unless another is given."""
    edge = edge or plan.edges[0]
    return Target(
        host=HOST,
        zone=ZONE,
        v4=edge.v4,
        v6=edge.v6,
        pages=tuple(page.path for page in origin.site.pages),
        costly_pages=origin.site.searches,
        form_page=origin.site.forms[0] if origin.site.forms else "/",
        large_page=origin.site.large,
    )


def start_resolver(stack: ExitStack, network: Network, edge: Edge | None = None) -> None:
    """The resolver that every process of the world asks; the site's zone is delegated to the first edge,
    unless another is given."""
    plan = network.plan
    at = (edge or plan.edges[0]).v4
    argv = (sys.executable, "-m", "rempart.lab.network.resolver", plan.resolver_v4, ZONE, at)
    log = network.folder / "resolver.out"
    stack.enter_context(network.place(Role.RESOLVER).running(argv, log=log))


def start_following_resolver(stack: ExitStack, network: Network) -> None:
    """In the place of that: a resolver that goes by what the parent zone says (``network.parent``)."""
    plan = network.plan
    argv = (
        sys.executable, "-m", "rempart.lab.network.following", plan.resolver_v4, PARENT_V4, PARENT_ZONE,
    )  # fmt: skip
    log = network.folder / "resolver.out"
    stack.enter_context(network.place(Role.RESOLVER).running(argv, log=log))


def start_origin(stack: ExitStack, network: Network, origin: Origin) -> OriginScene:
    """The origin serves when this returns."""
    scene = origin_scene(network)
    origin.prepare(scene)
    serve_origin(stack, network, origin, scene)
    return scene


def origin_scene(network: Network) -> OriginScene:
    """What an origin is given."""
    folder = made(network.folder / "origin")
    return OriginScene(
        address=network.plan.origin_v4, port=8080, host=HOST, folder=folder, secret=secrets.token_hex(16)
    )


def serve_origin(stack: ExitStack, network: Network, origin: Origin, scene: OriginScene) -> None:
    """An origin that was prepared serves when this returns; several times in one world, one after the
    other."""
    place = network.place(Role.ORIGIN)
    process = stack.enter_context(place.running(origin.command(scene), log=network.folder / "origin.out"))
    deadline = time.monotonic() + UP_SECONDS

    def listens() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((scene.address, scene.port)) == 0

    while not inside(network.plan.namespace(Role.EDGE), listens):
        if time.monotonic() > deadline or not process.is_running():
            raise RempartError(f"the origin did not start:\n{last_words(network.folder)}")
        time.sleep(0.05)


def start_contender(
    stack: ExitStack, network: Network, contender: Contender, origin: OriginScene
) -> Standing:
    scene = edge_scene(network, network.plan.edges[0], origin, network.folder)
    return stack.enter_context(contender.start(scene))


def edge_scene(network: Network, edge: Edge, origin: OriginScene, folder: Path) -> EdgeScene:
    """What stands at an edge is given this."""
    issued = certificates.issue(made(folder / "tls"), HOST)
    return EdgeScene(
        place=network.place(edge.role),
        folder=made(folder / "edge"),
        host=HOST,
        zone=ZONE,
        interface=edge.interface,
        v4=edge.v4,
        v6=edge.v6,
        origin_address=origin.address,
        origin_port=origin.port,
        certificate=issued.pem,
        authority=issued.authority,
    )


def wait_until_served(plan: World, target: Target, authority: Path) -> None:
    """Until a visitor is answered something, over both address families."""
    deadline = time.monotonic() + UP_SECONDS

    def asked(address: str) -> str:
        try:
            with socket.create_connection((address, target.https_port), timeout=2) as plain:
                context = ssl.create_default_context(cafile=str(authority))
                with context.wrap_socket(plain, server_hostname=target.host) as wrapped:
                    client = http.client.HTTPSConnection(target.host)
                    client.sock = wrapped
                    client.request("GET", "/robots.txt", headers={"Host": target.host})
                    status = client.getresponse().status
                    return "" if status < 500 else f"status {status}"
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"

    for address in (target.v4, target.v6):
        while problem := inside(plan.namespace(Role.VISITORS), partial(asked, address)):
            if time.monotonic() > deadline:
                raise RempartError(f"{address} does not serve the site: {problem}")
            time.sleep(0.1)


def start_visitors(network: Network, order: VisitorsOrder) -> AbstractContextManager[psutil.Process]:
    file = order.folder / "order.json"
    file.write_text(order.model_dump_json())
    argv = (sys.executable, "-m", "rempart.lab.visitors.browsing", str(file))
    return network.place(Role.VISITORS).running(argv, log=network.folder / "visitors.out")


def start_wave(
    stack: ExitStack,
    network: Network,
    target: Target,
    phases: Phases,
    drill: Drill,
    number: int,
    seed: int,
    above: Path,
) -> tuple[Sender, psutil.Process]:
    """Start a wave's sender; it waits for its moment by itself, and ends by itself. It writes in a folder in
    ``above``."""
    folder = made(above / f"wave-{number}")
    order = order_of(drill, number, seed, network.plan, target, phases, network.bots_gateway, folder)
    (folder / "order.json").write_text(order.model_dump_json())
    sender = ATTACKS[order.attack].sender(order)
    log = above / f"wave-{number}.out"
    return sender, stack.enter_context(network.place(Role.BOTS).running(sender.argv, log=log))


def order_of(
    drill: Drill,
    number: int,
    seed: int,
    plan: World,
    target: Target,
    phases: Phases,
    gateway_mac: str,
    folder: Path,
) -> Order:
    """What the sender of a drill's wave is told. Pure."""
    wave = drill.waves[number]
    attack = ATTACKS[wave.attack]
    return Order(
        attack=attack.name,
        parameters=parameters_of(attack.defaults, wave.parameters),
        target=target,
        bots=plan.bots,
        interface=INTERFACE,
        gateway_mac=gateway_mac,
        begin_at=phases.attack + wave.begins * drill.attack_s - wave.lead_s,
        seconds=(wave.ends - wave.begins) * drill.attack_s + wave.lead_s,
        seed=seed + number,
        folder=folder,
    )


def require_generators(drill: Drill, plan: World, origin: Origin) -> None:
    """EnvironmentLacks when a generator that a wave needs is not installed: nobody could be attacked."""
    phases = Phases(begin=0, calm=0, attack=0, attack_end=drill.attack_s, end=drill.attack_s)
    for number, wave in enumerate(drill.waves):
        target = target_of(plan, origin)
        order = order_of(drill, number, 0, plan, target, phases, "02:00:00:00:00:01", Path())
        sender = ATTACKS[wave.attack].sender(order)
        if (why := sender.lacks()) is not None:
            raise EnvironmentLacks(wave.attack, why)
        for program, package in sender.programs:
            require(program, package)


def parameters_of(
    defaults: AttackParameters, changed: dict[str, float | int | str | bool]
) -> dict[str, float | int | str | bool]:
    """An attack's parameters with a wave's changes, checked by the attack's own type."""
    return type(defaults).model_validate({**defaults.model_dump(), **changed}).model_dump(mode="json")


def made(folder: Path) -> Path:
    """A folder that all the users of the run may read."""
    folder.mkdir(mode=0o755, exist_ok=True)
    return folder
