"""Which interfaces to guard, and what to tell the program about this machine. Pure.

Where it stands: the part asks at its start and whenever addresses or routes have changed, ``rempart up`` and
``rempart shield`` ask the same, so all of them mean the same thing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from rempart.model.configuration import Configuration
from rempart.model.shield_settings import UDP_SERVICES, ShieldSection, service_index
from rempart.node.shield.surroundings import Address, Interface, Network, Surroundings

SERVED, SERVED_DNS = 1, 2
"""Flags of a service; bpf/tables.h."""
OWN_ADDRESSES_MAX = 4_096
EXPANDED_MAX = 1_024
"""A local route (an anycast prefix) is taken apart into addresses when it has no more than these."""
DHCP_CLIENTS = ("udp/68", "udp/546")
"""Renewals reach programs without a socket that the kernel would find. A machine that cannot renew its
address loses it."""

SPECIAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        # IANA's registries of special-purpose addresses (RFC 6890 and its updates): those from which nothing
        # that is meant for a public server comes over a network.
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "::/8",
        "100::/64",
        "2001:2::/48",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fec0::/10",
        "ff00::/8",
    )
)
"""Not among them: fe80::/10, which neighbours use; 169.254.0.0/16, from which clouds answer their own
machines; and 64:ff9b::/96, from which translated visitors come (that lies in ::/8 and is taken out again)."""
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(prefix)
    for prefix in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""Where one of them is ours the others may be a router away, of one operator's network."""


def guarded(configuration: Configuration, found: Surroundings) -> tuple[str, ...]:
    """Names of the interfaces to guard. Those that the operator named are all among them, there or not."""
    if configuration.shield.interfaces:
        return configuration.shield.interfaces
    loopbacks = {one.name for one in found.interfaces if one.loopback}
    chosen = set()
    for text in {*configuration.edge.listen, *configuration.dns.listen}:
        address = ipaddress.ip_address(text)
        if address.is_unspecified:
            same = (one for one in found.routes if one.network.version == address.version)
            chosen |= {one.interface for one in same if one.default and not one.local and one.interface}
        else:
            chosen |= {one.interface for one in found.addresses if one.address == address}
    return tuple(sorted(chosen - loopbacks))


def guarded_on(before: tuple[str, ...], wanted: tuple[str, ...], found: Surroundings) -> tuple[str, ...]:
    """``wanted``, and what was guarded ``before`` and is still there.

    A default route that goes for a moment (a lease that is renewed, a link that flaps) must not take
    protection along; guarding an interface too long harms nobody.
    """
    names = found.by_name
    return (*wanted, *(name for name in before if name not in wanted and name in names))


def mode(section: ShieldSection, interface: Interface | None) -> str:
    """``native``, ``generic``, or ``auto``: native where the driver can.

    What a native program sends back over a veth is lost unless the other end has a program too, so SYN
    cookies and truncated answers would go nowhere: there generic is meant, unless somebody says native.
    """
    if section.mode == "auto" and interface is not None and interface.kind == "veth":
        return "generic"
    return section.mode


def nothing_to_guard(configuration: Configuration) -> str:
    """Why there is no interface, in words."""
    listen = sorted({*configuration.edge.listen, *configuration.dns.listen})
    if any(ipaddress.ip_address(one).is_unspecified for one in listen):
        return "no interface has a default route; name it in shield.interfaces"
    if all(ipaddress.ip_address(one).is_loopback for one in listen):
        return "only loopback addresses are listened on"
    return f"no interface has {' or '.join(listen)}; name it in shield.interfaces"


def services(configuration: Configuration) -> Mapping[int, int]:
    """What is served here: place in the table of services -> flags."""
    edge, dns = configuration.edge, configuration.dns
    found = {edge.http_port: SERVED, edge.https_port: SERVED, dns.port: SERVED}
    found[UDP_SERVICES + dns.port] = SERVED | SERVED_DNS
    for section in (configuration.admin, configuration.api, configuration.log, configuration.console):
        if section.port is not None and not ipaddress.ip_address(section.listen).is_loopback:
            found[section.port] = SERVED
    for text in (*configuration.shield.also_serves, *DHCP_CLIENTS):
        found.setdefault(service_index(text), SERVED)
    return found


def own_addresses(found: Surroundings) -> tuple[Address, ...]:
    """Every address that the kernel takes for ours, in order."""
    own = {one.address for one in found.addresses}
    for route in found.routes:
        if route.local and not route.network.is_loopback and route.network.num_addresses <= EXPANDED_MAX:
            own.update(route.network)
    return tuple(sorted(own, key=lambda one: (one.version, int(one))))


def not_expanded(found: Surroundings) -> tuple[Network, ...]:
    """Local routes too large to be taken apart: packets to them pass as if they were forwarded."""
    return tuple(
        one.network
        for one in found.routes
        if one.local and not one.network.is_loopback and one.network.num_addresses > EXPANDED_MAX
    )


def unfiltered(found: Surroundings) -> tuple[str, ...]:
    """Addresses of ours that the program does not know to be ours, in words: what goes to them passes."""
    large = tuple(
        f"{network} ({network.num_addresses:,} addresses, {EXPANDED_MAX:,} of a local route fit)"
        for network in not_expanded(found)
    )
    further = len(own_addresses(found)) - OWN_ADDRESSES_MAX
    return (*large, f"{further:,} addresses more than {OWN_ADDRESSES_MAX:,}") if further > 0 else large


def martians(found: Surroundings, interfaces: tuple[str, ...]) -> Mapping[Network, bool]:
    """Prefix -> whether nobody can send from it, for the longest prefix that a source matches.

    A special-purpose range is real where it is used: where an interface that is guarded has an address in it,
    or where a route leads into it.
    """
    table: dict[Network, bool] = dict.fromkeys(SPECIAL, True)
    table[TRANSLATED] = False
    used = [
        one.address for one in found.addresses if one.interface in interfaces and not _everywhere(one.address)
    ]
    if any(one in private for one in used for private in PRIVATE if one.version == private.version):
        table.update(dict.fromkeys(PRIVATE, False))
    for special in SPECIAL:
        if any(one.version == special.version and one in special for one in used):
            table[special] = False
    table.update(dict.fromkeys(_routed(found), False))
    if not {one.name for one in found.interfaces if one.loopback}.isdisjoint(interfaces):
        return table
    # Last, and longest: nobody else sends from our addresses.
    own = own_addresses(found)[:OWN_ADDRESSES_MAX]
    table.update({ipaddress.ip_network(one): True for one in own if not _everywhere(one)})
    return table


def _everywhere(address: Address) -> bool:
    """Addresses that every machine has."""
    return address.is_loopback or address.is_link_local


def _routed(found: Surroundings) -> Iterator[Network]:
    loopbacks = {one.name for one in found.interfaces if one.loopback}
    for route in found.routes:
        network = route.network
        if route.default or route.local or route.interface in loopbacks or network.is_multicast:
            continue
        if any(network.version == one.version and network.overlaps(one) for one in SPECIAL):
            yield network
