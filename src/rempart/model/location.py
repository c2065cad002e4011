"""LOC, where a thing stands on Earth (RFC 1876): its text and Cloudflare's members for it.

Used by ``rdata`` alone. All is counted in whole milliseconds of arc and whole centimetres, as on the wire:
floating point would move a place by a centimetre each time it is read. The wire keeps one digit and a
power of ten of a size, so that is what a size is cut to here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rempart.model.error_codes import CloudflareCode
from rempart.model.errors import InvalidInput
from rempart.model.presentation import integer

_ANGLE = r"(\d{1,3})(?: (\d{1,2})(?: (\d{1,2}(?:\.\d{0,9})?))?)?"
_METRES = r"(\d{1,8}(?:\.\d{0,9})?|\.\d{1,9})M?"
_TEXT = re.compile(
    rf"{_ANGLE} ([NS]) {_ANGLE} ([EW]) (-?){_METRES}(?: {_METRES}(?: {_METRES}(?: {_METRES})?)?)?", re.ASCII
)

_ALTITUDE_CM = (-10_000_000, 2**32 - 1 - 10_000_000)
_SIZE_CM = (0, 9_000_000_000)
_SIZE_DEFAULT_CM = 100
_HORIZONTAL_DEFAULT_CM = 1_000_000
_VERTICAL_DEFAULT_CM = 1_000

_MEMBERS = frozenset(
    f"{axis}_{part}" for axis in ("lat", "long") for part in ("degrees", "minutes", "seconds", "direction")
) | {"altitude", "size", "precision_horz", "precision_vert"}


@dataclass(frozen=True, slots=True)
class Location:
    """A place; angles in milliseconds of arc, positive to the north and east, lengths in centimetres."""

    latitude: int
    longitude: int
    altitude: int
    size: int = _SIZE_DEFAULT_CM
    horizontal: int = _HORIZONTAL_DEFAULT_CM
    vertical: int = _VERTICAL_DEFAULT_CM

    @property
    def presentation(self) -> str:
        """Canonical presentation format, nothing left out."""
        angles = [
            f"{degrees} {minutes} {seconds:.3f} {direction}"
            for degrees, minutes, seconds, direction in (
                _parts(self.latitude, "NS"),
                _parts(self.longitude, "EW"),
            )
        ]
        lengths = (self.altitude, self.size, self.horizontal, self.vertical)
        return " ".join([*angles, *(f"{Decimal(length) / 100:.2f}m" for length in lengths)])

    @property
    def members(self) -> dict[str, Any]:
        """Cloudflare's ``data``."""
        members: dict[str, Any] = {}
        for axis, angle, directions in (("lat", self.latitude, "NS"), ("long", self.longitude, "EW")):
            degrees, minutes, seconds, direction = _parts(angle, directions)
            members |= {
                f"{axis}_degrees": degrees,
                f"{axis}_minutes": minutes,
                f"{axis}_seconds": float(seconds),
                f"{axis}_direction": direction,
            }
        return members | {
            "altitude": self.altitude / 100,
            "size": self.size / 100,
            "precision_horz": self.horizontal / 100,
            "precision_vert": self.vertical / 100,
        }


def from_text(text: str) -> Location:
    """The place in presentation format, one blank between words (RFC 1876 section 3).

    Raises InvalidInput(field="content").
    """
    match = _TEXT.fullmatch(text.upper())
    if match is None:
        raise InvalidInput(
            "not a valid LOC record",
            field="content",
            hint="for example 51 30 12.748 N 0 7 39.612 W 0m",
            code=CloudflareCode.RECORD_INVALID,
        )
    d1, m1, s1, north, d2, m2, s2, east, sign, altitude, *sizes = match.groups()
    return Location(
        _angle(int(d1), int(m1 or 0), Decimal(s1 or 0), north, "content"),
        _angle(int(d2), int(m2 or 0), Decimal(s2 or 0), east, "content"),
        _bounded(int(Decimal(sign + altitude) * 100), _ALTITUDE_CM, "content"),
        *(_size(int(Decimal(size) * 100), "content") for size in sizes if size is not None),
    )


def from_members(members: Mapping[str, Any]) -> Location:
    """The place in Cloudflare's members; what is optional in RFC 1876 section 3 may be absent.

    Angles are degrees, minutes and seconds, lengths metres. Raises InvalidInput(field="data.<member>").
    """
    for name in members:
        if name not in _MEMBERS:
            raise InvalidInput("LOC records have no such member", field=f"data.{name[:40]}")
    sizes = (
        ("size", _SIZE_DEFAULT_CM),
        ("precision_horz", _HORIZONTAL_DEFAULT_CM),
        ("precision_vert", _VERTICAL_DEFAULT_CM),
    )
    return Location(
        _angle_of_members(members, "lat", ("N", "S")),
        _angle_of_members(members, "long", ("E", "W")),
        _bounded(_centimetres(members, "altitude", 0), _ALTITUDE_CM, "data.altitude"),
        *(_size(_centimetres(members, name, default), f"data.{name}") for name, default in sizes),
    )


def _angle_of_members(members: Mapping[str, Any], axis: str, directions: tuple[str, str]) -> int:
    for part in ("degrees", "direction"):
        if members.get(f"{axis}_{part}") is None:
            raise InvalidInput("LOC records need it", field=f"data.{axis}_{part}")
    direction = str(members[f"{axis}_direction"])[:20].strip().upper()
    if direction not in directions:
        raise InvalidInput(f"{directions[0]} or {directions[1]} is needed", field=f"data.{axis}_direction")
    degrees = integer(members[f"{axis}_degrees"], 180, f"data.{axis}_degrees")
    minutes = integer(members.get(f"{axis}_minutes", 0), 59, f"data.{axis}_minutes")
    seconds = _number(members.get(f"{axis}_seconds", 0), f"data.{axis}_seconds")
    return _angle(degrees, minutes, Decimal(repr(seconds)), direction, f"data.{axis}_degrees")


def _centimetres(members: Mapping[str, Any], name: str, default: int) -> int:
    return round(_number(members[name], f"data.{name}") * 100) if name in members else default


def _number(value: object, field: str) -> float:
    number = math.nan
    if not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            number = float(value[:40] if isinstance(value, str) else value)
        except (ValueError, OverflowError):
            number = math.nan
    if not abs(number) <= 1e9:  # also false for what is not a number
        raise InvalidInput("a number is needed, and not so large a one", field=field)
    return number


def _angle(degrees: int, minutes: int, seconds: Decimal, direction: str, field: str) -> int:
    limit = 90 if direction in "NS" else 180
    angle = (degrees * 60 + minutes) * 60_000 + int(seconds * 1000)
    if minutes > 59 or not 0 <= seconds < 60 or angle > limit * 3_600_000:
        raise InvalidInput(f"an angle from 0 to {limit} degrees is needed", field=field)
    return -angle if direction in "SW" else angle


def _size(centimetres: int, field: str) -> int:
    digits = str(_bounded(centimetres, _SIZE_CM, field))
    return int(digits[0]) * int(10 ** (len(digits) - 1))


def _bounded(centimetres: int, bounds: tuple[int, int], field: str) -> int:
    if not bounds[0] <= centimetres <= bounds[1]:
        raise InvalidInput(
            f"metres from {bounds[0] / 100:.2f} to {bounds[1] / 100:.2f} are needed", field=field
        )
    return centimetres


def _parts(angle: int, directions: str) -> tuple[int, int, Decimal, str]:
    minutes, milliseconds = divmod(abs(angle), 60_000)
    return minutes // 60, minutes % 60, Decimal(milliseconds) / 1000, directions[angle < 0]
