"""The ports that parts will listen on: whether they are free, and who holds those that are not.

Where it stands: the supervisor looks before it starts anything, so that a taken port is one clear message
instead of an engine that dies again and again.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import psutil

from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks
from rempart.node.parts import CONTROLLER, HAPROXY, KNOT, NODE


@dataclass(frozen=True, slots=True)
class ListenPoint:
    """One address and port a part listens on, and the setting that chose it."""

    part: str
    address: str
    port: int
    datagram: bool
    setting: str

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}/{'udp' if self.datagram else 'tcp'}"


def listen_points(configuration: Configuration) -> Iterator[ListenPoint]:
    """Everything that will be listened on."""
    edge, dns, admin, api = configuration.edge, configuration.dns, configuration.admin, configuration.api
    for address in edge.listen:
        yield ListenPoint(HAPROXY, address, edge.http_port, False, "edge.http_port")
        yield ListenPoint(HAPROXY, address, edge.https_port, False, "edge.https_port")
    for address in dns.listen:
        yield ListenPoint(KNOT, address, dns.port, True, "dns.port")
        yield ListenPoint(KNOT, address, dns.port, False, "dns.port")
    yield ListenPoint(NODE, admin.listen, admin.port, False, "admin.port")
    yield ListenPoint(CONTROLLER, api.listen, api.port, False, "api.port")
    for section, name in ((configuration.log, "log"), (configuration.console, "console")):
        if section.port is not None:
            yield ListenPoint(CONTROLLER, section.listen, section.port, False, f"{name}.port")


def check_ports(configuration: Configuration, running: Collection[str]) -> None:
    """Return when every port can be had; those of parts in ``running`` are held by ourselves and not tried.

    Raises EnvironmentLacks naming address, port, and the process that holds it where the kernel tells.
    """
    for point in listen_points(configuration):
        if point.part not in running:
            _try(point)


def _try(point: ListenPoint) -> None:
    family = socket.AF_INET6 if ipaddress.ip_address(point.address).version == 6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if point.datagram else socket.SOCK_STREAM
    try:
        with socket.socket(family, kind) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if not point.datagram:
                # Without this, connections in TIME_WAIT from before would look like a listener.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((point.address, point.port))
    except OSError as error:
        raise _unavailable(point, error) from error


def _unavailable(point: ListenPoint, error: OSError) -> EnvironmentLacks:
    if error.errno == errno.EADDRINUSE:
        return EnvironmentLacks(
            f"port {point}",
            f"{point} is taken by {holder(point) or 'another process'}",
            hint=f"stop it, or choose another {point.setting}",
        )
    if error.errno == errno.EACCES:
        return EnvironmentLacks(
            f"port {point}",
            f"{point} needs root: it is a well-known port",
            hint=f"run as root, or choose {point.setting} above 1023",
        )
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        section = point.setting.partition(".")[0]
        return EnvironmentLacks(
            f"address {point.address}",
            f"this machine does not have the address {point.address}",
            hint=f"correct {section}.listen",
        )
    return EnvironmentLacks(f"port {point}", f"{point} cannot be bound: {error.strerror}")


def holder(point: ListenPoint) -> str | None:
    """The process that holds a port in words (``nginx (pid 812)``); None when the kernel does not tell."""
    try:
        connections = psutil.net_connections(kind="udp" if point.datagram else "tcp")
    except (psutil.Error, OSError):
        return None
    wildcards = ("0.0.0.0", "::")
    for connection in connections:
        if not connection.laddr or connection.laddr.port != point.port or connection.pid is None:
            continue
        if not point.datagram and connection.status != psutil.CONN_LISTEN:
            continue
        if point.address in wildcards or connection.laddr.ip in (point.address, *wildcards):
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return None
