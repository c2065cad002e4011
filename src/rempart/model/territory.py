"""Which network is in which country, as published tables say: CSV with a network and an ISO 3166 code. Pure.

``network,country`` is the shape (``192.0.2.0/24,FR``). A header may name the columns, among others:
``network`` or ``prefix``; ``country_code``, ``country_iso_code`` or ``country``. Without one they are the
first two. Of networks within each other the smallest counts.
"""

from __future__ import annotations

import csv
import ipaddress
import re
from collections.abc import Iterable, Iterator

from rempart.model.errors import InvalidInput

_CODE = re.compile(r"[A-Z]{2}")
_NETWORK = ("network", "prefix")
_COUNTRY = ("country_code", "country_iso_code", "country")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(lines: Iterable[str], name: str) -> Iterator[tuple[Network, str]]:
    """The networks of the table ``name`` with their countries; those of no country are left out.

    InvalidInput names the line that is no such thing.
    """
    first, second = 0, 1
    for number, row in enumerate(csv.reader(lines), 1):
        if not row or row[0].startswith("#"):
            continue
        if number == 1 and (columns := _columns(row)) is not None:
            first, second = columns
            continue
        if len(row) <= max(first, second):
            raise InvalidInput(
                f"{name}, line {number}: network,country is missing", field="territory.networks"
            )
        country = row[second].strip().upper()
        if not country or country == "-":
            continue
        try:
            network = ipaddress.ip_network(row[first].strip())
        except ValueError as error:
            raise InvalidInput(f"{name}, line {number}: {error}", field="territory.networks") from None
        if not _CODE.fullmatch(country):
            raise InvalidInput(
                f"{name}, line {number}: {country!r} is no country code of two letters",
                field="territory.networks",
            )
        yield network, country


def _columns(row: list[str]) -> tuple[int, int] | None:
    names = [one.strip().lower() for one in row]
    first = [names.index(one) for one in _NETWORK if one in names]
    second = [names.index(one) for one in _COUNTRY if one in names]
    return (first[0], second[0]) if first and second else None
