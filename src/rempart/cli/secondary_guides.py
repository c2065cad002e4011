"""Ready-made configuration for the people who run a secondary: Knot DNS, BIND, NSD. Pure text.

Knot and BIND follow the catalog zone (RFC 9432) and learn of new zones by themselves; NSD 4.6 does not
know catalogs, so its zones are listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Primary:
    """What a secondary must know about us."""

    addresses: tuple[str, ...]
    port: int
    catalog: str
    zones: tuple[str, ...]
    tsig_name: str
    tsig_algorithm: str
    tsig_secret: str
    """Base64, or a sign that it is not shown."""


def knot(primary: Primary) -> str:
    """For knot.conf(5), Knot DNS 3.0 and later."""
    remotes = ", ".join(f"{address}@{primary.port}" for address in primary.addresses)
    allowed = ", ".join(primary.addresses)
    return f"""\
key:
  - id: {primary.tsig_name}
    algorithm: {primary.tsig_algorithm}
    secret: {primary.tsig_secret}
remote:
  - id: rempart
    address: [{remotes}]
    key: {primary.tsig_name}
acl:
  - id: notify-from-rempart
    address: [{allowed}]
    key: {primary.tsig_name}
    action: notify
template:
  - id: from-rempart
    master: rempart
    acl: notify-from-rempart
zone:
  - domain: {primary.catalog}
    master: rempart
    acl: notify-from-rempart
    catalog-role: interpret
    catalog-template: from-rempart
"""


def bind(primary: Primary) -> str:
    """For named.conf(5), BIND 9.18 and later. ``catalog-zones`` belongs into the existing options."""
    primaries = "\n".join(
        f"    {address} port {primary.port} key {primary.tsig_name};" for address in primary.addresses
    )
    return f"""\
key "{primary.tsig_name}" {{
    algorithm {primary.tsig_algorithm};
    secret "{primary.tsig_secret}";
}};
primaries rempart {{
{primaries}
}};
options {{
    catalog-zones {{
        zone "{primary.catalog}" default-primaries {{ rempart; }} in-memory no;
    }};
}};
zone "{primary.catalog}" {{
    type secondary;
    file "{primary.catalog}.db";
    primaries {{ rempart; }};
}};
"""


def nsd(primary: Primary) -> str:
    """For nsd.conf(5). Zones added later must be added here too."""
    lines = [
        "key:",
        f"    name: {primary.tsig_name}",
        f"    algorithm: {primary.tsig_algorithm}",
        f'    secret: "{primary.tsig_secret}"',
        "pattern:",
        "    name: from-rempart",
    ]
    for address in primary.addresses:
        lines += [
            f"    request-xfr: {address}@{primary.port} {primary.tsig_name}",
            f"    allow-notify: {address} {primary.tsig_name}",
        ]
    for zone in primary.zones:
        lines += [
            "zone:",
            f"    name: {zone}",
            f'    zonefile: "{zone}.zone"',
            "    include-pattern: from-rempart",
        ]
    return "\n".join(lines) + "\n"


GUIDES = {"Knot DNS": knot, "BIND": bind, "NSD": nsd}


def guides(primary: Primary, *, only: Sequence[str] = ()) -> dict[str, str]:
    """Every server's configuration by the server's name."""
    return {name: write(primary) for name, write in GUIDES.items() if not only or name in only}
