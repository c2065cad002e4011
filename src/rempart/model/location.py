"""LOC, where a thing stands on Earth (RFC 1876): its canonical text and Cloudflare's members for it.

Used by ``rdata`` alone. The wire keeps a mantissa and a power of ten for sizes and centimetres for the
altitude, so a location is canonical only after it has been there and back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.LOC

from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import InvalidInput
from rempart.model.presentation import integer

_ALTITUDE = (-100_000.0, 42_849_672.95)
_SIZE = (0.0, 90_000_000.0)
_MEMBERS = frozenset(
    f"{axis}_{part}" for axis in ("lat", "long") for part in ("degrees", "minutes", "seconds", "direction")
) | {"altitude", "size", "precision_horz", "precision_vert"}


@dataclass(frozen=True, slots=True)
class Location:
    """A location in canonical presentation, and the same as Cloudflare's ``data``."""

    presentation: str
    members: dict[str, Any]


def from_members(members: Mapping[str, Any]) -> str:
    """Presentation of Cloudflare's members; what is optional in RFC 1876 section 3 may be absent.

    Angles are degrees, minutes and seconds, lengths metres. Raises InvalidInput(field="data.<member>").
    """
    for name in members:
        if name not in _MEMBERS:
            raise InvalidInput("LOC records have no such member", field=f"data.{name[:40]}")
    latitude = _angle(members, "lat", 90, ("N", "S"))
    longitude = _angle(members, "long", 180, ("E", "W"))
    altitude = _metres(members, "altitude", 0.0, _ALTITUDE)
    size = _metres(members, "size", 1.0, _SIZE)
    horizontal = _metres(members, "precision_horz", 10_000.0, _SIZE)
    vertical = _metres(members, "precision_vert", 10.0, _SIZE)
    return f"{latitude} {longitude} {altitude} {size} {horizontal} {vertical}"


def _angle(members: Mapping[str, Any], axis: str, limit: int, directions: tuple[str, str]) -> str:
    for part in ("degrees", "direction"):
        if members.get(f"{axis}_{part}") is None:
            raise InvalidInput("a LOC record needs it", field=f"data.{axis}_{part}")
    degrees = integer(members[f"{axis}_degrees"], limit, f"data.{axis}_degrees")
    minutes = integer(members.get(f"{axis}_minutes", 0), 59, f"data.{axis}_minutes")
    seconds = _number(members.get(f"{axis}_seconds", 0), (0.0, 59.999), f"data.{axis}_seconds")
    direction = str(members[f"{axis}_direction"])[:20].strip().upper()
    if direction not in directions:
        raise InvalidInput(f"{directions[0]} or {directions[1]} is needed", field=f"data.{axis}_direction")
    return f"{degrees} {minutes} {seconds:.3f} {direction}"


def _metres(members: Mapping[str, Any], name: str, default: float, bounds: tuple[float, float]) -> str:
    return f"{_number(members.get(name, default), bounds, f'data.{name}'):.2f}m"


def _number(value: object, bounds: tuple[float, float], field: str) -> float:
    number = math.nan
    if not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            number = float(value[:40] if isinstance(value, str) else value)
        except (ValueError, OverflowError):
            number = math.nan
    if not bounds[0] <= number <= bounds[1]:
        raise InvalidInput(f"a number from {bounds[0]:.2f} to {bounds[1]:.2f} is needed", field=field)
    return number


def canonical(rdata: dns.rdata.Rdata) -> Location:
    """The location as the wire keeps it. Raises InvalidInput(field="content") for one it cannot keep."""
    wire = rdata.to_wire() or b""
    try:
        kept = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.LOC, wire, 0, len(wire))
    except (dns.exception.DNSException, ValueError) as error:
        raise _invalid(str(error)) from None
    if not isinstance(kept, dns.rdtypes.ANY.LOC.LOC):
        raise _invalid("not a location")
    lat_degrees, lat_minutes, lat_seconds, lat_direction = _parts(kept.latitude, "NS")
    long_degrees, long_minutes, long_seconds, long_direction = _parts(kept.longitude, "EW")
    altitude, size, horizontal, vertical = (
        round(centimetres / 100, 2)
        for centimetres in (kept.altitude, kept.size, kept.horizontal_precision, kept.vertical_precision)
    )
    presentation = (
        f"{lat_degrees} {lat_minutes} {lat_seconds:.3f} {lat_direction} "
        f"{long_degrees} {long_minutes} {long_seconds:.3f} {long_direction} "
        f"{altitude:.2f}m {size:.2f}m {horizontal:.2f}m {vertical:.2f}m"
    )
    members = {
        "lat_degrees": lat_degrees,
        "lat_minutes": lat_minutes,
        "lat_seconds": lat_seconds,
        "lat_direction": lat_direction,
        "long_degrees": long_degrees,
        "long_minutes": long_minutes,
        "long_seconds": long_seconds,
        "long_direction": long_direction,
        "altitude": altitude,
        "size": size,
        "precision_horz": horizontal,
        "precision_vert": vertical,
    }
    return Location(presentation, members)


def _parts(angle: tuple[int, int, int, int, int], directions: str) -> tuple[int, int, float, str]:
    degrees, minutes, seconds, milliseconds, sign = angle
    return degrees, minutes, round(seconds + milliseconds / 1000, 3), directions[0 if sign >= 0 else 1]


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(
        f"not a valid LOC record: {message}", field="content", code=CloudflareCode.RECORD_INVALID
    )
