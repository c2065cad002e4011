"""Looks up interfaces, addresses and routes of the network namespace that this process is in. The rim."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rempart.model.errors import EnvironmentLacks
from rempart.node.shield.surroundings import Assigned, Interface, Network, Route, Surroundings

if TYPE_CHECKING:
    from pyroute2 import IPRoute

# linux/if.h, linux/rtnetlink.h
_IFF_LOOPBACK = 0x8
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_FAMILIES = (2, 10)
ROUTES_COST_FACTOR = 20.0
"""Of a router with a full table: reading it takes one part in this many of the time at most."""


class KernelNetwork:
    """A netlink socket to ask through. It asks in the network namespace that it was opened in."""

    def __init__(self) -> None:
        from pyroute2 import IPRoute

        try:
            self._netlink: IPRoute = IPRoute()
        except OSError as error:
            raise EnvironmentLacks("netlink", f"the kernel's network cannot be asked: {error}") from error
        self._routes: tuple[Route, ...] = ()
        self._routes_due = float("-inf")

    def look(self) -> Surroundings:
        """Everything now; routes as they were a moment ago when there are very many of them.

        Raises EnvironmentLacks when the kernel does not answer.
        """
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            interfaces = tuple(map(_interface, self._netlink.get_links()))
            names = {one.index: one.name for one in interfaces}
            addresses = tuple(_assigned(self._netlink.get_addr(), names))
            began = time.monotonic()
            if began >= self._routes_due:
                self._routes = tuple(
                    route
                    for family in _FAMILIES
                    for message in self._netlink.get_routes(family=family)
                    for route in _routes(message, names)
                )
                ended = time.monotonic()
                self._routes_due = ended + (ended - began) * ROUTES_COST_FACTOR
        except (NetlinkError, OSError) as error:
            raise EnvironmentLacks("netlink", f"the kernel's network cannot be asked: {error}") from error
        return Surroundings(interfaces, addresses, self._routes)

    def close(self) -> None:
        self._netlink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def look() -> Surroundings:
    """The network once."""
    with KernelNetwork() as network:
        return network.look()


def _interface(message: Any) -> Interface:
    attached = message.get_attr("IFLA_XDP")
    program = attached.get_attr("IFLA_XDP_PROG_ID") if attached is not None else None
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info is not None else None
    return Interface(
        name=str(message.get_attr("IFLA_IFNAME")),
        index=int(message["index"]),
        mtu=int(message.get_attr("IFLA_MTU") or 1500),
        loopback=bool(message["flags"] & _IFF_LOOPBACK),
        program=int(program) if program else None,
        kind=str(kind or ""),
    )


def _assigned(messages: Any, names: dict[int, str]) -> Iterator[Assigned]:
    for message in messages:
        # Of a point-to-point link IFA_ADDRESS is the peer's.
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        interface = names.get(int(message["index"]))
        if text is not None and interface is not None:
            yield Assigned(interface, ipaddress.ip_address(text), int(message["prefixlen"]))


def _routes(message: Any, names: dict[int, str]) -> Iterator[Route]:
    if message["type"] not in (_RTN_UNICAST, _RTN_LOCAL):
        return
    text = message.get_attr("RTA_DST") or ("0.0.0.0" if message["family"] == _FAMILIES[0] else "::")
    network: Network = ipaddress.ip_network((text, int(message["dst_len"])), strict=False)
    local = message["type"] == _RTN_LOCAL
    ways = [message.get_attr("RTA_OIF")]
    # Several next hops: each has an interface.
    ways += [hop["oif"] for hop in message.get_attr("RTA_MULTIPATH") or ()]
    for index in {way for way in ways if way is not None} or {0}:
        yield Route(network, names.get(int(index), ""), local)
