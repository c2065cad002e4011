"""SOA records and their serial numbers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rempart.engines.knot.records import absolute
from rempart.model.errors import InvalidInput
from rempart.snapshot.items import ZoneItem

_MODULUS = 1 << 32
_HALF = 1 << 31


def serial_add(serial: int, steps: int) -> int:
    """Serial number addition (RFC 1982 section 3.1). ``steps`` is at most 2^31 - 1."""
    if not 0 <= steps < _HALF:
        raise InvalidInput("a serial grows by 0 to 2147483647 at a time", field="steps")
    return (serial + steps) % _MODULUS


def serial_greater(one: int, other: int) -> bool:
    """True when ``one`` is greater than ``other`` (RFC 1982 section 3.2); of opposites, neither is."""
    return one != other and 0 < (one - other) % _MODULUS < _HALF


def first_serial(now: int, last: int | None) -> int:
    """The serial of a zone that has no content: the Unix time ``now``, or above ``last``, the one it had."""
    candidate = now % _MODULUS
    if last is None or serial_greater(candidate, last):
        return candidate
    return serial_add(last, 1)


@dataclass(frozen=True, slots=True)
class Soa:
    """A start of authority (RFC 1035 section 3.3.13). Names end in a dot; times are in seconds."""

    mname: str
    rname: str
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int
    ttl: int

    @property
    def rdata(self) -> str:
        times = f"{self.refresh} {self.retry} {self.expire} {self.minimum}"
        return f"{self.mname} {self.rname} {self.serial} {times}"


def desired_soa(item: ZoneItem, serial: int) -> Soa:
    """The zone's SOA under ``serial``. Its TTL is the negative TTL, so that both say the same (RFC 2308).

    Raises InvalidInput when a name is none.
    """
    return Soa(
        mname=absolute(item.soa_mname),
        rname=absolute(item.soa_rname),
        serial=serial,
        refresh=item.soa_refresh,
        retry=item.soa_retry,
        expire=item.soa_expire,
        minimum=item.soa_minimum,
        ttl=item.soa_minimum,
    )


def parse_soa(rdata: str, ttl: int) -> Soa:
    """An SOA from presentation format as Knot writes it: seven fields on one line."""
    fields = rdata.split()
    if len(fields) != 7:
        raise InvalidInput(f"an SOA has 7 fields, not {len(fields)}", field="SOA")
    serial, refresh, retry, expire, minimum = (int(field) for field in fields[2:])
    return Soa(absolute(fields[0]), absolute(fields[1]), serial, refresh, retry, expire, minimum, ttl)


def same_but_serial(one: Soa, other: Soa) -> bool:
    """True when nothing but the serial tells them apart."""
    return replace(one, serial=0) == replace(other, serial=0)
