"""What the operator's configuration says that compiled items depend on: addresses, name servers, policy.

Part of every compilation's input beside an owner's records and sites; when it changes, everything is
compiled again (see ``controller.intents``), which publishes only what came out differently.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from rempart.model.base import Value
from rempart.model.configuration import Configuration, OriginsSection

EDGE_TTL = 300
"""TTL of answers that name the edge itself, in seconds."""


class Endpoint(Value):
    """An address and a port that this machine listens on; ``address`` None means any of its own."""

    address: str | None
    port: int


class Surroundings(Value):
    """Everything beyond a zone's own rows that its items are made from, save resolutions."""

    edge_addresses: tuple[str, ...]
    """What proxied names answer with, sorted."""
    own_addresses: tuple[str, ...] = ()
    """This machine's addresses beside the loopback ones, sorted: no origin is one of them at our ports."""
    endpoints: tuple[Endpoint, ...] = ()
    nameservers: tuple[str, ...] = ()
    """Configured names for every zone's NS RRset; empty: ns1.<zone> with the edge's addresses."""
    secondary_names: tuple[str, ...] = ()
    contact: str = "hostmaster"
    origins: OriginsSection = OriginsSection()
    register_url: str | None = None
    """Where the public register is; a remedy's pages link there."""

    @classmethod
    def of(
        cls,
        configuration: Configuration,
        *,
        edge_addresses: tuple[str, ...] = (),
        own_addresses: tuple[str, ...] = (),
        secondary_names: tuple[str, ...] = (),
    ) -> Surroundings:
        """The surroundings under ``configuration``.

        For a configuration that names no edge addresses ``edge_addresses`` stand in, else what visitors
        can most likely reach of the machine's ``own_addresses``.
        """
        edge, dns, admin = configuration.edge, configuration.dns, configuration.admin
        endpoints = [
            Endpoint(address=None if ipaddress.ip_address(address).is_unspecified else address, port=port)
            for addresses, ports in (
                (edge.listen, (edge.http_port, edge.https_port)),
                (dns.listen, (dns.port,)),
                ((admin.listen,), (admin.port,)),
                ((configuration.api.listen,), (configuration.api.port,)),
            )
            for address in addresses
            for port in ports
        ]
        return cls(
            edge_addresses=tuple(sorted(edge.addresses or edge_addresses or reachable(own_addresses))),
            own_addresses=tuple(sorted(own_addresses)),
            endpoints=tuple(sorted(set(endpoints), key=lambda one: (one.address or "", one.port))),
            nameservers=tuple(name.lower().rstrip(".") for name in dns.nameservers),
            secondary_names=tuple(sorted(secondary_names)),
            contact=dns.contact,
            origins=configuration.origins,
            register_url=configuration.cases.register_url,
        )

    def default_nameserver(self, zone: str) -> str | None:
        """``ns1.<zone>`` when it is the zone's name server, None when names were configured."""
        return None if self.nameservers else f"ns1.{zone}"

    def nameservers_of(self, zone: str) -> tuple[str, ...]:
        """The names of the zone's NS RRset; the first is the SOA's MNAME."""
        ours = self.nameservers or (f"ns1.{zone}",)
        return tuple(dict.fromkeys((*ours, *self.secondary_names)))

    def responsible_of(self, zone: str) -> str:
        """The SOA's RNAME: RFC 1035 section 8 writes a mail address as a domain name."""
        contact = self.contact.rstrip(".")
        if "@" in contact:
            local, _, domain = contact.rpartition("@")
            return f"{local.replace('.', chr(92) + '.')}.{domain}"
        return contact if "." in contact else f"{contact}.{zone}"


def reachable(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of a machine's addresses that visitors most likely reach: of each family the global ones, else
    the private ones; on a machine that has neither, the loopback ones."""
    kinds: dict[tuple[int, str], list[str]] = {}
    for address in addresses:
        ip = ipaddress.ip_address(address)
        if ip.is_loopback:
            kind = "loopback"
        elif ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            continue
        else:
            kind = "global" if ip.is_global else "private"
        kinds.setdefault((ip.version, kind), []).append(str(ip))
    found = [
        address
        for version in (4, 6)
        for address in kinds.get((version, "global")) or kinds.get((version, "private"), [])
    ]
    return tuple(sorted(found or kinds.get((4, "loopback"), []) + kinds.get((6, "loopback"), [])))
