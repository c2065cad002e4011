"""The catalog zone (RFC 9432): which zones there are, for our own Knot and for every secondary. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from rempart.engines.knot.records import Records, RRsetKey, absolute
from rempart.engines.knot.soa import Soa

SIGNED = "signed"
UNSIGNED = "unsigned"
"""Values of the ``group`` property (RFC 9432 section 4.3.2) and names of the templates they choose."""

VERSION = "2"
"""The catalog's schema version (RFC 9432 section 4.2.1)."""


def group(dnssec: bool) -> str:
    """The group of a zone, signed or not."""
    return SIGNED if dnssec else UNSIGNED


def member_label(zone: str) -> str:
    """The member's unique label, made from the name alone: a catalog rebuilt after a loss is the same one.

    A new label would tell every secondary to throw the zone away and start over (RFC 9432 section 5.4).
    """
    return hashlib.sha256(zone.encode()).hexdigest()[:32]


def member_keys(catalog: str, zone: str) -> tuple[RRsetKey, RRsetKey]:
    """Where the member's PTR and its group stand in the catalog."""
    node = f"{member_label(zone)}.zones.{catalog}."
    return (node, "PTR"), (f"group.{node}", "TXT")


def member_records(catalog: str, zone: str, group: str | None) -> tuple[Records, ...]:
    """What makes ``zone`` a member: its PTR and, when it is in a group, that property."""
    pointer, property_ = member_keys(catalog, zone)
    rows = [Records(*pointer, 0, (absolute(zone),))]
    if group is not None:
        rows.append(Records(*property_, 0, (f'"{group}"',)))
    return tuple(rows)


def apex_records(catalog: str) -> tuple[Records, Records]:
    """What every catalog holds besides its SOA."""
    return (
        Records(f"{catalog}.", "NS", 0, ("invalid.",)),
        Records(f"version.{catalog}.", "TXT", 0, (f'"{VERSION}"',)),
    )


def soa(serial: int) -> Soa:
    """The catalog's SOA: names that cannot be mistaken for servers (RFC 9432 section 4.1), and an hour until
    a secondary that missed a NOTIFY asks by itself."""
    return Soa("invalid.", "invalid.", serial, refresh=3600, retry=600, expire=2**31 - 2, minimum=0, ttl=0)


def desired_records(catalog: str, members: Mapping[str, str | None]) -> dict[RRsetKey, Records]:
    """The whole catalog but its SOA. ``members``: name (no trailing dot) → group."""
    rows = list(apex_records(catalog))
    for zone, group in members.items():
        rows.extend(member_records(catalog, zone, group))
    return {row.key: row for row in rows}


def members(observed: Iterable[Records]) -> dict[str, str | None]:
    """The members in a catalog as it was read: name (no trailing dot) → group."""
    pointers: dict[str, str] = {}
    groups: dict[str, str] = {}
    for row in observed:
        if row.type == "PTR":
            pointers[row.owner] = row.rdata[0].rstrip(".")
        elif row.type == "TXT" and row.owner.startswith("group."):
            groups[row.owner.removeprefix("group.")] = row.rdata[0].strip('"')
    return {zone: groups.get(node) for node, zone in pointers.items()}
